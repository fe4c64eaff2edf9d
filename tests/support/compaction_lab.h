/*
 * compaction_lab: one compaction without a store around it: segments with
 * chosen entries, the index over them, and upkeep, in a simulation.
 *
 * What does not hold fails the test.
 */
#ifndef GETME_TESTS_SUPPORT_COMPACTION_LAB_H
#define GETME_TESTS_SUPPORT_COMPACTION_LAB_H

#include <stddef.h>
#include <stdint.h>

#include "common/compaction.h"
#include "common/digest.h"
#include "common/index.h"
#include "common/segments.h"
#include "common/upkeep.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	LAB_SEGMENT_SIZE = 64 << 10, /* a larger entry gets more */
};

struct compaction_lab {
	struct simfs *fs;
	struct io *io;
	struct segments *table;
	struct upkeep *upkeep;
	struct index *index;
	uint8_t secret[DIGEST_SECRET_LEN];
	struct compaction run;
};

extern struct compaction_lab lab;

/* cmocka's; every descriptor has to be closed by the end. */
int lab_set_up(void **state);
/* With the reserve that a run on a full disk takes. */
int lab_set_up_reserve(void **state);
int lab_tear_down(void **state);

/* Calls of these kinds fail from the NTH on; ERROR 0: none any more. */
void lab_set_fault(uint32_t calls, uint64_t nth, int error);

/* An open segment with room for LEN bytes at least. */
struct segment *lab_segment(uint64_t len);

/* Appends an entry; the index knows it, as if it were written by the log. */
uint64_t lab_add(struct segment *segment, const struct maker_entry *entry);
/* The same for texts. */
uint64_t lab_put(struct segment *segment, const char *key, const char *value,
		 uint64_t sequence);
uint64_t lab_delete(struct segment *segment, const char *key,
		    uint64_t sequence);

/* It is full: sealed, and with its hint. */
void lab_seal(struct segment *segment);

/* A run over N inputs, oldest first; all other sealed ones are outside. */
void lab_begin(struct segment *const *inputs, size_t n);
#define lab_begin_one(one) lab_begin((struct segment *[]){ one }, 1)

/* compaction_copy, which has to succeed; the output, in the table, or NULL. */
struct segment *lab_copy(void);

/* The moves, then compaction_install; what that returned. */
int lab_install(void);

/* Ends a run that was installed, its inputs go. */
void lab_end(void);

/* An entry in a segment, by key and kind. */
struct lab_found {
	unsigned n; /* how many there are; the rest is of the last */
	struct entry entry;
	uint64_t off;
	bool value_ok;
};

struct lab_found lab_find(struct segment *segment, enum entry_kind kind,
			  const void *key, size_t key_len);

/* How many entries a segment has. */
unsigned lab_n_entries(struct segment *segment);

/*
 * What the index leads to is this value, whole.  VALUE NULL: the index does
 * not have the key.
 */
void lab_expect(const char *key, const void *value, size_t value_len);

/* How many names in the folder contain PART. */
unsigned lab_n_files(const char *part);

#endif
