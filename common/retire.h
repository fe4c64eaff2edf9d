/*
 * retire: what was taken out of sight but may still be read.
 *
 * Other threads read through the index and the table of segments without a
 * lock: cold reads, the compactor, a backup.  Each begins a hold before its
 * first look and ends it after its last.  A segment that was replaced, or an
 * index that a clear has emptied, is first taken out of sight and then handed
 * over here; it is released when every hold that began before has ended.
 *
 * A thread that reads all the time (a further loop) begins no holds, which are
 * the index' thread's to begin: it shows from when on it reads, and when it
 * has stopped, in a word of its own.  The clock counts what was handed over.
 * A reader shows the clock's time and then looks whether it is still that:
 * where it is, what is handed over from now on is compared with what the
 * reader shows; where it is not, the reader sees what was taken out of sight
 * before, and shows the new time.
 *
 * Invariants
 *  1. All functions but retire_enter and retire_leave are called by the
 *     thread that writes the index.  Readers only read between a hold's begin
 *     and its end, or between enter and leave.
 *  2. What was out of sight when a hold began is not kept for its sake, so
 *     readers that never pause cannot keep anything for ever.
 *  3. Things are released in the order in which they were handed over.
 */
#ifndef GETME_COMMON_RETIRE_H
#define GETME_COMMON_RETIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index;
struct segment;

/* Embedded in whoever reads; its members are retire's. */
struct hold {
	struct hold *next;
	struct hold *previous;
	uint64_t begun; /* 0: not held */
};

/* A thread that enters and leaves; all zero, then retire_add_reader. */
struct retire_reader {
	_Atomic uint64_t since; /* 0: it does not read */
	struct retire_reader *next;
};

struct retired_index {
	struct index *index;
	uint64_t at;
};

/* Who ends what nobody can read any more; both take it over. */
struct retire_ops {
	void (*release_segment)(void *ctx, struct segment *segment);
	void (*release_index)(void *ctx, struct index *index);
	void *ctx;
};

struct retire {
	struct retire_ops ops;
	_Atomic uint64_t clock;	       /* at least 1 */
	atomic_bool is_awaited;	       /* a reader keeps something */
	struct retire_reader *readers; /* borrowed */
	struct hold holds;	       /* a ring; the oldest is next */
	struct segment *segments;      /* owned, oldest first */
	struct segment **segments_end;
	struct retired_index *indexes; /* owned, oldest first */
	size_t n_indexes;
	size_t indexes_cap;
	uint64_t held_bytes; /* lengths of the segments here */
};

void retire_init(struct retire *retire, const struct retire_ops *ops);

/* Releases all that is left: nobody reads any more. */
void retire_deinit(struct retire *retire);

/* A hold that is not held is all zero. */
void retire_hold(struct retire *retire, struct hold *hold);

/* Releases what only this hold kept; ending one that is not held is fine. */
void retire_end(struct retire *retire, struct hold *hold);

/*
 * The segment is out of the table already.  Upkeep may still have it in a
 * list: its next member is left alone.
 */
void retire_segment(struct retire *retire, struct segment *segment);

/* READER is there until retire_deinit; before its thread enters. */
void retire_add_reader(struct retire *retire, struct retire_reader *reader);

/* The reader's thread, before its first look and after its last. */
void retire_enter(const struct retire *retire, struct retire_reader *reader);
/* True: something waits for this; retire_look is to be called soon. */
bool retire_leave(const struct retire *retire, struct retire_reader *reader);

/* Releases what readers have let go since.  Cheap when nothing waits. */
void retire_look(struct retire *retire);

/* Makes sure that the next retire_index finds room.  0 or -ENOMEM. */
int retire_reserve_index(struct retire *retire);
void retire_index(struct retire *retire, struct index *index);

#endif
