/*
 * oracle: what a store must hold after a crash.
 *
 * It keeps the operations in their order, each with its outcome, and knows
 * from them every content that a crash may leave: the writes up to some
 * point, each whole, with all that had to be durable.
 *
 * Invariants (common/store.h's, as they are checked here)
 *  1. A write that returned 0 is there after the process was killed.  After
 *     a power cut it is there if it asked for STORE_ALWAYS, or if one did
 *     that came later, or a clear, sync, roll or close that returned 0.
 *  2. What is there is a prefix of the writes.
 *  3. A write that failed is not there; of one whose outcome is unknown the
 *     whole is there or nothing.
 *  4. A backup that returned 0 is there after any crash, and holds exactly
 *     what was written before it; until then it may be there, and holds that
 *     if it has a manifest.
 *  5. A delete of a key that is not there is a write like others: once it is
 *     acknowledged, the key stays away.
 */
#ifndef GETME_TESTS_CRASH_ORACLE_H
#define GETME_TESTS_CRASH_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/store.h"

enum {
	ORACLE_KEYS_MAX = 16, /* different keys of one test */
	ORACLE_KEY_LEN_MAX = 15,
	ORACLE_WRITES_MAX = 8,	/* of one batch */
	ORACLE_OPS_MAX = 24,	/* since the last oracle_settle() */
	ORACLE_TEXT_LEN = 1024, /* of contents in words */
	ORACLE_DIR_MAX = 32,	/* of a backup's path */
};

/* One key that is there.  A value is told by its bytes' hash. */
struct oracle_entry {
	char key[ORACLE_KEY_LEN_MAX + 1];
	size_t len;
	uint64_t hash;
	uint64_t expires_at_ms;
	uint64_t version; /* 0: not known, equal to any */
};

/* In the order of the keys. */
struct oracle_contents {
	struct oracle_entry at[ORACLE_KEYS_MAX];
	size_t n;
};

/* A put's value is made from VALUE_ID, its first bytes; see oracle_value. */
struct oracle_write {
	const char *key;
	bool is_delete;
	uint64_t value_id;
	size_t value_len;
	uint64_t expires_at_ms;
};

enum oracle_outcome {
	ORACLE_PENDING,
	ORACLE_DONE,
	ORACLE_FAILED,
	ORACLE_UNKNOWN,
};

enum oracle_crash {
	ORACLE_KILL,	  /* the process died, or nothing happened */
	ORACLE_POWER_CUT, /* the machine died */
};

struct oracle_op {
	enum oracle_outcome outcome;
	enum store_durability durability;
	bool is_clear;
	struct {
		bool is_delete;
		struct oracle_entry entry;
	} writes[ORACLE_WRITES_MAX];
	size_t n_writes;
};

/* The newest backup: what it holds if it is there, and whether it must be. */
struct oracle_backup {
	char dir[ORACLE_DIR_MAX]; /* empty: there is none */
	struct oracle_contents contents;
	bool done;
};

struct oracle {
	struct oracle_backup backup;
	struct oracle_contents base;
	struct oracle_op ops[ORACLE_OPS_MAX];
	size_t n_ops;
	size_t n_durable; /* of the ops, at least these */
};

/* Nothing was written yet: all zero does as well. */
void oracle_init(struct oracle *oracle);

/* Makes a value of LEN bytes. */
void oracle_value(uint64_t value_id, void *data, size_t len);

/*
 * These call the store's function and note the outcome.  They return what
 * the store returned.  While they run, the operation is pending.
 */
int oracle_apply(struct oracle *oracle, struct store *store,
		 const struct oracle_write *writes, size_t n,
		 enum store_durability durability);
int oracle_put(struct oracle *oracle, struct store *store, const char *key,
	       uint64_t value_id, size_t value_len,
	       enum store_durability durability);
int oracle_delete(struct oracle *oracle, struct store *store, const char *key,
		  enum store_durability durability);
int oracle_clear(struct oracle *oracle, struct store *store);
int oracle_sync(struct oracle *oracle, struct store *store);
int oracle_roll(struct oracle *oracle, struct store *store);
/* DIR has its parent, and was not there. */
int oracle_backup(struct oracle *oracle, struct store *store, const char *dir);
int oracle_compact(struct oracle *oracle, struct store *store);
int oracle_close(struct oracle *oracle, struct store *store);

/*
 * Reads all keys that the oracle has heard of, and the count, which tells of
 * any other.  0, or -1 with WHY filled in.
 */
int oracle_read(const struct oracle *oracle, struct store *store,
		struct oracle_contents *seen, char why[ORACLE_TEXT_LEN]);

/* A scan finds the same as SEEN. */
int oracle_check_scan(struct store *store, const struct oracle_contents *seen,
		      char why[ORACLE_TEXT_LEN]);

/* Whether SEEN may be there after CRASH; if not WHY tells what was due. */
bool oracle_admits(const struct oracle *oracle, enum oracle_crash crash,
		   const struct oracle_contents *seen,
		   char why[ORACLE_TEXT_LEN]);

/* A reader has seen this: from now on it is what must be there. */
void oracle_settle(struct oracle *oracle, const struct oracle_contents *seen);

/* Borrowed, or NULL. */
const struct oracle_entry *oracle_find(const struct oracle_contents *contents,
				       const char *key);

bool oracle_equal(const struct oracle_contents *a,
		  const struct oracle_contents *b);

/* The newest contents: of all that was acknowledged. */
void oracle_newest(const struct oracle *oracle,
		   struct oracle_contents *contents);

/*
 * Equal ones (as hashes are) admit the same contents after CRASH, and those
 * that admit others differ.
 */
uint64_t oracle_signature(const struct oracle *oracle, enum oracle_crash crash);

uint64_t oracle_hash(const struct oracle_contents *contents);

void oracle_print(const struct oracle_contents *contents,
		  char text[ORACLE_TEXT_LEN]);

#endif
