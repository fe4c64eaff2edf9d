#include "tests/support/store_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "common/checksum.h"

enum {
	/* where a format's version and CRC lie, in manifest and segment */
	AT_CRC = 8,
	AT_VERSION = 12,
};

struct runs runs;

void runs_use(struct simfs *now)
{
	runs.fs = now;
	runs.io = simfs_io(runs.fs);
}

int runs_set_up(void **state)
{
	(void)state;
	runs_use(simfs_new());
	return 0;
}

int runs_tear_down(void **state)
{
	(void)state;
	assert_int_equal(simfs_n_open(runs.fs), 0);
	assert_int_equal(simfs_n_misused(runs.fs), 0);
	simfs_free(runs.fs);
	return 0;
}

struct store *runs_open(void)
{
	return kit_open(runs.io, RUNS_DIR);
}

void runs_expect_refused(int result, const char *text)
{
	uint64_t hash = kit_hash(runs.io, RUNS_DIR);
	unsigned n = kit_count(runs.io, RUNS_DIR, "", "");
	struct store *store = NULL;
	struct store_error error;

	assert_int_equal(kit_try_open(runs.io, RUNS_DIR, &store, &error),
			 result);
	assert_null(store);
	if (!strstr(error.text, text))
		print_error("'%s' does not say '%s'\n", error.text, text);
	assert_non_null(strstr(error.text, text));
	assert_true(kit_hash(runs.io, RUNS_DIR) == hash);
	/* a LOCK may have come */
	assert_in_range(kit_count(runs.io, RUNS_DIR, "", ""), n, n + 1);
	assert_int_equal(simfs_n_open(runs.fs), 0);
}

uint64_t runs_file_len(const char *name)
{
	size_t len;

	free(kit_read(runs.io, RUNS_DIR, name, &len));
	return len;
}

void runs_first(void)
{
	struct store *store = runs_open();

	kit_put(store, "a", "old a");
	kit_put(store, "b", "old b");
	kit_put(store, "c", "old c");
	kit_put(store, "gone", "old gone");
	kit_delete(store, "gone");
	kit_put(store, "a", "new a");
	kit_close(store);
}

void runs_expect_first(struct store *store)
{
	kit_expect(store, "a", "new a");
	kit_expect(store, "b", "old b");
	kit_expect(store, "c", "old c");
	kit_expect(store, "gone", NULL);
	assert_int_equal(store_count(store), 3);
}

void runs_second(void)
{
	struct store *store = runs_open();

	kit_put(store, "a", "newer a");
	kit_put(store, "d", "new d");
	kit_put_soft(store, "last", "a last value");
	store_abandon(store);
}

void runs_expect_second(struct store *store, const char *last)
{
	kit_expect(store, "a", "newer a");
	kit_expect(store, "b", "old b");
	kit_expect(store, "d", "new d");
	kit_expect(store, "last", last);
	kit_expect(store, "gone", NULL);
}

struct runs_bytes runs_read(const char *name)
{
	struct runs_bytes bytes;

	bytes.data = kit_read(runs.io, RUNS_DIR, name, &bytes.len);
	return bytes;
}

void runs_expect_same(const char *name, struct runs_bytes *bytes)
{
	struct runs_bytes now = runs_read(name);

	assert_int_equal(now.len, bytes->len);
	assert_memory_equal(now.data, bytes->data, now.len);
	free(now.data);
	free(bytes->data);
}

void runs_make_newer(const char *name, size_t len)
{
	struct runs_bytes bytes = runs_read(name);

	if (len == 0)
		len = bytes.len;
	bytes_put32(bytes.data + AT_VERSION, 2);
	bytes_put32(bytes.data + AT_CRC, 0);
	bytes_put32(bytes.data + AT_CRC, crc32c(0, bytes.data, len));
	kit_write(runs.io, RUNS_DIR, name, bytes.data, bytes.len);
	free(bytes.data);
}

void runs_keep_kill(void *ctx, struct simfs *from, enum simfs_call call,
		    bool changed)
{
	struct runs_kills *kills = ctx;

	(void)call;
	if (!changed)
		return;
	assert_true(kills->n < RUNS_KILLS_MAX);
	kills->at[kills->n++] = simfs_clone(from);
}
