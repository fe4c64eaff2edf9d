/* Most of it shows in test_ctl_check; here is what a whole store has not. */
#include "client/ctl_finding.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ctl_run.h"

static const struct finding notes[] = {
	{ .kind = FINDING_LOCK, .text = "of no segment" },
	{ .kind = FINDING_HINT, .segment_id = 7, .text = "of no place" },
	{ .kind = FINDING_LOST,
	  .segment_id = 7,
	  .off = 64,
	  .len = 48,
	  .key = "k",
	  .key_len = 1,
	  .text = "gone" },
};

static int result;

static enum ctl_status print_notes(struct ctl *ctl)
{
	struct ctl_finding shown;
	size_t i;

	ctl_finding_init(&shown, ctl, "looked at");
	for (i = 0; i < 3; i++)
		ctl_finding_print(&shown, &notes[i]);
	ctl_finding_progress(&shown, 1, 2);
	if (result < 0)
		return ctl_finding_fail(&shown, ctl, result, "it failed");
	return CTL_DONE;
}

static const struct ctl_command command = { .name = "look",
					    .run = print_notes };

static void test_what_there_is_to_tell_is_told(void **state)
{
	struct ctl_run *run = *state;

	result = 0;
	assert_int_equal(ctl_run(run, &command, NULL), CTL_DONE);
	assert_string_equal(run->out,
			    "note: of no segment\n"
			    "note: segment 7: of no place\n"
			    "left out: segment 7, offset 64, 48 bytes, "
			    "\"key\":\"k\": gone\n");
	/* stderr is no terminal here */
	assert_string_equal(run->err, "");
}

static void test_members_that_do_not_apply_are_left_out(void **state)
{
	struct ctl_run *run = *state;

	result = 0;
	run->ctl.options.json = true;
	assert_int_equal(ctl_run(run, &command, NULL), CTL_DONE);
	assert_string_equal(
		run->out,
		"{\"finding\":\"lock\",\"damage\":false,"
		"\"text\":\"of no segment\"}\n"
		"{\"finding\":\"hint\",\"damage\":false,\"segment\":7,"
		"\"text\":\"of no place\"}\n"
		"{\"finding\":\"lost\",\"damage\":false,\"segment\":7,"
		"\"offset\":64,\"length\":48,\"key\":\"k\","
		"\"text\":\"gone\"}\n");
}

static void test_what_is_not_allowed_has_its_own_status(void **state)
{
	static const int not_allowed[] = { -EWOULDBLOCK, -EACCES, -EPERM };
	struct ctl_run *run = *state;
	size_t i;

	for (i = 0; i < 3; i++) {
		result = not_allowed[i];
		assert_int_equal(ctl_run(run, &command, NULL), CTL_NOT_ALLOWED);
		assert_string_equal(run->err, "getmectl: look: it failed\n");
	}
	result = -EIO;
	assert_int_equal(ctl_run(run, &command, NULL), CTL_ERROR);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, ctl_run_setup, ctl_run_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_there_is_to_tell_is_told),
		TEST(test_members_that_do_not_apply_are_left_out),
		TEST(test_what_is_not_allowed_has_its_own_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
