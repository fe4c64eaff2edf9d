/*
 * Makes the golden stores of the format version that this tree writes, each
 * with what it is expected to hold (tests/support/golden.h):
 *
 *	make_golden FOLDER
 *
 * Run by hand, once for a format version; see README in this folder.  What
 * does not work ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/path.h"
#include "common/segment.h"
#include "common/store.h"
#include "tests/support/golden.h"

#define YEAR_2100_MS UINT64_C(4102444800000)

enum {
	KEYS_MAX = 64,
	SPEC_MAX = 64,
	PAGE_LEN = 4096,
	PAST_MS = 1,
	TORN_LEN = 5, /* bytes of the last write that did not arrive */
};

/* A store that is being made, and what it holds by now. */
struct maker {
	const char *folder;
	const char *name;
	char dir[PATH_LEN_MAX];
	struct store *store;
	struct {
		char key[SPEC_MAX];
		char value[SPEC_MAX]; /* "": gone */
		uint64_t version;
		uint64_t expires_at_ms;
	} keys[KEYS_MAX];
	size_t n_keys;
};

#define must(holds) must_hold(holds, #holds, __LINE__)

static void must_hold(int holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "make_golden.c:%d: %s does not hold: %s\n", line, what,
		strerror(errno));
	exit(1);
}

/* ---- the model ---- */

static void note(struct maker *maker, const char *key, const char *value,
		 uint64_t version, uint64_t expires_at_ms)
{
	size_t i = 0;

	while (i < maker->n_keys && strcmp(maker->keys[i].key, key) != 0)
		i++;
	if (i == maker->n_keys)
		maker->n_keys++;
	must(i < KEYS_MAX && strlen(key) < SPEC_MAX &&
	     strlen(value) < SPEC_MAX);
	snprintf(maker->keys[i].key, SPEC_MAX, "%s", key);
	snprintf(maker->keys[i].value, SPEC_MAX, "%s", value);
	maker->keys[i].version = version;
	maker->keys[i].expires_at_ms = expires_at_ms;
}

static void write_expected(const struct maker *maker)
{
	char path[PATH_LEN_MAX];
	FILE *file;
	size_t i;

	must(snprintf(path, sizeof(path), "%s/%s.expect", maker->folder,
		      maker->name) < PATH_LEN_MAX);
	file = fopen(path, "w");
	must(file != NULL);
	for (i = 0; i < maker->n_keys; i++) {
		if (maker->keys[i].expires_at_ms == PAST_MS)
			fprintf(file, "expired %s\n", maker->keys[i].key);
		else if (*maker->keys[i].value)
			fprintf(file, "put %s %s %" PRIu64 " %" PRIu64 "\n",
				maker->keys[i].key, maker->keys[i].value,
				maker->keys[i].version,
				maker->keys[i].expires_at_ms);
		else
			fprintf(file, "gone %s\n", maker->keys[i].key);
	}
	must(fclose(file) == 0);
}

/* ---- writes ---- */

static void open_store(struct maker *maker)
{
	const struct store_options options = {
		.dir = maker->dir,
		.segment_size = STORE_SEGMENT_MIN,
		.private_index = true,
	};
	struct store_error error;

	must(store_open(&options, &maker->store, &error) == 0);
}

static void close_store(struct maker *maker)
{
	must(store_close(maker->store) == 0);
}

static void begin(struct maker *maker, const char *folder, const char *name)
{
	memset(maker, 0, sizeof(*maker));
	maker->folder = folder;
	maker->name = name;
	must(path_join(maker->dir, folder, name) == 0);
	open_store(maker);
}

static void put_until(struct maker *maker, const char *key, const char *value,
		      uint64_t expires_at_ms)
{
	struct golden_bytes k = golden_bytes(key);
	struct golden_bytes v = golden_bytes(value);
	struct store_write write = {
		.key = k.data,
		.key_len = k.len,
		.value = v.data,
		.value_len = v.len,
		.expires_at_ms = expires_at_ms,
	};

	must(store_apply(maker->store, &write, 1, STORE_ALWAYS) == 0);
	note(maker, key, value, write.version, expires_at_ms);
	free(k.data);
	free(v.data);
}

static void put(struct maker *maker, const char *key, const char *value)
{
	put_until(maker, key, value, 0);
}

static void delete (struct maker *maker, const char *key)
{
	struct golden_bytes k = golden_bytes(key);

	must(store_delete(maker->store, k.data, k.len, STORE_ALWAYS) == 0);
	note(maker, key, "", 0, 0);
	free(k.data);
}

/* Two puts and a delete, at once. */
static void batch(struct maker *maker, const char *deleted)
{
	struct store_write writes[] = {
		{ .key = "batch1", .key_len = 6, .value = "1", .value_len = 1 },
		{ .is_delete = true,
		  .key = deleted + 2,
		  .key_len = strlen(deleted) - 2 },
		{ .key = "batch2", .key_len = 6, .value = "2", .value_len = 1 },
	};

	must(store_apply(maker->store, writes, 3, STORE_ALWAYS) == 0);
	note(maker, "t:batch1", "t:1", writes[0].version, 0);
	note(maker, deleted, "", 0, 0);
	note(maker, "t:batch2", "t:2", writes[2].version, 0);
}

/* ---- files ---- */

static off_t data_end(int fd, off_t size)
{
	uint8_t page[PAGE_LEN];
	off_t end = 0;
	off_t off;

	for (off = 0; off < size; off += PAGE_LEN) {
		ssize_t n = pread(fd, page, sizeof(page), off);
		ssize_t i;

		must(n > 0);
		for (i = 0; i < n; i++) {
			if (page[i] != 0)
				end = off + i + 1;
		}
	}
	return end;
}

static int open_segment(const struct maker *maker, uint32_t id)
{
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];

	segment_name(id, name);
	must(path_join(path, maker->dir, name) == 0);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* The room behind the last entry is cut off: git does not know holes. */
static void finish(struct maker *maker)
{
	uint32_t id;

	for (id = 1; id < KEYS_MAX; id++) {
		int fd = open_segment(maker, id);
		struct stat st;
		off_t end;

		if (fd < 0)
			continue;
		must(fstat(fd, &st) == 0);
		end = data_end(fd, st.st_size);
		end = (end + PAGE_LEN - 1) / PAGE_LEN * PAGE_LEN;
		must(ftruncate(fd, end) == 0);
		close(fd);
	}
	write_expected(maker);
}

/* ---- stores ---- */

static void make_clean(const char *folder)
{
	struct maker maker;

	begin(&maker, folder, "clean");
	put(&maker, "t:a", "t:first");
	put(&maker, "t:b", "t:only");
	put(&maker, "t:deleted", "t:value");
	put(&maker, "t:deleted-in-batch", "t:value");
	put(&maker, "t:empty", "t:");
	put(&maker, "x:00ff0a0d00", "x:0001feff");
	put_until(&maker, "t:expires", "t:in-2100", YEAR_2100_MS);
	put_until(&maker, "t:expired", "t:long-ago", PAST_MS);
	must(store_roll(maker.store) == 0);
	put(&maker, "t:a", "t:second");
	delete (&maker, "t:deleted");
	batch(&maker, "t:deleted-in-batch");
	put(&maker, "f:65535:1", "t:the-longest-key");
	close_store(&maker);
	open_store(&maker);
	put(&maker, "t:large", "f:100000:2"); /* a segment of its own */
	put(&maker, "t:seven", "f:7:3");
	put(&maker, "t:eight", "f:8:4");
	close_store(&maker);
	finish(&maker);
}

/* The last write had asked for no sync, and did not arrive whole. */
static void tear(const struct maker *maker, uint32_t id)
{
	static const uint8_t zeros[TORN_LEN];
	int fd = open_segment(maker, id);
	struct stat st;

	must(fd >= 0);
	must(fstat(fd, &st) == 0);
	must(pwrite(fd, zeros, sizeof(zeros),
		    data_end(fd, st.st_size) - TORN_LEN) == TORN_LEN);
	close(fd);
}

static void make_killed(const char *folder)
{
	struct maker maker;

	begin(&maker, folder, "killed");
	put(&maker, "t:a", "t:first");
	put(&maker, "t:deleted", "t:value");
	close_store(&maker);
	open_store(&maker);
	put(&maker, "t:a", "t:second");
	delete (&maker, "t:deleted");
	batch(&maker, "t:a");
	must(store_put(maker.store, "torn", 4, "not all there", 13,
		       STORE_NONE) == 0);
	note(&maker, "t:torn", "", 0, 0);
	store_abandon(maker.store);
	tear(&maker, 3);
	finish(&maker);
}

static void make_cleared(const char *folder)
{
	struct maker maker;

	begin(&maker, folder, "cleared");
	put(&maker, "t:before", "t:value");
	put(&maker, "t:both", "t:before");
	must(store_clear(maker.store) == 0);
	note(&maker, "t:before", "", 0, 0);
	put(&maker, "t:both", "t:after");
	put(&maker, "t:after", "t:value");
	close_store(&maker);
	finish(&maker);
}

static void make_compacted(const char *folder)
{
	struct maker maker;

	begin(&maker, folder, "compacted");
	put(&maker, "t:a", "t:first");
	put(&maker, "t:kept", "t:from-the-first");
	put(&maker, "t:deleted", "t:value");
	must(store_roll(maker.store) == 0);
	put(&maker, "t:a", "t:second");
	batch(&maker, "t:deleted");
	put_until(&maker, "t:expires", "t:in-2100", YEAR_2100_MS);
	put_until(&maker, "t:expired", "t:long-ago", PAST_MS);
	must(store_roll(maker.store) == 0);
	must(store_compact(maker.store) == 0);
	put(&maker, "t:a", "t:third");
	delete (&maker, "t:batch1");
	close_store(&maker);
	finish(&maker);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_golden FOLDER\n");
		return 2;
	}
	must(mkdir(argv[1], 0755) == 0);
	make_clean(argv[1]);
	make_killed(argv[1]);
	make_cleared(argv[1]);
	make_compacted(argv[1]);
	return 0;
}
