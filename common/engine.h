/*
 * engine: the asynchronous boundary between the daemon and a store.
 *
 * The daemon fills in a struct engine_request, hands it to engine_submit(),
 * which never blocks, and gets request->done called exactly once, on the
 * thread that calls engine_turn() (the loop).  done is never called from
 * inside engine_submit().
 *
 * Invariants
 *  1. A request and everything it points to belong to the caller and stay
 *     unchanged until done is called; done may free or reuse them.  What the
 *     result points to is borrowed and ends when done returns.
 *  2. A write is acknowledged (done with result 0) only when it has the
 *     durability it asked for, and is visible to every later request.
 *  3. What is visible is always a prefix of one order of all writes; a
 *     write's mutations become visible together.
 *  4. A negative result, and every positive one except ENGINE_UNKNOWN, means
 *     that the write was surely not applied.  ENGINE_UNKNOWN means that it
 *     may have been, or may show up after a restart.
 *  5. Requests are not ordered among themselves: who wants "this read after
 *     that write" submits the read when the write is done.  Reads end in
 *     any order: one that waits for the disk holds nobody else.  Writes are
 *     applied in the order of their submission, except that one whose
 *     effect depends on the state (a condition, incr, touch) may come later:
 *     it may have to wait for another's outcome, or for the disk.
 *  6. All calls come from one thread.  Only engine_host.wake is called from
 *     other threads.  A further thread gets a branch (engine_branch), of which
 *     the same holds; what is acknowledged through one is seen through all.
 *
 * The local engine (engine_local_open) is one implementation; the daemon's
 * tests have another, which delays, reorders and fails.
 */
#ifndef GETME_COMMON_ENGINE_H
#define GETME_COMMON_ENGINE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ENGINE_KEY_MAX = 65535,	       /* bytes of a key; at least 1 */
	ENGINE_BATCH_MAX = 16384,      /* mutations of one write */
	ENGINE_KEYS_MAX = 16384,       /* keys of one get_many */
	ENGINE_SCAN_MAX = 16384,       /* items of one scan step */
	ENGINE_CURSOR_MAX = 32,	       /* bytes of a scan cursor */
	ENGINE_BATCH_BYTES = 64 << 20, /* keys and values of a batch */
	/* values of a get_many, of a scan step */
	ENGINE_REPLY_BYTES = 64 << 20,
};

struct engine;
struct engine_request;

/* Results above 0; below 0 is a negative errno. */
enum engine_result {
	ENGINE_OK = 0,
	ENGINE_NOT_FOUND = 1,	/* the key is not there, or expired */
	ENGINE_CONDITION = 2,	/* a condition was not met: failed_index */
	ENGINE_CORRUPT = 3,	/* the entry is damaged on disk */
	ENGINE_NOT_INTEGER = 4, /* incr: the value is no 64-bit decimal */
	ENGINE_OVERFLOW = 5,	/* incr: the sum leaves 64 bits */
	ENGINE_UNKNOWN = 6,	/* the write's outcome is not known */
	ENGINE_READ_ONLY = 7,	/* no writes until the store is reopened */
	ENGINE_DEADLINE = 8,	/* not begun before request->deadline_ms */
	ENGINE_UNSUPPORTED = 9, /* this engine cannot do that */
	ENGINE_TOO_LARGE = 10,	/* a key, value, batch or reply over a limit */
	ENGINE_BAD_CURSOR = 11, /* not a cursor that a scan returned */
	ENGINE_CLOSED = 12,	/* the engine is closing */
	ENGINE_REFUSED = 13,	/* backup: that folder will not do; see text */
	ENGINE_BUSY = 14,	/* compact, backup: one is under way already */
};
/*
 * Negative results that are ordinary: -ENOSPC (also for EDQUOT and EFBIG:
 * full, deletes still work), -ENOMEM, -EIO (a failed read or write),
 * -EMFILE, -EINVAL (the request is malformed: a caller's error).
 */

enum engine_op {
	ENGINE_GET,	 /* keys[0]; with value */
	ENGINE_STAT,	 /* keys[0]; size, version, expiry; no value */
	ENGINE_GET_MANY, /* keys[]; all of one instant */
	ENGINE_WRITE,	 /* mutations[], all or nothing */
	ENGINE_CLEAR,	 /* removes everything, always durable */
	ENGINE_COUNT,	 /* -> count */
	ENGINE_SCAN,	 /* one step of a scan */
	ENGINE_SYNC,	 /* everything acknowledged so far becomes durable */
	ENGINE_STATS,	 /* -> stats[] */
	ENGINE_COMPACT,	 /* ends when all that was dead before is gone */
	ENGINE_BACKUP,	 /* one instant of the store into path */
	ENGINE_SHARE,	 /* a descriptor for a reader in another process */
	ENGINE_N_OPS
};

enum engine_durability {
	ENGINE_DEFAULT = 0, /* the store's default */
	ENGINE_NONE,	    /* in the kernel's page cache */
	ENGINE_INTERVAL,    /* durable within the store's sync interval */
	ENGINE_ALWAYS,	    /* on stable storage before the reply */
};

enum engine_mutation_kind {
	ENGINE_PUT,
	ENGINE_DELETE,
	ENGINE_INCR,  /* only as the single mutation of a write */
	ENGINE_TOUCH, /* only as the single mutation of a write */
};

enum engine_condition {
	ENGINE_ALWAYS_DO,
	ENGINE_IF_ABSENT,  /* the key is not there, or expired */
	ENGINE_IF_VERSION, /* the key is there with this version */
};

struct engine_bytes {
	const void *data; /* may be NULL when len is 0 */
	size_t len;
};

/*
 * One change of one key.  Conditions look at the state before the write.
 * Within a write the last mutation of a key wins.
 * put:    value, expires_at_ms (0: none; an older expiry is cleared)
 * delete: existed tells whether the key was there
 * incr:   by; result in number; the expiry is kept
 * touch:  expires_at_ms (0: none); ENGINE_NOT_FOUND when not there
 */
struct engine_mutation {
	enum engine_mutation_kind kind;
	enum engine_condition condition;
	uint64_t if_version;
	struct engine_bytes key;
	struct engine_bytes value;
	uint64_t expires_at_ms; /* since 1970 */
	int64_t by;
	/* out */
	uint64_t version; /* of the key after the write; 0 for a delete */
	int64_t number;
	bool existed; /* before the write; in a list of deletes, once a key */
};

/* One answer of get, stat, get_many or scan; borrowed until done returns. */
struct engine_item {
	int result; /* 0, ENGINE_NOT_FOUND, ENGINE_CORRUPT, -EIO */
	struct engine_bytes key;
	struct engine_bytes value;
	/*
	 * malloc'ed memory that value lies in, alone, or NULL.  Who wants to
	 * keep a large value without copying it sets this to NULL in done,
	 * and frees it later.
	 */
	void *value_owner;
	uint64_t value_len; /* also where no value was asked for */
	uint64_t version;
	uint64_t expires_at_ms; /* 0: none */
};

enum engine_stat_kind {
	ENGINE_STAT_COUNTER, /* only grows while the engine is open */
	ENGINE_STAT_GAUGE,
	ENGINE_STAT_TEXT,
};

/* One row of stats: name in snake_case with its unit, help is one line. */
struct engine_stat {
	const char *name;
	const char *help;
	enum engine_stat_kind kind;
	uint64_t value;
	const char *text; /* for ENGINE_STAT_TEXT */
};

enum engine_share_what {
	ENGINE_SHARE_INDEX,    /* its header */
	ENGINE_SHARE_PRIMARY,  /* the chunk of primary buckets of that number */
	ENGINE_SHARE_OVERFLOW, /* of overflow buckets */
	ENGINE_SHARE_SEGMENT,  /* the segment with these low 24 bits */
};

/*
 * What other processes read without asking (common/view.h): the index is
 * sealed against writing and resizing, segments are opened for reading.  Who
 * gets them can read every key and value, and knows the index's secret.
 * The number of the index changes when a clear replaces it; asked for a part
 * of another than the current one the answer is ENGINE_NOT_FOUND, as it is for
 * a part that is not there (any more).  ENGINE_UNSUPPORTED: not on this
 * system.
 */
struct engine_share {
	enum engine_share_what what; /* in */
	uint64_t number;	     /* in: which chunk or segment */
	uint64_t index;		     /* in, out: the number of the index */
	uint64_t len;		     /* out: bytes that may be mapped */
	int fd;			     /* out: owned by the caller; result 0 */
	uint32_t segment;	     /* out: its whole id */
};

/* What get and put use comes first, in few cache lines. */
struct engine_request {
	/* in */
	enum engine_op op;
	enum engine_durability durability; /* write, clear */
	uint64_t deadline_ms;		   /* CLOCK_MONOTONIC; 0: none */
	const struct engine_bytes *keys;   /* get, stat: 1; get_many: n_keys */
	size_t n_keys;
	struct engine_mutation *mutations; /* write: 1 to ENGINE_BATCH_MAX */
	size_t n_mutations;
	void (*done)(struct engine_request *request);
	void *user; /* the caller's own */
	/* the engine's own while the request is under way */
	struct engine_request *next;
	void *internal;
	/* out; where nothing else is said, 0 until the request has ended */
	int result;
	enum engine_durability reached; /* write: the level it has */
	struct engine_item *items;	/* get and stat: 1 when result is 0 */
	size_t n_items; /* a scan step may have none and still go on */
	uint64_t count;
	const struct engine_stat *stats;
	size_t n_stats;
	/*
	 * compact, backup: why it failed, one line; NULL: engine_result_text
	 * says it all.  Borrowed until done returns.
	 */
	const char *text;
	size_t failed_index; /* ENGINE_CONDITION: which mutation */
	/* in, of rarer ones */
	struct engine_bytes prefix; /* scan: only keys that begin so */
	size_t limit;		    /* scan: items at most; 0: 256 */
	bool with_values;	    /* scan */
	const char *path; /* backup: an absolute path, missing or empty */
	struct engine_share share;	   /* share, in and out */
	uint8_t cursor[ENGINE_CURSOR_MAX]; /* scan, in and out */
	size_t cursor_len; /* in: 0 begins; out: 0 when the scan is over */
};

/* What the daemon lends: wake asks for an engine_turn() soon, any thread. */
struct engine_host {
	void (*wake)(void *ctx);
	void *ctx;
};

/* What an engine can do, for hello and for refusing early. */
struct engine_capabilities {
	uint64_t value_max; /* bytes of a value */
	bool batches;	    /* writes of more than one mutation are atomic */
	bool conditions;
	enum engine_durability default_durability;
};

/* How the store is; text is one line for people: what happened, what to do. */
enum engine_state {
	ENGINE_STATE_OK,
	ENGINE_STATE_FULL,	/* puts refused, resumes by itself */
	ENGINE_STATE_READ_ONLY, /* a sync failed; until reopened */
	ENGINE_STATE_DAMAGED,	/* serves; some entries were lost to damage */
};

/* Something that an administrator wants to read once; priority as syslog. */
struct engine_event {
	int priority;
	char text[256]; /* one line, never a key or a value */
};

struct engine_ops {
	void (*submit)(struct engine *engine, struct engine_request *first);
	void (*turn)(struct engine *engine);
	int (*next_timeout_ms)(struct engine *engine);
	bool (*take_event)(struct engine *engine, struct engine_event *event);
	enum engine_state (*state)(struct engine *engine, const char **text);
	void (*capabilities)(struct engine *engine,
			     struct engine_capabilities *capabilities);
	int (*close)(struct engine *engine);
	int (*branch)(struct engine *engine, const struct engine_host *host,
		      struct engine **branch); /* NULL: it has none */
};

/* The first member of every implementation. */
struct engine {
	const struct engine_ops *ops;
};

/* Takes one request, clears its results.  Never blocks, never calls done. */
static inline void engine_submit(struct engine *engine,
				 struct engine_request *request)
{
	request->result = 0;
	request->items = NULL;
	request->n_items = 0;
	request->count = 0;
	request->stats = NULL;
	request->n_stats = 0;
	request->text = NULL;
	engine->ops->submit(engine, request);
}

/*
 * Begins what was submitted and calls done for what has ended.  The loop
 * calls it once after each round of socket events in which it submitted
 * anything, after each wake, and when next_timeout has passed.  The writes
 * submitted between two turns form one group.  done may submit again.
 */
static inline void engine_turn(struct engine *engine)
{
	engine->ops->turn(engine);
}

/* Milliseconds until the engine wants a turn of itself; -1: none. */
static inline int engine_next_timeout_ms(struct engine *engine)
{
	return engine->ops->next_timeout_ms(engine);
}

/* Takes the oldest event that was not taken yet; false: there is none. */
static inline bool engine_take_event(struct engine *engine,
				     struct engine_event *event)
{
	return engine->ops->take_event(engine, event);
}

/* TEXT is borrowed until the next turn. */
static inline enum engine_state engine_state(struct engine *engine,
					     const char **text)
{
	return engine->ops->state(engine, text);
}

static inline void engine_capabilities(struct engine *engine,
				       struct engine_capabilities *capabilities)
{
	engine->ops->capabilities(engine, capabilities);
}

/*
 * Ends everything under way (done is called for each request: writes that
 * were begun are finished, others get ENGINE_CLOSED), syncs, frees.  Blocks.
 * Returns 0 or the negative errno of the last sync; the engine is gone
 * either way.
 */
static inline int engine_close(struct engine *engine)
{
	return engine->ops->close(engine);
}

/*
 * A branch: the same store for a further thread, whose turns and wakes are its
 * own.  It is made by ENGINE's thread, before its own uses it; it tells no
 * events.  The end: first no thread uses branches any more, then ENGINE is
 * closed, which answers what came through them, then the branches are, which
 * call done for that.  ENGINE lives as long as a branch is used, and the wakes
 * of both until all are closed.  0, -ENOMEM, -EOPNOTSUPP: it has no branches.
 */
static inline int engine_branch(struct engine *engine,
				const struct engine_host *host,
				struct engine **branch)
{
	return engine->ops->branch ? engine->ops->branch(engine, host, branch)
				   : -EOPNOTSUPP;
}

/* "not found", "full" ...: a fixed text for a result, also for -errno. */
const char *engine_result_text(int result);

/*
 * ---- the local engine: a store in a local directory ----
 *
 * Threads: the loop (who calls engine_turn; it owns the index), the log
 * thread (writes and syncs), upkeep (manifest, spares, hints), compaction
 * (copying), a pool for reads that have to wait for the disk or are large.
 */

struct io;

/* When dead bytes are given back by themselves; zeros are the defaults. */
struct engine_compaction {
	uint64_t dead_percent;	 /* of all bytes; 0: 16; 100: never */
	uint64_t dead_bytes;	 /* so many are enough too; 0: no such */
	uint64_t small_segments; /* merged when there are so many; 0: 8 */
	uint64_t disk_bytes;	 /* over it 1/64 dead will do; 0: no such */
	uint64_t bytes_a_second; /* read and written; 0: no limit */
	/*
	 * Hours of the local day, 0 to 24, between which it may begin by
	 * itself; equal: always.  A disk over its limit does not wait.
	 */
	struct engine_hours {
		uint64_t from;
		uint64_t to;
	} hours;
};

struct engine_local_options {
	const char *dir;
	enum engine_durability durability; /* ENGINE_DEFAULT: always */
	uint64_t sync_interval_ms;	   /* 0: 1000 */
	uint64_t segment_size;		   /* bytes; 0: automatic */
	uint64_t value_max;		   /* bytes; 0: 64 MiB */
	struct engine_compaction compaction;
	/* Told while the store loads; may be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
	struct io *io; /* NULL: the system's; for tests */
};

/* Why it could not be opened: one line, what happened and what to do. */
struct engine_local_error {
	char text[512];
};

/*
 * Opens the store, makes it where there is none, and starts the threads.
 * 0, or a negative errno with ERROR filled in (-EWOULDBLOCK: in use).  The
 * caller ends it with engine_close.
 */
int engine_local_open(const struct engine_local_options *options,
		      const struct engine_host *host, struct engine **engine,
		      struct engine_local_error *error);

#endif
