#include "tests/support/store_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "common/digest.h"
#include "common/segment_reader.h"
#include "tests/support/segment_maker.h"

#define FNV_PRIME UINT64_C(1099511628211)

static void fail_at(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void fail_at(const char *file, int line, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_error("%s\n", text);
	_fail(file, line);
}

/* ---- stores ---- */

int kit_try_open(struct io *io, const char *dir, struct store **store,
		 struct store_error *error)
{
	const struct store_options options = {
		.dir = dir,
		.io = io,
		.segment_size = KIT_SEGMENT_SIZE,
	};

	error->text[0] = 0;
	return store_open(&options, store, error);
}

struct store *kit_open_at(struct io *io, const char *dir, const char *file,
			  int line)
{
	struct store *store = NULL;
	struct store_error error;
	int result = kit_try_open(io, dir, &store, &error);

	if (result != 0)
		fail_at(file, line, "open: %d: %s", result, error.text);
	return store;
}

void kit_close_at(struct store *store, const char *file, int line)
{
	int result = store_close(store);

	if (result != 0)
		fail_at(file, line, "close: %d", result);
}

static uint64_t put(struct store *store, struct store_write write,
		    enum store_durability durability, const char *file,
		    int line)
{
	int result;

	write.key_len = strlen(write.key);
	write.value_len = strlen(write.value);
	result = store_apply(store, &write, 1, durability);
	if (result != 0)
		fail_at(file, line, "put %s: %d", (const char *)write.key,
			result);
	return write.version;
}

uint64_t kit_put_at(struct store *store, const char *key, const char *value,
		    enum store_durability durability, const char *file,
		    int line)
{
	struct store_write write = { .key = key, .value = value };

	return put(store, write, durability, file, line);
}

void kit_put_until_at(struct store *store, const char *key, const char *value,
		      uint64_t expires_at_ms, const char *file, int line)
{
	struct store_write write = {
		.key = key,
		.value = value,
		.expires_at_ms = expires_at_ms,
	};

	put(store, write, STORE_ALWAYS, file, line);
}

void kit_delete_at(struct store *store, const char *key, const char *file,
		   int line)
{
	int result = store_delete(store, key, strlen(key), STORE_ALWAYS);

	if (result != 0)
		fail_at(file, line, "delete %s: %d", key, result);
}

int kit_get(struct store *store, const char *key, char *value, size_t len)
{
	struct store_value found;
	int result = store_get(store, key, strlen(key), &found);

	if (result != 0)
		return result;
	if (value) {
		if (found.len < len)
			len = found.len + 1;
		memcpy(value, found.data, len - 1);
		value[len - 1] = 0;
	}
	free(found.data);
	return 0;
}

void kit_expect_at(struct store *store, const char *key, const char *value,
		   const char *file, int line)
{
	struct store_value found;
	int result = store_get(store, key, strlen(key), &found);
	bool same;

	if (result != 0) {
		if (value || result != STORE_NOT_FOUND)
			fail_at(file, line, "get %s: %d", key, result);
		return;
	}
	same = value && found.len == strlen(value) &&
	       memcmp(found.data, value, found.len) == 0;
	if (!same)
		print_error("%s is '%.*s', not '%s'\n", key,
			    found.len < 100 ? (int)found.len : 100,
			    (const char *)found.data, value ? value : "gone");
	free(found.data);
	if (!same)
		_fail(file, line);
}

uint64_t kit_version(struct store *store, const char *key)
{
	struct store_value found;

	if (store_get(store, key, strlen(key), &found) != 0)
		return 0;
	free(found.data);
	return found.version;
}

struct store_stats kit_stats(struct store *store)
{
	struct store_stats stats;

	store_get_stats(store, &stats);
	return stats;
}

/* ---- segments ---- */

void kit_manifest(struct io *io, const char *dir, struct manifest *manifest)
{
	struct manifest_report report;

	assert_int_equal(manifest_load(io, dir, manifest, &report), 0);
}

static struct segment *open_segment(struct io *io, const char *dir, uint32_t id)
{
	struct manifest manifest;
	struct segment *segment;
	int result;

	kit_manifest(io, dir, &manifest);
	result = segment_open(io, dir, manifest.store_id, id, &segment);
	manifest_deinit(&manifest);
	assert_int_equal(result, 0);
	return segment;
}

static bool is_entry_of(const struct entry *entry, const char *key)
{
	if (!key)
		return entry->kind == ENTRY_BATCH;
	return entry->key_len == strlen(key) &&
	       memcmp(entry->key, key, entry->key_len) == 0;
}

/* The last entry of KEY, if any; where all entries end. */
static uint64_t look_through(struct io *io, const char *dir, uint32_t id,
			     const char *key, struct kit_place *place)
{
	struct segment *segment = open_segment(io, dir, id);
	struct segment_reader reader;
	struct segment_entry found;
	uint64_t end;

	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len,
					     segment->capacity),
			 0);
	while (segment_reader_next(&reader, false, &found) == 0) {
		if (!is_entry_of(&found.entry, key))
			continue;
		place->off = found.off;
		place->len = found.len;
		place->value_off = found.off + entry_value_off(&found.entry);
		place->sequence = found.entry.sequence;
	}
	end = reader.off;
	segment_reader_deinit(&reader);
	segment_free(io, segment);
	return end;
}

struct kit_place kit_find_at(struct io *io, const char *dir, uint32_t id,
			     const char *key, const char *file, int line)
{
	struct kit_place place = { 0 };

	look_through(io, dir, id, key, &place);
	if (place.off == 0)
		fail_at(file, line, "segment %u has no entry of %s", id,
			key ? key : "a batch");
	return place;
}

uint64_t kit_segment_end(struct io *io, const char *dir, uint32_t id)
{
	struct kit_place place;

	return look_through(io, dir, id, "", &place);
}

/* ---- files ---- */

void kit_path(const char *dir, const char *name, char path[KIT_PATH_MAX])
{
	int n = snprintf(path, KIT_PATH_MAX, "%s/%s", dir, name);

	assert_true(n > 0 && n < KIT_PATH_MAX);
}

bool kit_exists(struct io *io, const char *dir, const char *name)
{
	char path[KIT_PATH_MAX];
	int fd;

	kit_path(dir, name, path);
	fd = io->open(io, path, O_RDONLY);
	if (fd >= 0)
		io->close(io, fd);
	return fd >= 0 || fd == -EISDIR;
}

uint8_t *kit_read(struct io *io, const char *dir, const char *name, size_t *len)
{
	char path[KIT_PATH_MAX];

	kit_path(dir, name, path);
	return maker_read_file(io, path, len);
}

void kit_write(struct io *io, const char *dir, const char *name,
	       const void *data, size_t len)
{
	char path[KIT_PATH_MAX];

	kit_path(dir, name, path);
	maker_write_file(io, path, data, len);
}

void kit_unlink(struct io *io, const char *dir, const char *name)
{
	char path[KIT_PATH_MAX];

	kit_path(dir, name, path);
	assert_int_equal(io->unlink(io, path), 0);
}

static int open_file(struct io *io, const char *dir, const char *name)
{
	char path[KIT_PATH_MAX];
	int fd;

	kit_path(dir, name, path);
	fd = io->open(io, path, O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

void kit_flip(struct io *io, const char *dir, const char *name, uint64_t off,
	      uint8_t mask)
{
	int fd = open_file(io, dir, name);

	maker_flip(io, fd, off, mask);
	io->close(io, fd);
}

void kit_zero(struct io *io, const char *dir, const char *name, uint64_t off,
	      uint64_t end)
{
	int fd = open_file(io, dir, name);

	maker_zero(io, fd, off, end);
	io->close(io, fd);
}

void kit_cut(struct io *io, const char *dir, const char *name, size_t len)
{
	size_t old_len;
	uint8_t *data = kit_read(io, dir, name, &old_len);

	assert_true(len <= old_len);
	kit_write(io, dir, name, data, len);
	free(data);
}

struct counting {
	const char *part;
	unsigned n;
};

static int count_name(void *ctx, const char *name)
{
	struct counting *counting = ctx;

	if (strstr(name, counting->part))
		counting->n++;
	return 0;
}

unsigned kit_count(struct io *io, const char *dir, const char *sub,
		   const char *part)
{
	struct counting counting = { part, 0 };
	char path[KIT_PATH_MAX];

	kit_path(dir, sub, path);
	if (!*sub)
		path[strlen(dir)] = 0;
	io->list(io, path, count_name, &counting);
	return counting.n;
}

struct hashing {
	struct io *io;
	const char *dir;
	uint64_t sum;
};

static int hash_file(void *ctx, const char *name)
{
	struct hashing *hashing = ctx;
	char path[KIT_PATH_MAX];
	uint64_t hash;
	uint8_t *data;
	size_t len;
	int fd;

	kit_path(hashing->dir, name, path);
	fd = hashing->io->open(hashing->io, path, O_RDWR);
	if (strcmp(name, "LOCK") == 0 || fd == -EISDIR)
		name = NULL;
	if (fd >= 0)
		hashing->io->close(hashing->io, fd);
	if (!name)
		return 0;
	data = maker_read_file(hashing->io, path, &len);
	hash = digest_fixed64(data, len) * FNV_PRIME;
	free(data);
	/* A sum, since the order of names is anyone's guess. */
	hashing->sum += hash ^ digest_fixed64(name, strlen(name));
	return 0;
}

uint64_t kit_hash(struct io *io, const char *dir)
{
	struct hashing hashing = { io, dir, 0 };

	assert_int_equal(io->list(io, dir, hash_file, &hashing), 0);
	return hashing.sum;
}
