/*
 * store_kit: stores for tests, made, looked at, and damaged by hand.
 *
 * Keys and values are texts.  What does not hold fails the test with the
 * caller's line.  Files are reached through a struct io, so that the same
 * test runs in a simulation and over a real folder.
 */
#ifndef GETME_TESTS_SUPPORT_STORE_KIT_H
#define GETME_TESTS_SUPPORT_STORE_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io.h"
#include "common/manifest.h"
#include "common/store.h"

enum {
	KIT_SEGMENT_SIZE = STORE_SEGMENT_MIN,
	KIT_PATH_MAX = 512,
};

/* Opens with segments of KIT_SEGMENT_SIZE. */
int kit_try_open(struct io *io, const char *dir, struct store **store,
		 struct store_error *error);
#define kit_open(io, dir) kit_open_at(io, dir, __FILE__, __LINE__)
struct store *kit_open_at(struct io *io, const char *dir, const char *file,
			  int line);
#define kit_close(store) kit_close_at(store, __FILE__, __LINE__)
void kit_close_at(struct store *store, const char *file, int line);

/* STORE_ALWAYS; returns the version. */
#define kit_put(store, key, value)                                             \
	kit_put_at(store, key, value, STORE_ALWAYS, __FILE__, __LINE__)
/* STORE_NONE */
#define kit_put_soft(store, key, value)                                        \
	kit_put_at(store, key, value, STORE_NONE, __FILE__, __LINE__)
uint64_t kit_put_at(struct store *store, const char *key, const char *value,
		    enum store_durability durability, const char *file,
		    int line);
/* STORE_ALWAYS; EXPIRES_AT_MS 0: never */
#define kit_put_until(store, key, value, expires_at_ms)                        \
	kit_put_until_at(store, key, value, expires_at_ms, __FILE__, __LINE__)
void kit_put_until_at(struct store *store, const char *key, const char *value,
		      uint64_t expires_at_ms, const char *file, int line);
#define kit_delete(store, key) kit_delete_at(store, key, __FILE__, __LINE__)
void kit_delete_at(struct store *store, const char *key, const char *file,
		   int line);

/* VALUE NULL: the key is not there. */
#define kit_expect(store, key, value)                                          \
	kit_expect_at(store, key, value, __FILE__, __LINE__)
void kit_expect_at(struct store *store, const char *key, const char *value,
		   const char *file, int line);

/* What a get returns; VALUE, if given, gets a copy of at most LEN - 1. */
int kit_get(struct store *store, const char *key, char *value, size_t len);
/* 0: it is not there. */
uint64_t kit_version(struct store *store, const char *key);

struct store_stats kit_stats(struct store *store);

/* An entry in a segment of the store in DIR. */
struct kit_place {
	uint64_t off;
	uint64_t len;
	uint64_t value_off; /* in the file */
	uint64_t sequence;
};

/* Finds the last entry of KEY in that segment; NULL: of a batch's head. */
#define kit_find(io, dir, id, key)                                             \
	kit_find_at(io, dir, id, key, __FILE__, __LINE__)
struct kit_place kit_find_at(struct io *io, const char *dir, uint32_t id,
			     const char *key, const char *file, int line);

/* Where the entries of a segment end, as its bytes tell. */
uint64_t kit_segment_end(struct io *io, const char *dir, uint32_t id);

/* The manifest, to be released with manifest_deinit. */
void kit_manifest(struct io *io, const char *dir, struct manifest *manifest);

/* Files, by their name in DIR. */
void kit_path(const char *dir, const char *name, char path[KIT_PATH_MAX]);
bool kit_exists(struct io *io, const char *dir, const char *name);
uint8_t *kit_read(struct io *io, const char *dir, const char *name,
		  size_t *len);
void kit_write(struct io *io, const char *dir, const char *name,
	       const void *data, size_t len);
void kit_unlink(struct io *io, const char *dir, const char *name);
/* Turns over the bits MASK of one byte. */
void kit_flip(struct io *io, const char *dir, const char *name, uint64_t off,
	      uint8_t mask);
void kit_zero(struct io *io, const char *dir, const char *name, uint64_t off,
	      uint64_t end);
/* The file ends at LEN. */
void kit_cut(struct io *io, const char *dir, const char *name, size_t len);

/* How many names in DIR/SUB contain PART; SUB "" is DIR itself. */
unsigned kit_count(struct io *io, const char *dir, const char *sub,
		   const char *part);

/* A hash of all files' names and bytes in DIR, LOCK and folders left out. */
uint64_t kit_hash(struct io *io, const char *dir);

#endif
