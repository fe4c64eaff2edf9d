#include "tests/crash/workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/verify.h"

#define EXPIRES_AT_MS 1900000000000 /* 2030: long after the simulated clock */

enum {
	/* One within a sector, one over several, one over several pages. */
	SMALL_LEN = 100,
	SECTORS_LEN = 1500,
	PAGES_LEN = 9000,
	HALF_LEN = STORE_SEGMENT_MIN / 2,
	LARGE_LEN = STORE_SEGMENT_MIN + 5000,
	VALUES_PER_STEP = 4,
};

bool workload_is_write(char letter)
{
	return strchr("abedmfg", letter) != NULL;
}

size_t workload_step_len(const char *text)
{
	return workload_is_write(*text) ? 2 : 1;
}

static int reopen(struct simfs *fs, struct store **store, struct oracle *oracle)
{
	struct store_error error;
	int result = oracle_close(oracle, *store), opened;

	*store = NULL;
	opened = verify_open(fs, store, &error);
	return opened ? opened : result;
}

/* The process dies, another one comes. */
static int kill_and_open(struct simfs *fs, struct store **store)
{
	struct store_error error;

	store_abandon(*store);
	*store = NULL;
	simfs_kill(fs);
	return verify_open(fs, store, &error);
}

static int no_link(struct io *io, const char *from, const char *to)
{
	(void)io;
	(void)from;
	(void)to;
	return -EXDEV;
}

static int backup_step(unsigned number, struct simfs *fs, struct store *store,
		       struct oracle *oracle)
{
	struct io *io = simfs_io(fs);
	struct io before = *io;
	char dir[ORACLE_DIR_MAX];
	int result;

	if (number % 2 == 0)
		io->link = no_link;
	snprintf(dir, sizeof(dir), VERIFY_PARENT "/backup%u", number);
	result = oracle_backup(oracle, store, dir);
	*io = before;
	return result;
}

static int write_step(const char *text, unsigned number, struct store *store,
		      struct oracle *oracle)
{
	enum store_durability durability =
		(enum store_durability)(text[1] - '0');
	uint64_t id = number * VALUES_PER_STEP;
	struct oracle_write expiring = { .key = "b",
					 .value_id = id,
					 .expires_at_ms =
						 EXPIRES_AT_MS + number };
	struct oracle_write batch[] = {
		{ .key = "a", .value_id = id + 1, .value_len = 0 },
		{ .key = "b", .is_delete = true },
		{ .key = "c", .value_id = id + 2, .value_len = PAGES_LEN },
	};

	switch (*text) {
	case 'a':
		return oracle_put(oracle, store, "a", id, SMALL_LEN + number,
				  durability);
	case 'b':
		return oracle_put(oracle, store, "b", id, SECTORS_LEN + number,
				  durability);
	case 'f':
		return oracle_put(oracle, store, "c", id, HALF_LEN + number,
				  durability);
	case 'g':
		return oracle_put(oracle, store, "b", id, LARGE_LEN + number,
				  durability);
	case 'e':
		return oracle_apply(oracle, store, &expiring, 1, durability);
	case 'd':
		return oracle_delete(oracle, store, "a", durability);
	default:
		return oracle_apply(oracle, store, batch, 3, durability);
	}
}

int workload_step(const char *text, unsigned number, struct simfs *fs,
		  struct store **store, struct oracle *oracle)
{
	switch (*text) {
	case 'R':
		return oracle_roll(oracle, *store);
	case 'C':
		return oracle_clear(oracle, *store);
	case 'B':
		return backup_step(number, fs, *store, oracle);
	case 'S':
		return oracle_sync(oracle, *store);
	case 'K':
		return oracle_compact(oracle, *store);
	case 'O':
		return reopen(fs, store, oracle);
	case 'X':
		return kill_and_open(fs, store);
	default:
		if (!workload_is_write(*text) || !text[1])
			abort();
		return write_step(text, number, *store, oracle);
	}
}
