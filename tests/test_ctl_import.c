/*
 * import against a library that is scripted here: what is submitted, in which
 * order, how much of it at a time, and what is told when something fails.
 */
#include "client/ctl_import.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka wants a few of the above */
#include <cmocka.h>

enum {
	REQUESTS_MAX = 4096,
};

struct getme {
	int unused;
};

struct getme_batch {
	size_t n;
	size_t n_bytes;
};

/* One request as it was submitted. */
struct request {
	size_t n_records;
	int result;
	int64_t expires_at_ms; /* of a put alone */
	enum getme_durability durability;
};

static struct {
	struct getme handle;
	struct getme_batch batch;
	struct request requests[REQUESTS_MAX];
	size_t n_submitted;
	size_t n_collected;
	size_t most_pending;
	size_t value_max;    /* the daemon's limit; 0: none */
	size_t n_over_limit; /* values over it that were pending with others */
	size_t fail_at;	     /* the request that gets fail_result, from 1 */
	int fail_result;
	size_t submit_fails_at;
	size_t silent_at; /* from which request on no answer comes; 0: none */
	int open_result;
} fake;

/* ---- the library ---- */

int getme_open(const struct getme_options *options, struct getme **handle,
	       char *error_text, size_t error_len)
{
	(void)options;
	if (fake.open_result != 0)
		snprintf(error_text, error_len, "no daemon at all");
	else
		*handle = &fake.handle;
	return fake.open_result;
}

const char *getme_strerror(int result)
{
	return result == 0 ? "fine" : "some error";
}

const char *getme_last_error(const struct getme *handle)
{
	(void)handle;
	return "the reason";
}

int getme_batch_new(struct getme_batch **batch)
{
	*batch = &fake.batch;
	return 0;
}

void getme_batch_free(struct getme_batch *batch)
{
	(void)batch;
}

void getme_batch_reset(struct getme_batch *batch)
{
	batch->n = 0;
	batch->n_bytes = 0;
}

int getme_batch_put(struct getme_batch *batch, const void *key, size_t key_len,
		    const void *value, size_t value_len,
		    const struct getme_write_options *options)
{
	(void)key;
	(void)value;
	(void)options;
	if (fake.value_max && value_len > fake.value_max)
		fake.n_over_limit++;
	batch->n++;
	batch->n_bytes += key_len + value_len;
	return 0;
}

static int submit(size_t n_records, size_t value_len, int64_t expires_at_ms,
		  enum getme_durability durability)
{
	struct request *request = &fake.requests[fake.n_submitted];

	assert_true(fake.n_submitted < REQUESTS_MAX);
	if (fake.submit_fails_at == fake.n_submitted + 1)
		return GETME_E_NO_DAEMON;
	request->n_records = n_records;
	request->expires_at_ms = expires_at_ms;
	request->durability = durability;
	if (fake.value_max && value_len > fake.value_max) {
		request->result = GETME_E_TOO_LARGE;
		if (fake.n_submitted > fake.n_collected)
			fake.n_over_limit++;
	}
	fake.n_submitted++;
	if (fake.fail_at == fake.n_submitted)
		request->result = fake.fail_result;
	if (fake.n_submitted - fake.n_collected > fake.most_pending)
		fake.most_pending = fake.n_submitted - fake.n_collected;
	return 0;
}

int getme_submit_put(struct getme *handle, const void *key, size_t key_len,
		     const void *value, size_t value_len,
		     const struct getme_write_options *options, void *tag)
{
	(void)handle;
	(void)key;
	(void)key_len;
	(void)value;
	(void)tag;
	return submit(1, value_len, options->expires_at_ms,
		      options->durability);
}

int getme_submit_batch(struct getme *handle, const struct getme_batch *batch,
		       const struct getme_write_options *options, void *tag)
{
	(void)handle;
	(void)tag;
	return submit(batch->n, 0, 0, options->durability);
}

/* Without waiting there is never an answer yet: all pipelines fill up. */
int getme_collect(struct getme *handle, int wait, struct getme_answer *answer)
{
	(void)handle;
	if (fake.n_collected == fake.n_submitted)
		return GETME_END;
	if (!wait)
		return -EAGAIN;
	if (fake.silent_at && fake.n_collected + 1 >= fake.silent_at)
		return GETME_E_TIMEOUT;
	memset(answer, 0, sizeof(*answer));
	answer->result = fake.requests[fake.n_collected].result;
	fake.n_collected++;
	return 0;
}

/* ---- running it ---- */

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	return 0;
}

static uint64_t n_stored(void)
{
	uint64_t n = 0;

	for (size_t i = 0; i < fake.n_submitted; i++)
		if (fake.requests[i].result == 0)
			n += fake.requests[i].n_records;
	return n;
}

/* Imports the file INPUT; SAYS has to be in what goes to stderr. */
static void check_import_of(int input, enum ctl_status status, const char *says)
{
	static const struct ctl_command command = { .name = "import" };
	int saved = dup(STDERR_FILENO);
	int error = memfd_create("stderr", MFD_CLOEXEC);
	struct ctl ctl = { .command = &command };
	char path[64];
	char *operands[] = { path, NULL };
	char said[4096];
	enum ctl_status got;
	ssize_t n;

	assert_true(saved >= 0 && error >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", input);
	ctl_options_init(&ctl.options);
	ctl.options.durability = GETME_NONE;
	ctl.operands = operands;
	ctl.n_operands = 1;
	fflush(stderr);
	assert_true(dup2(error, STDERR_FILENO) >= 0);
	got = ctl_import(&ctl);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	n = pread(error, said, sizeof(said) - 1, 0);
	assert_true(n >= 0);
	said[n] = '\0';
	close(saved);
	close(error);
	assert_int_equal(got, status);
	if (!strstr(said, says))
		fail_msg("'%s' has no '%s'", said, says);
	assert_ptr_equal(strchr(said, '\n'), said + n - 1);
}

static void check_import(const char *text, enum ctl_status status,
			 const char *says)
{
	int input = memfd_create("input", MFD_CLOEXEC);
	ssize_t n = (ssize_t)strlen(text);

	assert_true(input >= 0);
	assert_true(write(input, text, (size_t)n) == n);
	check_import_of(input, status, says);
	close(input);
}

/* Adds a line with a value of LEN letters to *TEXT. */
static void add_line(FILE *text, size_t len)
{
	fputs("{\"key\":\"k\",\"value\":\"", text);
	for (size_t i = 0; i < len; i++)
		putc('v', text);
	fputs("\"}\n", text);
}

/* N lines with values of LEN letters and then TAIL; free() it. */
static char *lines(size_t n, size_t len, const char *tail)
{
	char *text = NULL;
	size_t text_len;
	FILE *out = open_memstream(&text, &text_len);

	assert_non_null(out);
	for (size_t i = 0; i < n; i++)
		add_line(out, len);
	fputs(tail, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void check_lines(size_t n, size_t len, const char *tail,
			enum ctl_status status, const char *says)
{
	char *text = lines(n, len, tail);

	check_import(text, status, says);
	free(text);
}

static void test_every_record_is_submitted(void **state)
{
	(void)state;
	check_lines(5000, 10, "", CTL_DONE, "5000 records imported\n");
	assert_true(n_stored() == 5000);
	assert_true(fake.n_collected == fake.n_submitted);
	assert_true(fake.n_submitted < 50);
	for (size_t i = 0; i < fake.n_submitted; i++)
		assert_int_equal(fake.requests[i].durability, GETME_NONE);
}

static void test_nothing_is_fine(void **state)
{
	(void)state;
	check_import("", CTL_DONE, "0 records imported\n");
	check_import("\n \n\r\n", CTL_DONE, "0 records imported\n");
	assert_true(fake.n_submitted == 0);
}

static void test_several_requests_are_under_way_but_not_many(void **state)
{
	(void)state;
	check_lines(10000, 10, "", CTL_DONE, "10000 records");
	assert_true(fake.most_pending > 1 && fake.most_pending <= 8);
}

static void test_large_values_go_alone(void **state)
{
	(void)state;
	check_lines(3, (1 << 20) + 1, "", CTL_DONE, "3 records");
	assert_true(fake.n_submitted == 3);
	assert_true(fake.most_pending == 1);
}

static void test_expiry_goes_along(void **state)
{
	(void)state;
	check_import("{\"key\":\"k\",\"value\":\"v\",\"expires_at\":5}\n",
		     CTL_DONE, "1 records");
	assert_true(fake.requests[0].expires_at_ms == 5);
}

static void test_a_bad_line_is_named_and_what_precedes_is_stored(void **state)
{
	(void)state;
	check_lines(999, 10, "{\"key\":\"k\"}\n{\"key\":\"l\",\"value\":\"\"}",
		    CTL_USAGE,
		    "getmectl: import: line 1000: no \"value\"; 999 records "
		    "before it are stored\n");
	assert_true(n_stored() == 999);
	assert_true(fake.n_collected == fake.n_submitted);
}

static void test_blank_lines_count_as_lines(void **state)
{
	(void)state;
	check_import("\n\n{\"key\":\"k\",\"value\":\"v\"}\n\nx\n", CTL_USAGE,
		     "line 5: not valid JSON");
	assert_true(n_stored() == 1);
}

static void test_a_last_line_without_newline_counts(void **state)
{
	(void)state;
	check_import("{\"key\":\"k\",\"value\":\"v\"}\n"
		     "{\"key\":\"l\",\"value\":\"v\"}",
		     CTL_DONE, "2 records imported");
	assert_true(n_stored() == 2);
}

/* A refused value must not meet later ones that are already stored. */
static void test_a_value_over_the_daemons_limit_is_a_bad_line(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	fake.value_max = 100;
	assert_non_null(out);
	for (size_t i = 0; i < 2000; i++)
		add_line(out, i == 1500 ? 101 : i % 101);
	assert_int_equal(fclose(out), 0);
	check_import(text, CTL_USAGE,
		     "import: line 1501: the reason; 1500 records before it "
		     "are stored\n");
	assert_true(n_stored() == 1500);
	assert_true(fake.n_over_limit == 0);
	free(text);
}

static void check_failure(int result, enum ctl_status status)
{
	setup(NULL);
	fake.fail_at = 3; /* the first line alone, 256 records, then these */
	fake.fail_result = result;
	check_lines(5000, 10, "", status,
		    "import: lines 258 to 513: the reason; 257 records before "
		    "it are stored, and ");
	assert_true(fake.n_submitted <= 3 + 8);
	assert_true(fake.n_collected == fake.n_submitted);
}

static void test_a_failure_midway_ends_it(void **state)
{
	(void)state;
	check_failure(GETME_E_FULL, CTL_ERROR);
	check_failure(GETME_E_READ_ONLY, CTL_ERROR);
	check_failure(GETME_E_NOT_ALLOWED, CTL_NOT_ALLOWED);
	check_failure(GETME_E_UNKNOWN_OUTCOME, CTL_UNKNOWN);
}

static void test_no_answer_is_an_unknown_outcome(void **state)
{
	(void)state;
	fake.silent_at = 3;
	check_lines(5000, 10, "", CTL_UNKNOWN,
		    "lines 258 to 513: the reason; 257 records before it are "
		    "stored\n");
}

static void test_a_submission_that_fails_ends_it(void **state)
{
	(void)state;
	fake.submit_fails_at = 4;
	check_lines(5000, 10, "", CTL_NO_DAEMON,
		    "lines 514 to 769: the reason; 513 records before it are "
		    "stored\n");
	assert_true(n_stored() == 513);
}

static void test_a_failure_in_what_precedes_a_bad_line_comes_first(void **state)
{
	(void)state;
	fake.fail_at = 2;
	fake.fail_result = GETME_E_FULL;
	check_lines(10, 10, "x\n", CTL_ERROR,
		    "lines 2 to 10: the reason; 1 records before it are "
		    "stored\n");
}

/* It neither keeps a record until more come, nor waits for more after that. */
static void test_a_slow_producer_is_told_of_a_failure_at_once(void **state)
{
	static const char text[] = "{\"key\":\"k\",\"value\":\"v\"}\n"
				   "{\"key\":\"k\",\"value\":\"v\"}\n";
	ssize_t len = (ssize_t)strlen(text);
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_true(write(fds[1], text, (size_t)len) == len);
	fake.fail_at = 2;
	fake.fail_result = GETME_E_FULL;
	check_import_of(fds[0], CTL_ERROR,
			"line 2: the reason; 1 records before it are stored\n");
	close(fds[0]);
	close(fds[1]);
}

static void test_no_daemon_is_told(void **state)
{
	(void)state;
	fake.open_result = GETME_E_NO_DAEMON;
	check_lines(1, 1, "", CTL_NO_DAEMON, "getmectl: no daemon at all\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_record_is_submitted, setup),
		cmocka_unit_test_setup(test_nothing_is_fine, setup),
		cmocka_unit_test_setup(
			test_several_requests_are_under_way_but_not_many,
			setup),
		cmocka_unit_test_setup(test_large_values_go_alone, setup),
		cmocka_unit_test_setup(test_expiry_goes_along, setup),
		cmocka_unit_test_setup(
			test_a_bad_line_is_named_and_what_precedes_is_stored,
			setup),
		cmocka_unit_test_setup(test_blank_lines_count_as_lines, setup),
		cmocka_unit_test_setup(test_a_last_line_without_newline_counts,
				       setup),
		cmocka_unit_test_setup(
			test_a_value_over_the_daemons_limit_is_a_bad_line,
			setup),
		cmocka_unit_test_setup(test_a_failure_midway_ends_it, setup),
		cmocka_unit_test_setup(test_no_answer_is_an_unknown_outcome,
				       setup),
		cmocka_unit_test_setup(test_a_submission_that_fails_ends_it,
				       setup),
		cmocka_unit_test_setup(
			test_a_failure_in_what_precedes_a_bad_line_comes_first,
			setup),
		cmocka_unit_test_setup(
			test_a_slow_producer_is_told_of_a_failure_at_once,
			setup),
		cmocka_unit_test_setup(test_no_daemon_is_told, setup),
	};

	return cmocka_run_group_tests_name("ctl_import", tests, NULL, NULL);
}
