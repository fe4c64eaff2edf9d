/*
 * getme.h: the client library of getMe, a persistent key-value store for the
 * processes of one machine.
 *
 * Conventions
 *  - Every function that can fail returns an int: 0 is success, a positive
 *    number an ordinary answer (enum getme_result), a negative number a
 *    negated errno or, from -1000 down, one of the GETME_E_ codes below.
 *    getme_strerror() names each, getme_last_error() says more.
 *  - Keys and values are bytes: a pointer and a length.  A key has 1 to
 *    65,535 bytes.  An empty value is a value.
 *  - Bytes that a call returns belong to the handle and stay until its next
 *    call, unless the call says otherwise.
 *  - NULL where an object or an output is required gives -EINVAL.  Outputs
 *    are untouched on failure.
 *  - Option structs begin with their own size; fill them with their
 *    GETME_..._INIT, so that old programs work with a newer library.  Where
 *    an options pointer is taken, NULL means the defaults.
 *  - A handle is for one thread at a time.  Handles are independent.
 *  - After fork() a child's use of the parent's handle reconnects first.
 *  - The library never prints, never aborts, never installs a signal
 *    handler, and never sends a write twice: a write that was cut off by a
 *    lost connection or a deadline returns GETME_E_UNKNOWN_OUTCOME.
 */
#ifndef GETME_H
#define GETME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GETME_PUBLIC __attribute__((visibility("default")))
#else
#define GETME_PUBLIC
#endif

struct getme;
struct getme_batch;
struct getme_scan;

/* Ordinary answers. */
enum getme_result {
	GETME_OK = 0,
	GETME_NOT_FOUND = 1, /* the key is not there */
	GETME_CONDITION = 2, /* if_absent or if_version was not met */
	GETME_END = 3,	     /* a scan is over; nothing to collect */
};

/* Errors.  Negative errnos below 1000 are those of the system. */
enum getme_error {
	GETME_E_NO_DAEMON = -1001,   /* cannot be reached; nothing was sent */
	GETME_E_NOT_ALLOWED = -1002, /* the socket or the daemon forbids it */
	GETME_E_UNKNOWN_OUTCOME = -1003, /* a write may or may not be applied */
	GETME_E_TIMEOUT = -1004,      /* a read, or a connect, took too long */
	GETME_E_PROTOCOL = -1005,     /* the peer does not speak our protocol */
	GETME_E_VERSION = -1006,      /* protocol versions do not fit */
	GETME_E_DISCONNECTED = -1007, /* lost while a read was under way */
	GETME_E_FULL = -1010,	      /* the disk is full; deletes work */
	GETME_E_READ_ONLY = -1011,    /* the store takes no writes */
	GETME_E_CORRUPT = -1012,      /* the entry is damaged on disk */
	GETME_E_IO = -1013,	      /* the daemon met a disk error */
	GETME_E_NO_MEMORY = -1014,    /* the daemon's memory ran out */
	GETME_E_NOT_INTEGER = -1015,  /* incr: not a 64-bit decimal */
	GETME_E_OVERFLOW = -1016,     /* incr: the sum leaves 64 bits */
	GETME_E_TOO_LARGE = -1017,    /* a key, value, batch or reply */
	GETME_E_BUSY = -1018,	      /* a limit of the daemon; try later */
	GETME_E_UNSUPPORTED = -1019,  /* this daemon cannot do that */
	GETME_E_CLOSING = -1020,      /* the daemon is stopping */
	GETME_E_BAD_REQUEST = -1021,  /* the daemon refused the request */
	GETME_E_BAD_CURSOR = -1022,   /* a scan cannot be continued */
	GETME_E_INTERNAL = -1023,     /* the daemon is at fault */
};

/* When a write is acknowledged. */
enum getme_durability {
	GETME_DEFAULT = 0, /* the store's own default */
	GETME_NONE,	   /* written: survives the daemon, not a power cut */
	GETME_INTERVAL,	   /* durable within the store's sync interval */
	GETME_ALWAYS,	   /* on stable storage */
};

/* Text for any result of this library; never NULL; static. */
GETME_PUBLIC const char *getme_strerror(int result);

/* The library's version, "0.1.0". */
GETME_PUBLIC const char *getme_version(void);

/* ---- open and close ---- */

enum getme_where {
	GETME_WHERE_AUTO = 0, /* $GETME_SOCKET, else root: system, else user */
	GETME_WHERE_SYSTEM,   /* /run/getme/getme.sock */
	GETME_WHERE_USER,     /* $XDG_RUNTIME_DIR/getme/getme.sock */
};

/*
 * How getme_get, getme_get_many, getme_stat and getme_exists read.  Answers
 * and errors are the same either way.
 *
 * Direct reads: where the daemon lets this user, the library maps its index
 * and its segments read-only and finds entries itself, without asking and
 * without a system call; whenever it is in doubt it asks.  A handle's first
 * read maps, which takes a few round trips.  Reads use the socket while
 * submitted requests are not collected.  A mapped file has one weakness: when
 * the disk fails under it the process gets SIGBUS; GETME_DIRECT_PREAD reads
 * segments with pread(2) instead, a system call a read.
 */
enum getme_direct {
	GETME_DIRECT_AUTO = 0, /* mapped, where the daemon lets us */
	GETME_DIRECT_OFF,      /* over the socket */
	GETME_DIRECT_PREAD,    /* the index mapped, segments by pread */
};

struct getme_options {
	size_t size;
	const char *socket;	  /* a path, or NULL: see where */
	enum getme_where where;	  /* only when socket is NULL */
	int64_t timeout_ms;	  /* of each call; 0: 5000; -1: none */
	enum getme_direct direct; /* how reads are done */
};
#define GETME_OPTIONS_INIT                                                     \
	{                                                                      \
		sizeof(struct getme_options), NULL, GETME_WHERE_AUTO, 0,       \
			GETME_DIRECT_AUTO                                      \
	}

/*
 * Makes a handle and connects.  GETME_E_NO_DAEMON, GETME_E_NOT_ALLOWED,
 * GETME_E_TIMEOUT, GETME_E_VERSION, GETME_E_PROTOCOL, GETME_E_BUSY,
 * GETME_E_CLOSING, -ENAMETOOLONG, -ENOMEM, -EMFILE.
 * When HANDLE is not given back, ERROR_TEXT (may be NULL, ERROR_LEN bytes)
 * says in one line what happened and what to do.
 */
GETME_PUBLIC int getme_open(const struct getme_options *options,
			    struct getme **handle, char *error_text,
			    size_t error_len);

/* Closes and frees; NULL is fine.  Writes not collected may be lost. */
GETME_PUBLIC void getme_close(struct getme *handle);

/* The path that the handle talks to. */
GETME_PUBLIC const char *getme_socket_path(const struct getme *handle);

/* One line about the last failure of this handle; never NULL. */
GETME_PUBLIC const char *getme_last_error(const struct getme *handle);

/* Another deadline for the calls that follow, as in getme_options. */
GETME_PUBLIC int getme_set_timeout(struct getme *handle, int64_t timeout_ms);

/* ---- one key ---- */

struct getme_value {
	const void *data; /* NULL in getme_stat and for empty values */
	size_t len;
	uint64_t version;      /* never 0 */
	int64_t expires_at_ms; /* since 1970; -1: never */
};

struct getme_write_options {
	size_t size;
	enum getme_durability durability;
	int64_t ttl_ms;	       /* 0: none; not below 0 */
	int64_t expires_at_ms; /* since 1970; 0: none; not both */
	int if_absent;	       /* 1: only when the key is not there */
	uint64_t if_version;   /* not 0: only when it has this version */
};
#define GETME_WRITE_OPTIONS_INIT                                               \
	{                                                                      \
		sizeof(struct getme_write_options), GETME_DEFAULT, 0, 0, 0, 0  \
	}

/* What a write came to; pass NULL where it is of no interest. */
struct getme_written {
	uint64_t version;      /* the key's new one; 0: delete, batch */
	uint64_t deleted;      /* delete: how many keys were there */
	int64_t number;	       /* incr: the sum */
	uint64_t failed_index; /* batch: whose condition was not met */
	enum getme_durability durability; /* the level the write has */
};

/* Round trip.  0 or an error. */
GETME_PUBLIC int getme_ping(struct getme *handle);

/* 0, GETME_NOT_FOUND, GETME_E_CORRUPT. */
GETME_PUBLIC int getme_get(struct getme *handle, const void *key,
			   size_t key_len, struct getme_value *value);

/* As getme_get without reading the value: value->len is its size. */
GETME_PUBLIC int getme_stat(struct getme *handle, const void *key,
			    size_t key_len, struct getme_value *value);

/* 0: there.  GETME_NOT_FOUND: not. */
GETME_PUBLIC int getme_exists(struct getme *handle, const void *key,
			      size_t key_len);

/* 0, GETME_CONDITION.  Without an expiry in OPTIONS an older one is cleared. */
GETME_PUBLIC int getme_put(struct getme *handle, const void *key,
			   size_t key_len, const void *value, size_t value_len,
			   const struct getme_write_options *options,
			   struct getme_written *written);

/*
 * 0 (also when the key was not there: see written->deleted), or
 * GETME_CONDITION when if_version is given and the key has another version
 * or is not there.
 */
GETME_PUBLIC int getme_delete(struct getme *handle, const void *key,
			      size_t key_len,
			      const struct getme_write_options *options,
			      struct getme_written *written);

/* Adds BY to a decimal 64-bit value; a missing key counts as 0. */
GETME_PUBLIC int getme_incr(struct getme *handle, const void *key,
			    size_t key_len, int64_t by,
			    const struct getme_write_options *options,
			    struct getme_written *written);

/*
 * Sets the expiry of a key, value untouched: ttl_ms or expires_at_ms in
 * OPTIONS; with neither (or NULL options) the expiry is removed.
 * 0, GETME_NOT_FOUND.
 */
GETME_PUBLIC int getme_touch(struct getme *handle, const void *key,
			     size_t key_len,
			     const struct getme_write_options *options,
			     struct getme_written *written);

/* ---- many keys ---- */

struct getme_bytes {
	const void *data;
	size_t len;
};

/* One key's answer in getme_get_many and in a scan. */
struct getme_item {
	int result; /* 0, GETME_NOT_FOUND, GETME_E_CORRUPT, ... */
	struct getme_bytes key;
	struct getme_value value;
};

/*
 * Up to 16,384 keys, all of one instant.  ITEMS (N of them, the caller's)
 * gets one answer for each key, in order; their bytes stay until the next
 * call.  0 or an error; each item has its own result.
 */
GETME_PUBLIC int getme_get_many(struct getme *handle,
				const struct getme_bytes *keys, size_t n,
				struct getme_item *items);

/*
 * Deletes 1 to 16,384 keys, all or nothing; if_version goes with one key
 * only.
 */
GETME_PUBLIC int getme_delete_many(struct getme *handle,
				   const struct getme_bytes *keys, size_t n,
				   const struct getme_write_options *options,
				   struct getme_written *written);

/*
 * A batch: puts and deletes applied all or nothing, in order, the last on a
 * key wins; conditions look at the state before it.  At most 16,384
 * operations and 64 MiB of keys and values (GETME_E_TOO_LARGE when adding).
 * The bytes are copied.  durability comes from getme_batch_apply's options;
 * it is -EINVAL in those of an operation.  Applying a batch without
 * operations is -EINVAL.
 */
GETME_PUBLIC int getme_batch_new(struct getme_batch **batch);
GETME_PUBLIC void getme_batch_free(struct getme_batch *batch);
GETME_PUBLIC int getme_batch_put(struct getme_batch *batch, const void *key,
				 size_t key_len, const void *value,
				 size_t value_len,
				 const struct getme_write_options *options);
GETME_PUBLIC int getme_batch_delete(struct getme_batch *batch, const void *key,
				    size_t key_len,
				    const struct getme_write_options *options);
GETME_PUBLIC size_t getme_batch_count(const struct getme_batch *batch);
/* 0, GETME_CONDITION (written->failed_index).  The batch can be used again. */
GETME_PUBLIC int getme_batch_apply(struct getme *handle,
				   const struct getme_batch *batch,
				   const struct getme_write_options *options,
				   struct getme_written *written);
/* Empties it for the next use. */
GETME_PUBLIC void getme_batch_reset(struct getme_batch *batch);

/* ---- the whole store ---- */

GETME_PUBLIC int getme_clear(struct getme *handle);
GETME_PUBLIC int getme_count(struct getme *handle, uint64_t *count);
GETME_PUBLIC int getme_sync(struct getme *handle);

/*
 * What may take minutes.  DONE of TOTAL bytes are told about five times a
 * second while the call waits, from inside it; PROGRESS may not use the
 * handle.  The numbers come over a second connection that the call opens,
 * and are left out where it cannot.
 */
struct getme_compact_options {
	size_t size;
	int64_t timeout_ms; /* 0, -1: none; not the handle's */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
};
#define GETME_COMPACT_OPTIONS_INIT                                             \
	{                                                                      \
		sizeof(struct getme_compact_options), 0, NULL, NULL            \
	}

struct getme_backup_options {
	size_t size;
	int64_t timeout_ms; /* 0, -1: none; not the handle's */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
};
#define GETME_BACKUP_OPTIONS_INIT                                              \
	{                                                                      \
		sizeof(struct getme_backup_options), 0, NULL, NULL             \
	}

/*
 * Gives the room of what was deleted, replaced or has expired back to the
 * disk; returns when all that was dead when it began is gone.
 * GETME_E_UNKNOWN_OUTCOME: the daemon may go on with it, no harm done.
 */
GETME_PUBLIC int getme_compact(struct getme *handle,
			       const struct getme_compact_options *options);

/*
 * The daemon makes a copy of one instant of the store in the folder PATH, as
 * the daemon sees it: an absolute path, missing or an empty folder.  The
 * copy is a store, is durable when this returns 0, and shares the disk's room
 * with the store where hard links can.  Otherwise nothing is left of it:
 * GETME_E_BAD_REQUEST: that folder will not do; getme_last_error says why and
 * names the daemon's user where that may not write.  GETME_E_BUSY: another
 * backup is under way.  GETME_E_UNKNOWN_OUTCOME: the daemon may go on.
 */
GETME_PUBLIC int getme_backup(struct getme *handle, const char *path,
			      const struct getme_backup_options *options);

struct getme_scan_options {
	size_t size;
	struct getme_bytes prefix; /* only keys that begin so */
	int with_values;
	size_t step; /* keys a round trip; 0: the library chooses */
};
#define GETME_SCAN_OPTIONS_INIT                                                \
	{                                                                      \
		sizeof(struct getme_scan_options), { NULL, 0 }, 0, 0           \
	}

/*
 * A scan gives each key that is there from its beginning to its end exactly
 * once; one that comes or goes meanwhile at most once.  No order.  It may be
 * interleaved with other calls on the handle, and outlives a reconnect: after
 * an error getme_scan_next may be tried again.  It does not outlive the
 * daemon: after a restart it is GETME_E_BAD_CURSOR.  Close it before its
 * handle.
 */
GETME_PUBLIC int getme_scan_open(struct getme *handle,
				 const struct getme_scan_options *options,
				 struct getme_scan **scan);
/* 0 and ITEM (borrowed until the scan's next call), GETME_END, an error. */
GETME_PUBLIC int getme_scan_next(struct getme_scan *scan,
				 struct getme_item *item);
GETME_PUBLIC void getme_scan_close(struct getme_scan *scan);

enum getme_stat_kind {
	GETME_STAT_COUNTER,
	GETME_STAT_GAUGE,
	GETME_STAT_TEXT,
};

struct getme_stats_row {
	const char *name; /* snake_case, with its unit */
	const char *help;
	enum getme_stat_kind kind;
	uint64_t value;	  /* counter, gauge */
	const char *text; /* text */
};

/* ROWS stay until the handle's next call. */
GETME_PUBLIC int getme_stats(struct getme *handle,
			     const struct getme_stats_row **rows,
			     size_t *n_rows);

/* ---- pipelining: submit many, collect replies ---- */

/*
 * A submit call queues one request and returns without waiting; TAG comes
 * back with its answer.  Answers come in the order of submission.  Nothing
 * is lost when buffers fill: a submit sends and receives as needed, never
 * beyond the deadline.  Synchronous calls may be mixed in: they wait behind
 * what was submitted, and what that brought stays for getme_collect.
 *
 * A submit call that fails has queued nothing.  When the connection is lost,
 * or a synchronous call runs out of time and so closes it, every request
 * without a reply gets an answer of its own: GETME_E_UNKNOWN_OUTCOME for a
 * write that may have reached the daemon, GETME_E_NO_DAEMON for one of which
 * nothing was sent (it will never happen), an error for a read.  None of
 * them is sent again.
 */
GETME_PUBLIC int getme_submit_get(struct getme *handle, const void *key,
				  size_t key_len, void *tag);
GETME_PUBLIC int getme_submit_put(struct getme *handle, const void *key,
				  size_t key_len, const void *value,
				  size_t value_len,
				  const struct getme_write_options *options,
				  void *tag);
GETME_PUBLIC int getme_submit_delete(struct getme *handle, const void *key,
				     size_t key_len,
				     const struct getme_write_options *options,
				     void *tag);
GETME_PUBLIC int getme_submit_batch(struct getme *handle,
				    const struct getme_batch *batch,
				    const struct getme_write_options *options,
				    void *tag);

struct getme_answer {
	void *tag;
	int result;		      /* as the synchronous call's */
	struct getme_value value;     /* get; until the next call */
	struct getme_written written; /* put, delete, batch */
};

/*
 * Takes the next answer, waiting up to the handle's deadline (wait != 0) or
 * not at all.  0; GETME_END: nothing was submitted that is not collected;
 * -EAGAIN: none yet (wait == 0); GETME_E_TIMEOUT: none in time, and nothing
 * is lost: collect again.
 */
GETME_PUBLIC int getme_collect(struct getme *handle, int wait,
			       struct getme_answer *answer);

/* How many submitted requests have not been collected. */
GETME_PUBLIC size_t getme_pending(const struct getme *handle);

/*
 * For event loops: the descriptor to watch (it changes when the library
 * reconnects; -1: not connected), which of POLLIN and POLLOUT to watch it
 * for, and what to call when it is ready.  getme_process never blocks; 0 or
 * an error.
 */
GETME_PUBLIC int getme_fd(const struct getme *handle);
GETME_PUBLIC int getme_events(const struct getme *handle);
GETME_PUBLIC int getme_process(struct getme *handle);

#ifdef __cplusplus
}
#endif

#endif
