/*
 * store_runs: a store in a simulation (tests/crash/simfs.h), the runs it went
 * through, and what they left in its folder; for the tests of recovery.
 *
 * Segment numbers follow from the runs: the first run's is 1, the second's 3,
 * since 2 was a spare.  What does not hold fails the test.
 */
#ifndef GETME_TESTS_SUPPORT_STORE_RUNS_H
#define GETME_TESTS_SUPPORT_STORE_RUNS_H

#include <stddef.h>
#include <stdint.h>

#include "common/io.h"
#include "common/store.h"
#include "tests/crash/simfs.h"
#include "tests/support/store_kit.h"

#define RUNS_DIR	"/store"
#define RUNS_FIRST	"0000000001.seg"
#define RUNS_FIRST_HINT "0000000001.hint"
#define RUNS_SECOND	"0000000003.seg"

enum {
	RUNS_FIRST_ID = 1,
	RUNS_SECOND_ID = 3,
	RUNS_LARGE_LEN = 60 << 10, /* a value; one of them fills a segment */
	RUNS_KILLS_MAX = 256,
};

/* The simulation in use; set by runs_set_up and runs_use alone. */
struct runs {
	struct simfs *fs;
	struct io *io;
};

extern struct runs runs;

/* cmocka's setup and teardown: every descriptor has to be closed by then. */
int runs_set_up(void **state);
int runs_tear_down(void **state);

/* Goes on in NOW, which the caller frees unless it is the last. */
void runs_use(struct simfs *now);

struct store *runs_open(void);

/* Opening fails with RESULT, changes nothing, and says TEXT. */
void runs_expect_refused(int result, const char *text);

/* A segment that a clean stop has sealed. */
void runs_first(void);
void runs_expect_first(struct store *store);

/* A tail of three writes, the last of them not known to be synced. */
void runs_second(void);
void runs_expect_second(struct store *store, const char *last);

/* ---- files ---- */

uint64_t runs_file_len(const char *name);

/* As a file is now, to be compared with what recovery leaves; free data. */
struct runs_bytes {
	uint8_t *data;
	size_t len;
};

struct runs_bytes runs_read(const char *name);

/* Frees BYTES. */
void runs_expect_same(const char *name, struct runs_bytes *bytes);

/*
 * Raises the format of a manifest or segment, of which the CRC covers LEN
 * bytes; 0: all.
 */
void runs_make_newer(const char *name, size_t len);

/* ---- kills ---- */

struct runs_kills {
	struct simfs *at[RUNS_KILLS_MAX];
	size_t n;
};

/* A hook for simfs_set_hook: keeps what a kill behind each change leaves. */
void runs_keep_kill(void *ctx, struct simfs *from, enum simfs_call call,
		    bool changed);

#endif
