/*
 * finding: what a look at a store at rest brought to light, one thing at a
 * time (common/check.h, common/repair.h).
 */
#ifndef GETME_COMMON_FINDING_H
#define GETME_COMMON_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum finding_kind {
	FINDING_VALUE = 1, /* an entry whose value is damaged */
	FINDING_ENTRY,	   /* an entry that only its hint still tells of */
	FINDING_BYTES,	   /* no entry, and nothing tells what it was */
	FINDING_BATCH,	   /* head and members do not agree */
	FINDING_SEQUENCE,  /* sequence numbers against the rules */
	FINDING_HEADER,	   /* a segment's */
	FINDING_SEGMENT,   /* a file that is missing, or another store's */
	FINDING_HINT,
	FINDING_MANIFEST,
	FINDING_TAIL, /* unsynced writes that the next start cuts off */
	FINDING_FILE, /* one that the store does not know */
	FINDING_LOCK,
	FINDING_DISK, /* the medium does not read */
	FINDING_LOST, /* repair: a key that is left out of the new store */
};

enum {
	FINDING_TEXT_MAX = 256, /* bytes, its end mark included */
};

struct finding {
	enum finding_kind kind;
	bool is_damage;	     /* false: a note, nothing is lost */
	uint32_t segment_id; /* 0: not of one segment */
	uint64_t off;	     /* in the segment's file */
	uint64_t len;	     /* 0: not a place */
	const void *key;     /* borrowed during the call; NULL: not known */
	size_t key_len;
	char text[FINDING_TEXT_MAX]; /* what; never holds a key or a value */
};

/* Who is told, and how much it was. */
struct findings {
	void (*each)(void *ctx, const struct finding *finding); /* or NULL */
	void *ctx;
	uint64_t n_damaged;
	uint64_t damaged_bytes;
	uint64_t n_notes;
};

/* Fills in the text, counts, and tells. */
void findings_add(struct findings *findings, struct finding finding,
		  const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "value", "entry", "bytes", ...: stable, for scripts. */
const char *finding_kind_name(enum finding_kind kind);

#endif
