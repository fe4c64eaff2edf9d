/*
 * compact and backup: long calls, and how far they are.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

static struct message_bytes bytes(const char *text)
{
	return (struct message_bytes){ text, strlen(text) };
}

/* Every stats says 3 of 4 for the one, 5 of 6 for the other. */
static void tell_progress(struct fake_server *server)
{
	static const struct {
		const char *name;
		uint64_t value;
	} rows[] = { { "compact_done_bytes", 3 },
		     { "compact_total_bytes", 4 },
		     { "backup_done_bytes", 5 },
		     { "backup_total_bytes", 6 } };
	static struct message_stat stats[4];
	struct fake_rule rule = { .method = METHOD_STATS, .act = FAKE_REPLY };

	for (size_t i = 0; i < 4; i++) {
		stats[i].name = bytes(rows[i].name);
		stats[i].kind = MESSAGE_STAT_GAUGE;
		stats[i].value = rows[i].value;
	}
	rule.reply.stats = stats;
	rule.reply.n_stats = 4;
	fake_server_rule(server, rule);
}

struct seen {
	struct fake_server *server;
	unsigned int n;
	uint64_t done;
	uint64_t total;
};

/* The task may end when it has been told twice. */
static void progress(void *ctx, uint64_t done, uint64_t total)
{
	struct seen *seen = ctx;

	seen->done = done;
	seen->total = total;
	if (++seen->n == 2)
		fake_server_release(seen->server);
}

static void hold(struct fake_server *server, enum method_id method)
{
	fake_server_rule(server, (struct fake_rule){ .method = method,
						     .act = FAKE_HOLD,
						     .times = 1 });
}

static void test_both_are_asked_for_once(void **state)
{
	struct client_fixture *fixture = *state;

	assert_int_equal(getme_compact(fixture->handle, NULL), 0);
	assert_int_equal(getme_backup(fixture->handle, "/backup", NULL), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_COMPACT), 1);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_BACKUP), 1);
	assert_int_equal(fake_server_connections(fixture->server), 1);
}

static void test_compact_tells_how_far_it_is(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_compact_options options = GETME_COMPACT_OPTIONS_INIT;
	struct seen seen = { .server = fixture->server };

	tell_progress(fixture->server);
	hold(fixture->server, METHOD_COMPACT);
	options.progress = progress;
	options.progress_ctx = &seen;
	assert_int_equal(getme_compact(fixture->handle, &options), 0);
	assert_true(seen.n >= 2);
	assert_int_equal(seen.done, 3);
	assert_int_equal(seen.total, 4);
	/* The handle is as before, the second connection is gone. */
	assert_int_equal(getme_ping(fixture->handle), 0);
	fake_server_await_closed(fixture->server, 1);
	assert_int_equal(fake_server_connections(fixture->server), 2);
}

static void test_backup_tells_how_far_it_is(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_backup_options options = GETME_BACKUP_OPTIONS_INIT;
	struct seen seen = { .server = fixture->server };

	tell_progress(fixture->server);
	hold(fixture->server, METHOD_BACKUP);
	options.progress = progress;
	options.progress_ctx = &seen;
	assert_int_equal(getme_backup(fixture->handle, "/b", &options), 0);
	assert_int_equal(seen.done, 5);
	assert_int_equal(seen.total, 6);
}

/* They take as long as they take, whatever the handle's deadline. */
static void test_the_handles_deadline_is_not_theirs(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_compact_options options = GETME_COMPACT_OPTIONS_INIT;
	struct seen seen = { .server = fixture->server };

	tell_progress(fixture->server);
	hold(fixture->server, METHOD_COMPACT);
	options.progress = progress;
	options.progress_ctx = &seen;
	assert_int_equal(getme_set_timeout(fixture->handle, 100), 0);
	/* Two tells are at least 400 ms. */
	assert_int_equal(getme_compact(fixture->handle, &options), 0);
	assert_true(seen.n >= 2);
}

static void test_their_own_deadline_leaves_the_outcome_open(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_backup_options options = GETME_BACKUP_OPTIONS_INIT;

	hold(fixture->server, METHOD_BACKUP);
	options.timeout_ms = FIXTURE_SHORT_MS;
	assert_int_equal(getme_backup(fixture->handle, "/b", &options),
			 GETME_E_UNKNOWN_OUTCOME);
	fake_server_release(fixture->server);
	assert_int_equal(getme_ping(fixture->handle), 0);
}

static void test_a_lost_one_is_not_sent_again(void **state)
{
	struct client_fixture *fixture = *state;

	fake_server_rule(fixture->server,
			 (struct fake_rule){ .method = METHOD_BACKUP,
					     .act = FAKE_LOSE,
					     .times = 1 });
	assert_int_equal(getme_backup(fixture->handle, "/b", NULL),
			 GETME_E_UNKNOWN_OUTCOME);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_BACKUP), 1);
}

static void test_what_the_daemon_says_is_passed_on(void **state)
{
	struct client_fixture *fixture = *state;

	fake_server_rule(fixture->server,
			 (struct fake_rule){ .method = METHOD_BACKUP,
					     .act = FAKE_ERROR,
					     .code = MESSAGE_ERROR_BAD_PARAMS,
					     .text = "/b is not empty" });
	assert_int_equal(getme_backup(fixture->handle, "/b", NULL),
			 GETME_E_BAD_REQUEST);
	assert_non_null(
		strstr(getme_last_error(fixture->handle), "/b is not empty"));
}

static void test_bad_arguments(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_compact_options compact = GETME_COMPACT_OPTIONS_INIT;
	struct getme_backup_options backup = GETME_BACKUP_OPTIONS_INIT;
	char *far = malloc(4097);

	assert_non_null(far);
	memset(far, '/', 4096);
	far[4096] = '\0';
	assert_int_equal(getme_compact(NULL, NULL), -EINVAL);
	assert_int_equal(getme_backup(NULL, "/b", NULL), -EINVAL);
	assert_int_equal(getme_backup(fixture->handle, NULL, NULL), -EINVAL);
	assert_int_equal(getme_backup(fixture->handle, "", NULL), -EINVAL);
	assert_int_equal(getme_backup(fixture->handle, "b", NULL), -EINVAL);
	assert_int_equal(getme_backup(fixture->handle, far, NULL), -EINVAL);
	compact.timeout_ms = -2;
	backup.size = 1;
	assert_int_equal(getme_compact(fixture->handle, &compact), -EINVAL);
	assert_int_equal(getme_backup(fixture->handle, "/b", &backup), -EINVAL);
	assert_int_equal(fake_server_seen(fixture->server, FAKE_ANY), 0);
	free(far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_are_asked_for_once),
		TEST(test_compact_tells_how_far_it_is),
		TEST(test_backup_tells_how_far_it_is),
		TEST(test_the_handles_deadline_is_not_theirs),
		TEST(test_their_own_deadline_leaves_the_outcome_open),
		TEST(test_a_lost_one_is_not_sent_again),
		TEST(test_what_the_daemon_says_is_passed_on),
		TEST(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
