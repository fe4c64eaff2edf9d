#include "tests/support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/store_kit.h"

enum {
	LINE_MAX_LEN = 4096,
	/* letters that repeat after a prime: they compress well */
	PERIOD = 251,
};

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

static struct golden_bytes fill(const char *spec)
{
	struct golden_bytes bytes = { .data = NULL };
	char *rest;
	unsigned long seed;
	size_t i;

	bytes.len = strtoul(spec, &rest, 10);
	seed = strtoul(rest + 1, NULL, 10);
	bytes.data = must(malloc(bytes.len + 1));
	for (i = 0; i < bytes.len; i++)
		bytes.data[i] = (uint8_t)(i % PERIOD + seed);
	return bytes;
}

static struct golden_bytes from_hex(const char *hex)
{
	struct golden_bytes bytes = { .len = strlen(hex) / 2 };
	size_t i;

	bytes.data = must(malloc(bytes.len + 1));
	for (i = 0; i < bytes.len; i++) {
		const char pair[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		bytes.data[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return bytes;
}

struct golden_bytes golden_bytes(const char *spec)
{
	struct golden_bytes bytes = { .len = strlen(spec) - 2 };

	if (strncmp(spec, "f:", 2) == 0)
		return fill(spec + 2);
	if (strncmp(spec, "x:", 2) == 0)
		return from_hex(spec + 2);
	if (strncmp(spec, "t:", 2) != 0)
		abort();
	bytes.data = must(malloc(bytes.len + 1));
	memcpy(bytes.data, spec + 2, bytes.len);
	return bytes;
}

static void expect_put(struct store *store, const char *key_spec,
		       const char *value_spec, uint64_t version,
		       uint64_t expires_at_ms)
{
	struct golden_bytes key = golden_bytes(key_spec);
	struct golden_bytes value = golden_bytes(value_spec);
	struct store_value found;
	int result = store_get(store, key.data, key.len, &found);

	if (result != 0)
		fail_msg("%s: get returns %d", key_spec, result);
	assert_int_equal(found.len, value.len);
	assert_memory_equal(found.data, value.data, value.len);
	assert_true(found.version == version);
	assert_true(found.expires_at_ms == expires_at_ms);
	free(found.data);
	free(value.data);
	free(key.data);
}

static void expect_gone(struct store *store, const char *key_spec)
{
	struct golden_bytes key = golden_bytes(key_spec);
	struct store_value found;

	assert_int_equal(store_get(store, key.data, key.len, &found),
			 STORE_NOT_FOUND);
	free(key.data);
}

/* How many keys the store may count. */
struct counts {
	uint64_t least;
	uint64_t most;
};

static void expect_line(struct store *store, const char *line,
			struct counts *counts)
{
	char value[LINE_MAX_LEN];
	char key[LINE_MAX_LEN];
	char version[32];
	char expires[32];

	if (sscanf(line, "put %4095s %4095s %31s %31s", key, value, version,
		   expires) == 4) {
		expect_put(store, key, value, strtoull(version, NULL, 10),
			   strtoull(expires, NULL, 10));
		counts->least++;
		counts->most++;
	} else if (sscanf(line, "expired %4095s", key) == 1) {
		expect_gone(store, key);
		counts->most++;
	} else if (sscanf(line, "gone %4095s", key) == 1) {
		expect_gone(store, key);
	} else {
		fail_msg("not a line of expectations: %s", line);
	}
}

void golden_expect(const char *dir, const char *expected)
{
	struct store *store = kit_open(io_system(), dir);
	FILE *file = fopen(expected, "r");
	struct counts counts = { 0 };
	char line[2 * LINE_MAX_LEN];

	if (!file)
		fail_msg("%s cannot be read", expected);
	while (fgets(line, sizeof(line), file))
		expect_line(store, line, &counts);
	fclose(file);
	assert_true(counts.least > 0);
	assert_in_range(store_count(store), counts.least, counts.most);
	kit_close(store);
}
