#include "tests/support/rest_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/digest.h"
#include "common/inventory.h"
#include "tests/support/store_kit.h"

const struct rest_pair rest_newest[] = {
	{ "a", "third a" },    { "b", "second b" },   { "batch1", "of run 3" },
	{ "batch2", NULL },    { "back", "again" },   { "empty", "" },
	{ "gone1", NULL },     { "gone2", NULL },     { "expires", "late" },
	{ "alone1", "run 1" }, { "alone2", "run 2" }, { "alone3", "run 3" },
};
const size_t rest_n_newest = sizeof(rest_newest) / sizeof(rest_newest[0]);

static void put_batch(struct store *store, const char *value)
{
	struct store_write writes[] = {
		{ .key = "batch1", .key_len = 6, .value = value },
		{ .key = "batch2", .key_len = 6, .value = value },
	};
	size_t i;

	for (i = 0; i < 2; i++)
		writes[i].value_len = strlen(value);
	assert_int_equal(store_apply(store, writes, 2, STORE_ALWAYS), 0);
}

static void run_1(struct store *store)
{
	kit_put(store, "a", "first a");
	kit_put(store, "b", "first b");
	kit_put(store, "gone1", "first gone1");
	kit_put(store, "gone2", "first gone2");
	put_batch(store, "of run 1");
	kit_put(store, "back", "first back");
	kit_put(store, "alone1", "run 1");
}

static void run_2(struct store *store, uint64_t now)
{
	kit_put(store, "a", "second a");
	kit_put(store, "b", "second b");
	kit_delete(store, "gone1");
	put_batch(store, "of run 2");
	kit_delete(store, "back");
	kit_put_until(store, "expires", "early", now + 1000);
	kit_put(store, "alone2", "run 2");
}

static void run_3(struct store *store, uint64_t now)
{
	kit_put(store, "a", "third a");
	kit_put(store, "empty", "");
	put_batch(store, "of run 3");
	kit_delete(store, "batch2");
	kit_put(store, "back", "again");
	kit_put_until(store, "expires", "late", now + 1000000000);
	kit_delete(store, "gone2");
	kit_put(store, "alone3", "run 3");
}

struct simfs *rest_new(bool killed)
{
	struct simfs *fs = simfs_new();
	struct io *io = simfs_io(fs);
	uint64_t now = io->clock_ms(io);
	struct store *store = kit_open(io, REST_DIR);

	run_1(store);
	kit_close(store);
	store = kit_open(io, REST_DIR);
	run_2(store, now);
	kit_close(store);
	store = kit_open(io, REST_DIR);
	run_3(store, now);
	if (killed)
		store_abandon(store);
	else
		kit_close(store);
	return fs;
}

static void keep(void *ctx, const struct finding *finding)
{
	struct rest_found *found = ctx;
	size_t len = finding->key_len;

	assert_true(found->n < REST_FINDINGS_MAX);
	found->at[found->n] = *finding;
	if (len >= REST_KEY_MAX)
		len = REST_KEY_MAX - 1;
	if (finding->key)
		memcpy(found->keys[found->n], finding->key, len);
	found->n++;
}

void rest_check(struct simfs *fs, const char *dir, struct rest_found *found)
{
	const struct check_options options = {
		.dir = dir,
		.io = simfs_io(fs),
		.finding = keep,
		.ctx = found,
	};

	memset(found, 0, sizeof(*found));
	found->result = check_run(&options, &found->report, &found->error);
}

void rest_repair(struct simfs *fs, struct rest_found *found)
{
	const struct repair_options options = {
		.dir = REST_DIR,
		.new_dir = REST_NEWDIR,
		.io = simfs_io(fs),
		.finding = keep,
		.ctx = found,
	};

	memset(found, 0, sizeof(*found));
	found->result = repair_run(&options, &found->repaired, &found->error);
}

size_t rest_count(const struct rest_found *found, enum finding_kind kind,
		  const char *key)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < found->n; i++)
		n += found->at[i].kind == kind &&
		     (!key || strcmp(found->keys[i], key) == 0);
	return n;
}

const struct finding *rest_first(const struct rest_found *found,
				 enum finding_kind kind)
{
	size_t i = 0;

	while (i < found->n && found->at[i].kind != kind)
		i++;
	assert_true(i < found->n);
	return &found->at[i];
}

void rest_print(const struct rest_found *found)
{
	size_t i;

	if (found->result != 0)
		print_error("result %d: %s\n", found->result,
			    found->error.text);
	for (i = 0; i < found->n; i++) {
		const struct finding *finding = &found->at[i];

		print_error("%s %s: segment %u, %llu+%llu, key '%s': %s\n",
			    finding->is_damage ? "damage" : "note",
			    finding_kind_name(finding->kind),
			    finding->segment_id,
			    (unsigned long long)finding->off,
			    (unsigned long long)finding->len, found->keys[i],
			    finding->text);
	}
}

uint64_t rest_hash(struct simfs *fs)
{
	struct io *io = simfs_io(fs);
	size_t len;
	uint8_t *lock = NULL;
	uint64_t hash = kit_hash(io, REST_DIR);

	if (kit_exists(io, REST_DIR, "LOCK")) {
		lock = kit_read(io, REST_DIR, "LOCK", &len);
		hash ^= digest_fixed64(lock, len);
		free(lock);
	}
	return hash + kit_count(io, REST_DIR, "", "");
}

/* ---- for a test that has one such store ---- */

struct rest rest;

static int begin(bool killed)
{
	rest.fs = rest_new(killed);
	rest.io = simfs_io(rest.fs);
	return 0;
}

int rest_set_up(void **state)
{
	(void)state;
	return begin(false);
}

int rest_set_up_killed(void **state)
{
	(void)state;
	return begin(true);
}

int rest_tear_down(void **state)
{
	(void)state;
	assert_int_equal(simfs_n_open(rest.fs), 0);
	assert_int_equal(simfs_n_misused(rest.fs), 0);
	simfs_free(rest.fs);
	return 0;
}

struct simfs *rest_begin_case(void)
{
	struct simfs *before = rest.fs;

	rest.fs = simfs_clone(before);
	rest.io = simfs_io(rest.fs);
	return before;
}

void rest_end_case(struct simfs *before)
{
	assert_int_equal(simfs_n_open(rest.fs), 0);
	simfs_free(rest.fs);
	rest.fs = before;
	rest.io = simfs_io(before);
}

void rest_repair_it(void)
{
	uint64_t hash = rest_hash(rest.fs);

	rest_repair(rest.fs, &rest.found);
	assert_true(rest_hash(rest.fs) == hash);
	assert_int_equal(simfs_n_open(rest.fs), 0);
	if (rest.found.result != 0) {
		assert_true(rest.found.result < 0);
		assert_true(*rest.found.error.text);
	}
}

void rest_expect_done(void)
{
	struct rest_found again;

	if (rest.found.result != 0)
		rest_print(&rest.found);
	assert_int_equal(rest.found.result, 0);
	assert_false(kit_exists(rest.io, REST_NEWDIR, INVENTORY_UNFINISHED));
	rest_check(rest.fs, REST_NEWDIR, &again);
	if (again.n > 0)
		rest_print(&again);
	assert_int_equal(again.result, 0);
	assert_int_equal(again.n, 0);
}

static bool is_among(const char *key, const char *const *list)
{
	while (*list && strcmp(*list, key) != 0)
		list++;
	return *list != NULL;
}

void rest_expect_all_but(const char *const *lost)
{
	struct store *store = kit_open(rest.io, REST_NEWDIR);
	size_t n = 0;
	size_t i;

	for (i = 0; i < rest_n_newest; i++) {
		const char *key = rest_newest[i].key;
		const char *value =
			is_among(key, lost) ? NULL : rest_newest[i].value;

		kit_expect(store, key, value);
		n += value != NULL;
	}
	assert_int_equal(store_count(store), n);
	kit_close(store);
}

void rest_expect_all(void)
{
	static const char *const none[] = { NULL };

	rest_expect_all_but(none);
}

void rest_lose_manifests(const char *dir)
{
	kit_flip(rest.io, dir, "MANIFEST.0", 33, 4);
	kit_unlink(rest.io, dir, "MANIFEST.1");
}
