/*
 * hook_io: the system's file table with faults on command, for tests with
 * threads.  Counters and faults may be set from any thread.
 */
#ifndef GETME_TESTS_SUPPORT_HOOK_IO_H
#define GETME_TESTS_SUPPORT_HOOK_IO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/io.h"

struct hook_io {
	struct io io; /* first: what is handed to the engine */
	/* 0, or the negative errno that every such call returns now */
	_Atomic int sync_error;
	_Atomic int write_error;
	_Atomic int allocate_error;
	_Atomic int open_error; /* of open with O_CREAT */
	_Atomic int link_error;
	/* how many of those calls succeed before the error begins */
	_Atomic int writes_left;
	_Atomic uint64_t n_syncs;
	_Atomic uint64_t n_writes;
	_Atomic uint64_t n_preads;     /* with those that do not wait */
	_Atomic int64_t clock_step_ms; /* added to the clock */
	/* a sync, a write, a link waits while this is not 0 */
	_Atomic int hold_syncs;
	_Atomic int hold_writes;
	_Atomic int hold_links;
	_Atomic int hold_manifests;	 /* the making of one */
	_Atomic uint64_t n_manifests;	 /* begun */
	_Atomic uint64_t n_links;	 /* begun */
	_Atomic uint64_t syncs_at_write; /* n_syncs when the last one began */
	/* what a pread of so many bytes or more returns, if not 0 */
	_Atomic int read_error;
	_Atomic uint64_t read_error_len;
	/* what pread_nowait returns, if not 0: -EAGAIN, -EOPNOTSUPP */
	_Atomic int nowait_error;
	_Atomic uint64_t n_nowaits;
	/* the gate of hook_hold_reads; under the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool hold_reads;
	unsigned int n_held;
};

enum {
	/* longer reads pass the gate: upkeep's of whole segments */
	HOOK_HELD_READ_MAX = 16 << 10,
};

void hook_io_init(struct hook_io *hook);
void hook_io_deinit(struct hook_io *hook);

/* From now on preads of entries wait, until they are let go. */
void hook_hold_reads(struct hook_io *hook);
void hook_let_reads_go(struct hook_io *hook);
/* Returns when N preads wait. */
void hook_await_held(struct hook_io *hook, unsigned int n);

#endif
