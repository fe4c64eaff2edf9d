/*
 * A store at rest (tests/support/rest_kit.h), damaged in several places, then
 * checked and repaired.  Whatever was done to it, neither changes it; what a
 * repair gives is a store that holds nothing that was never written, and,
 * unless it said that some damage does not tell its keys, no older value and
 * no deleted key.
 *
 * Input: pieces of 4 bytes:
 *	file   which one
 *	what   bits 0..2  0, 1 flip bits, 2 zero, 3 cut off, 4 remove,
 *			  5 put another file's bytes in its place, 6 append
 *	off    low 16 bits, little-endian: where, modulo the length
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "tests/support/rest_kit.h"
#include "tests/support/store_kit.h"

enum {
	PIECE_LEN = 4,
	PIECES_MAX = 8,
	ZEROS_LEN = 72,
	VALUE_MAX = 64,
};

static const char *const files[] = {
	"0000000001.seg",  "0000000003.seg",  "0000000005.seg",
	"0000000001.hint", "0000000003.hint", "0000000005.hint",
	"MANIFEST.0",	   "MANIFEST.1",      "LOCK",
};

enum {
	N_FILES = sizeof(files) / sizeof(files[0]),
};

static void check(int ok)
{
	if (!ok)
		abort();
}

/* ---- damage ---- */

static void swap_in(struct io *io, const char *name, const char *other)
{
	size_t len;
	uint8_t *data;

	if (!kit_exists(io, REST_DIR, other))
		return;
	data = kit_read(io, REST_DIR, other, &len);
	kit_write(io, REST_DIR, name, data, len);
	free(data);
}

static void append(struct io *io, const char *name, uint8_t byte)
{
	size_t len;
	uint8_t *data = kit_read(io, REST_DIR, name, &len);
	uint8_t *longer = malloc(len + ZEROS_LEN);

	check(longer != NULL);
	memcpy(longer, data, len);
	memset(longer + len, byte, ZEROS_LEN);
	kit_write(io, REST_DIR, name, longer, len + ZEROS_LEN);
	free(longer);
	free(data);
}

static void damage(struct io *io, const uint8_t *piece)
{
	const char *name = files[piece[0] % N_FILES];
	size_t off = bytes_get16(piece + 2);
	size_t len;

	if (!kit_exists(io, REST_DIR, name))
		return;
	free(kit_read(io, REST_DIR, name, &len));
	if (len == 0)
		return;
	/* Where the entries are, as a rule. */
	off %= len < 1024 ? len : 1024;
	switch (piece[1] & 7) {
	case 2:
		kit_zero(io, REST_DIR, name, off,
			 off + ZEROS_LEN < len ? off + ZEROS_LEN : len);
		break;
	case 3:
		kit_cut(io, REST_DIR, name, off);
		break;
	case 4:
		kit_unlink(io, REST_DIR, name);
		break;
	case 5:
		swap_in(io, name, files[off % N_FILES]);
		break;
	case 6:
		append(io, name, piece[3]);
		break;
	default:
		kit_flip(io, REST_DIR, name, off, piece[1] | 1);
	}
}

/* ---- what is left ---- */

/* All values of the three runs have the key, or the run, in them. */
static bool was_written(const char *key, const char *value)
{
	return *value == 0 || strstr(value, key) || strstr(value, "run ") ||
	       strcmp(value, "again") == 0 || strcmp(value, "early") == 0 ||
	       strcmp(value, "late") == 0;
}

static void look_at_new(struct simfs *fs, const struct rest_found *found)
{
	/* Made up without manifests, it does not know what was cut off. */
	bool is_sure = found->repaired.n_unknown == 0 &&
		       rest_count(found, FINDING_MANIFEST, NULL) == 0;
	struct store *store = kit_open(simfs_io(fs), REST_NEWDIR);
	size_t i;

	for (i = 0; i < rest_n_newest; i++) {
		const struct rest_pair *pair = &rest_newest[i];
		char value[VALUE_MAX];
		int result = kit_get(store, pair->key, value, sizeof(value));

		if (result == 0) {
			check(was_written(pair->key, value));
			check(!is_sure ||
			      (pair->value && strcmp(pair->value, value) == 0));
		} else {
			check(result == STORE_NOT_FOUND);
			check(!is_sure || !pair->value ||
			      rest_count(found, FINDING_LOST, pair->key) == 1);
		}
	}
	store_abandon(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct rest_found found;
	static struct simfs *whole;
	struct simfs *fs;
	uint64_t hash;
	size_t i;

	if (!whole)
		whole = rest_new(false);
	fs = simfs_clone(whole);
	for (i = 0; i < len / PIECE_LEN && i < PIECES_MAX; i++)
		damage(simfs_io(fs), data + i * PIECE_LEN);
	hash = simfs_hash(fs);
	rest_check(fs, REST_DIR, &found);
	check(simfs_hash(fs) == hash);
	hash = rest_hash(fs);
	rest_repair(fs, &found);
	check(rest_hash(fs) == hash && simfs_n_open(fs) == 0);
	if (found.result == 0)
		look_at_new(fs, &found);
	else
		check(found.result < 0 && *found.error.text);
	simfs_free(fs);
	return 0;
}
