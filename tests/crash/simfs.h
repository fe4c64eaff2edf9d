/*
 * simfs: a file system in memory that knows what a power cut would leave.
 *
 * It implements the engine's table of file operations (common/io.h) and
 * keeps two views: what the process sees (the kernel's page cache) and what
 * is durable, with every change in between in its order.  From these it
 * makes the states of the disk that a power cut at this instant may leave.
 *
 * The model (stricter than most disks, as common/io.h promises no more)
 *  1. sync makes the bytes and the size of that file durable, no name.
 *     Without it any part of what was written may be lost, in any order,
 *     and what was made larger may be shorter.
 *  2. sync_dir makes the changed names of that folder durable.  Without it
 *     each of them may be lost by itself.  A rename is one change; between
 *     two folders it is durable when the old one is synced; when only the
 *     new one is, the file may have both names.
 *  3. A failed sync leaves the bytes visible and marks them lost: a later
 *     sync does not cover them, unless they are written again.
 *  4. An unlinked file lives on while it is open.
 *  5. A link is a second name for the same file, with the same bytes, and is
 *     durable by itself when its folder is synced.
 *
 * Paths are absolute or relative to the root, which is the only folder of a
 * new simulation; "." and ".." are names like others.  Descriptors begin at
 * 0.  Calls may come from any thread; they take turns.
 */
#ifndef GETME_TESTS_CRASH_SIMFS_H
#define GETME_TESTS_CRASH_SIMFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/io.h"

enum simfs_call {
	SIMFS_OPEN,
	SIMFS_CLOSE,
	SIMFS_PREAD,
	SIMFS_PWRITEV,
	SIMFS_SYNC,
	SIMFS_WRITEBACK,
	SIMFS_ALLOCATE,
	SIMFS_PUNCH,
	SIMFS_STAT,
	SIMFS_RENAME,
	SIMFS_LINK,
	SIMFS_UNLINK,
	SIMFS_MKDIR,
	SIMFS_RMDIR,
	SIMFS_SYNC_DIR,
	SIMFS_LIST,
	SIMFS_LOCK,
	SIMFS_N_CALLS
};

struct simfs;

const char *simfs_call_name(enum simfs_call call);

/* Empty; the clock stands in 2023. */
struct simfs *simfs_new(void);
void simfs_free(struct simfs *fs);

/* The table to give to the engine; it lives as long as FS. */
struct io *simfs_io(struct simfs *fs);

void simfs_set_clock(struct simfs *fs, uint64_t ms);

/* Whether nothing is in memory: pread_nowait would have to wait. */
void simfs_set_cold(struct simfs *fs, bool is_cold);

/* The process died: all descriptors and locks are gone, no byte is. */
void simfs_kill(struct simfs *fs);

/* The same kernel with its page cache, after the process died; for keeps. */
struct simfs *simfs_clone(struct simfs *fs);

/* For tests that look for leaks and for misuse. */
unsigned simfs_n_open(struct simfs *fs);
/* Calls with a descriptor that is not open, or not open for that. */
unsigned simfs_n_misused(struct simfs *fs);

/* Calls so far, of one kind, of all. */
uint64_t simfs_n_calls(struct simfs *fs, enum simfs_call call);
uint64_t simfs_n_all_calls(struct simfs *fs);

/* One line a call; NULL: none.  Borrowed. */
void simfs_set_trace(struct simfs *fs, FILE *trace);

/*
 * Called at the end of each call, still inside it; CHANGED when the call
 * changed what is visible or what is durable.  It may use FS, and the crash
 * states below.
 */
typedef void simfs_hook(void *ctx, struct simfs *fs, enum simfs_call call,
			bool changed);
void simfs_set_hook(struct simfs *fs, simfs_hook *hook, void *ctx);

/* A fault: calls of these kinds, counted from simfs_set_fault() on. */
struct simfs_fault {
	uint64_t nth;	 /* the first that fails, from 1 */
	uint32_t calls;	 /* bits 1 << enum simfs_call */
	int error;	 /* positive errno, or */
	bool from_then;	 /* and all that follow */
	bool is_short;	 /* pread, pwritev: half of it (rounded up), no error */
	bool is_applied; /* fails, but the change is made all the same */
};

/* Copies FAULT; NULL: none. */
void simfs_set_fault(struct simfs *fs, const struct simfs_fault *fault);
/* While it is paused, calls neither fail nor count for it. */
void simfs_pause_fault(struct simfs *fs, bool paused);
/* How many calls the fault has hit since it was set. */
uint64_t simfs_n_faults(struct simfs *fs);

/* Crash states */

/* A hash of all that is visible: names and bytes, not how it came there. */
uint64_t simfs_hash(struct simfs *fs);

/* Called with a state and words for it, both borrowed; not 0 stops. */
typedef int simfs_each_state(void *ctx, struct simfs *state, unsigned index,
			     const char *what);

/*
 * Calls EACH with every distinct state that a power cut may leave now, MAX
 * at most, drawn by SEED from all pairs of
 *	bytes: none, all, each prefix, each one lost, some subsets, sizes
 *	       without bytes, and one torn at sectors and at any byte;
 *	names: every subset of up to 4 changes; of more none, all, each
 *	       prefix, each one lost, some subsets.
 * The index of a state depends on SEED and MAX alone.  Returns what EACH
 * returned last.
 */
int simfs_crash_states(struct simfs *fs, uint64_t seed, unsigned max,
		       simfs_each_state *each, void *ctx);

/* One of them, drawn by SEED; WHAT may be NULL.  The caller frees it. */
struct simfs *simfs_crash_random(struct simfs *fs, uint64_t seed, char *what,
				 size_t what_len);

/* The state in which all is lost that may be.  The caller frees it. */
struct simfs *simfs_crash_durable(struct simfs *fs);

#endif
