/*
 * segment_maker: segments with chosen contents, made without the log.
 *
 * Everything is written through a struct io; a failure ends the program,
 * since then the test itself is wrong.
 */
#ifndef GETME_TESTS_SUPPORT_SEGMENT_MAKER_H
#define GETME_TESTS_SUPPORT_SEGMENT_MAKER_H

#include <stddef.h>
#include <stdint.h>

#include "common/entry.h"
#include "common/io.h"
#include "common/segment.h"

/* The store's id that all of these carry. */
extern const uint8_t maker_store_id[SEGMENT_STORE_ID_LEN];

/* What an entry is made of; KEY and VALUE are texts unless their LEN says. */
struct maker_entry {
	enum entry_kind kind; /* 0: a put */
	uint8_t flags;	      /* ENTRY_HAS_EXPIRY comes by itself */
	const void *key;
	size_t key_len;
	const void *value; /* NULL: zeros */
	size_t value_len;
	uint64_t sequence;
	uint64_t synced_off;
	uint64_t expires_at_ms;
};

/* The bytes of an entry for that place, LEN of malloc, exactly. */
uint8_t *maker_image(const struct maker_entry *entry, uint32_t segment_id,
		     uint64_t off, size_t *len);

/* DIR/ID.seg; it is to be freed with segment_free. */
struct segment *maker_segment(struct io *io, const char *dir, uint32_t id,
			      uint64_t capacity);

/* Writes behind the last entry; where it is. */
uint64_t maker_append(struct io *io, struct segment *segment,
		      const struct maker_entry *entry);

/* A put of two texts with that sequence. */
uint64_t maker_put(struct io *io, struct segment *segment, const char *key,
		   const char *value, uint64_t sequence);

/*
 * A batch of N puts of the keys "b0", "b1", ... whose head has SEQUENCE.
 * Returns where the head is.
 */
uint64_t maker_batch(struct io *io, struct segment *segment, uint32_t n,
		     uint64_t sequence, uint64_t synced_off);

/* Turns over the bits MASK of the byte at OFF of a file. */
void maker_flip(struct io *io, int fd, uint64_t off, uint8_t mask);

/* Zeros from OFF to END: what a lost page shows. */
void maker_zero(struct io *io, int fd, uint64_t off, uint64_t end);

/* All of a file, LEN bytes of malloc, exactly. */
uint8_t *maker_read_file(struct io *io, const char *path, size_t *len);

/* Makes, or makes anew, a file of these bytes. */
void maker_write_file(struct io *io, const char *path, const void *data,
		      size_t len);

#endif
