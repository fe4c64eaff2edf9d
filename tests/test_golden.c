/*
 * The golden stores (tests/golden/README): opened, checked and repaired.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/repair.h"
#include "tests/support/golden.h"
#include "tests/support/store_kit.h"
#include "tests/support/tempdir.h"

#define GOLDEN "tests/golden/v1"

struct golden {
	char *parent;
	char dir[KIT_PATH_MAX]; /* a copy */
	char new_dir[KIT_PATH_MAX];
	char expected[KIT_PATH_MAX];
};

struct copying {
	char from[KIT_PATH_MAX];
	const char *to;
};

static int copy_file(void *ctx, const char *name)
{
	const struct copying *copying = ctx;
	struct io *io = io_system();
	size_t len;
	uint8_t *data = kit_read(io, copying->from, name, &len);

	kit_write(io, copying->to, name, data, len);
	free(data);
	return 0;
}

static void begin(struct golden *golden, const char *name)
{
	struct io *io = io_system();
	struct copying copying = { .to = golden->dir };

	golden->parent = tempdir_new();
	kit_path(golden->parent, name, golden->dir);
	kit_path(golden->parent, "new", golden->new_dir);
	snprintf(golden->expected, sizeof(golden->expected), "%s/%s.expect",
		 GOLDEN, name);
	kit_path(GOLDEN, name, copying.from);
	assert_int_equal(io->mkdir(io, golden->dir), 0);
	assert_int_equal(io->list(io, copying.from, copy_file, &copying), 0);
}

static void print(void *ctx, const struct finding *finding)
{
	(void)ctx;
	print_message("%s: segment %u, %llu: %s\n",
		      finding_kind_name(finding->kind), finding->segment_id,
		      (unsigned long long)finding->off, finding->text);
}

static struct check_report check(const char *dir)
{
	const struct check_options options = { .dir = dir, .finding = print };
	struct check_report report;
	struct store_error error;

	assert_int_equal(check_run(&options, &report, &error), 0);
	assert_int_equal(report.n_damaged, 0);
	return report;
}

static void repair(const struct golden *golden)
{
	const struct repair_options options = { .dir = golden->dir,
						.new_dir = golden->new_dir };
	struct repair_report report;
	struct store_error error;

	assert_int_equal(repair_run(&options, &report, &error), 0);
	assert_int_equal(report.n_damaged, 0);
	assert_int_equal(report.n_lost + report.n_unknown, 0);
}

/* N_NOTES: of the first check. */
static void go_through(const char *name, bool unclean, unsigned n_notes)
{
	struct golden golden;
	struct check_report report;

	begin(&golden, name);
	report = check(golden.dir);
	assert_int_equal(report.unclean, unclean);
	assert_int_equal(report.n_notes, n_notes);
	repair(&golden);
	golden_expect(golden.new_dir, golden.expected);
	golden_expect(golden.dir, golden.expected);
	report = check(golden.dir);
	assert_false(report.unclean);
	/* and once more, from what this version has made of it */
	golden_expect(golden.dir, golden.expected);
	tempdir_free(golden.parent);
}

static void test_a_store_that_was_stopped_cleanly(void **state)
{
	(void)state;
	go_through("clean", false, 0);
}

static void test_a_store_that_was_killed(void **state)
{
	(void)state;
	go_through("killed", true, 1);
}

static void test_a_store_that_was_cleared(void **state)
{
	(void)state;
	go_through("cleared", false, 0);
}

static void test_a_store_that_was_compacted(void **state)
{
	(void)state;
	go_through("compacted", false, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_store_that_was_stopped_cleanly),
		cmocka_unit_test(test_a_store_that_was_killed),
		cmocka_unit_test(test_a_store_that_was_cleared),
		cmocka_unit_test(test_a_store_that_was_compacted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
