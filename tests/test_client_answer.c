#include "client/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/deadline.h"
#include "client/session.h"
#include "tests/support/pair_handle.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, pair_handle_setup,               \
					pair_handle_teardown)

/* The first request, a METHOD that names N keys, gets this reply. */
static int decode(struct pair_handle *pair, enum method_id method, size_t n,
		  const struct message_reply *answer,
		  struct message_reply *reply)
{
	struct message_request request = pair_handle_request(method);
	struct message_op op = { .key = { "k", 1 }, .value = { "v", 1 } };
	struct ticket ticket;

	request.keys = &request.key;
	request.n_keys = 1;
	request.ops = &op;
	request.n_ops = 1;
	pair_handle_answer(pair, method, answer);
	session_exchange(pair->handle, &request, n, DEADLINE_NOW, &ticket);
	return answer_decode(pair->handle, &ticket, reply);
}

/* ---- replies ---- */

static void test_a_reply_is_decoded(void **state)
{
	struct pair_handle *pair = *state;
	const struct message_reply answer = { .id = 1, .count = 42 };
	struct message_reply reply;

	assert_int_equal(decode(pair, METHOD_COUNT, 0, &answer, &reply), 0);
	assert_int_equal(reply.count, 42);
	message_reply_deinit(&reply);
}

static void test_an_error_is_the_result_with_its_text(void **state)
{
	struct pair_handle *pair = *state;
	const struct message_reply answer = {
		.id = 1,
		.error = { .code = MESSAGE_ERROR_FULL, .text = "3 bytes left" },
	};
	struct message_reply reply;

	assert_int_equal(decode(pair, METHOD_PUT, 1, &answer, &reply),
			 GETME_E_FULL);
	assert_non_null(strstr(getme_last_error(pair->handle), "3 bytes left"));
	assert_true(pair->handle->transport.fd >= 0);
}

static void test_an_error_without_a_text_has_the_results(void **state)
{
	struct pair_handle *pair = *state;
	const struct message_reply answer = {
		.id = 1,
		.error = { .code = MESSAGE_ERROR_IO },
	};
	struct message_reply reply;

	assert_int_equal(decode(pair, METHOD_PUT, 1, &answer, &reply),
			 GETME_E_IO);
	assert_string_equal(getme_last_error(pair->handle),
			    getme_strerror(GETME_E_IO));
}

static void test_a_request_without_a_reply_keeps_its_result(void **state)
{
	struct pair_handle *pair = *state;
	const struct ticket ticket = { .state = TICKET_FAILED,
				       .method = METHOD_GET,
				       .result = GETME_E_DISCONNECTED };
	struct message_reply reply;

	assert_int_equal(answer_decode(pair->handle, &ticket, &reply),
			 GETME_E_DISCONNECTED);
}

static void test_another_number_of_items_ends_the_connection(void **state)
{
	struct pair_handle *pair = *state;
	struct message_item item = { .kind = MESSAGE_ITEM_MISSING };
	const struct message_reply answer = { .id = 1,
					      .items = &item,
					      .n_items = 1 };
	struct message_reply reply;

	assert_int_equal(decode(pair, METHOD_GET_MANY, 2, &answer, &reply),
			 GETME_E_PROTOCOL);
	assert_int_equal(pair->handle->transport.fd, -1);
	assert_non_null(strstr(getme_last_error(pair->handle), "get_many"));
}

/* It was carried out, or not: nobody can tell. */
static void test_a_batchs_answer_that_does_not_fit_is_unknown(void **state)
{
	struct pair_handle *pair = *state;
	const struct message_reply answer = { .id = 1,
					      .condition_failed = true,
					      .failed_index = 1 };
	struct message_reply reply;

	assert_int_equal(decode(pair, METHOD_BATCH, 1, &answer, &reply),
			 GETME_E_UNKNOWN_OUTCOME);
	assert_int_equal(pair->handle->transport.fd, -1);
}

static void test_a_batchs_answer_names_one_of_its_operations(void **state)
{
	struct pair_handle *pair = *state;
	const struct message_reply answer = { .id = 1,
					      .condition_failed = true,
					      .failed_index = 1 };
	struct message_reply reply;

	assert_int_equal(decode(pair, METHOD_BATCH, 2, &answer, &reply), 0);
	assert_int_equal(reply.failed_index, 1);
	message_reply_deinit(&reply);
}

/* ---- values ---- */

static void test_a_value_with_version_and_expiry(void **state)
{
	const struct message_item item = { .kind = MESSAGE_ITEM_FOUND,
					   .value = { "value", 5 },
					   .version = 7,
					   .expires_at_ms = 1234 };
	struct getme_value value;

	(void)state;
	assert_int_equal(answer_value(&item, &value), 0);
	assert_int_equal(value.len, 5);
	assert_memory_equal(value.data, "value", 5);
	assert_int_equal(value.version, 7);
	assert_int_equal(value.expires_at_ms, 1234);
}

static void test_values_that_are_empty_and_for_ever(void **state)
{
	struct message_item item = { .kind = MESSAGE_ITEM_FOUND,
				     .value = { "", 0 },
				     .version = 1 };
	struct getme_value value;

	(void)state;
	assert_int_equal(answer_value(&item, &value), 0);
	assert_null(value.data);
	assert_int_equal(value.len, 0);
	assert_true(value.expires_at_ms == -1);
	item.expires_at_ms = UINT64_MAX;
	assert_int_equal(answer_value(&item, &value), 0);
	assert_true(value.expires_at_ms == INT64_MAX);
}

static void test_what_is_no_value_leaves_the_output_alone(void **state)
{
	const struct message_item missing = { .kind = MESSAGE_ITEM_MISSING };
	const struct message_item damaged = { .kind = MESSAGE_ITEM_ERROR,
					      .error_code =
						      MESSAGE_ERROR_CORRUPT };
	struct getme_value value = { .version = 99 };

	(void)state;
	assert_int_equal(answer_value(&missing, &value), GETME_NOT_FOUND);
	assert_int_equal(answer_value(&damaged, &value), GETME_E_CORRUPT);
	assert_int_equal(value.version, 99);
}

static void test_stat_gives_the_size_for_the_length(void **state)
{
	struct message_item item = { .kind = MESSAGE_ITEM_FOUND,
				     .size = 1000,
				     .version = 1 };
	struct message_reply reply = { .items = &item, .n_items = 1 };
	struct getme_value value;

	(void)state;
	assert_int_equal(answer_get(METHOD_STAT, &reply, &value), 0);
	assert_int_equal(value.len, 1000);
	assert_null(value.data);
	assert_int_equal(answer_get(METHOD_GET, &reply, &value), 0);
	assert_int_equal(value.len, 0);
	reply.missing = true;
	assert_int_equal(answer_get(METHOD_GET, &reply, &value),
			 GETME_NOT_FOUND);
}

/* ---- writes ---- */

static void test_each_write_tells_its_own_members(void **state)
{
	const struct message_reply reply = {
		.version = 5,
		.count = 3,
		.number = -8,
		.durability = MESSAGE_DURABILITY_ALWAYS,
	};
	struct getme_written written;

	(void)state;
	assert_int_equal(answer_written(METHOD_PUT, &reply, &written), 0);
	assert_int_equal(written.version, 5);
	assert_int_equal(written.deleted, 0);
	assert_int_equal(written.durability, GETME_ALWAYS);
	assert_int_equal(answer_written(METHOD_DELETE, &reply, &written), 0);
	assert_int_equal(written.version, 0);
	assert_int_equal(written.deleted, 3);
	assert_int_equal(answer_written(METHOD_INCR, &reply, &written), 0);
	assert_int_equal(written.version, 5);
	assert_true(written.number == -8);
	assert_int_equal(answer_written(METHOD_BATCH, &reply, &written), 0);
	assert_int_equal(written.version, 0);
	assert_int_equal(answer_written(METHOD_PUT, &reply, NULL), 0);
}

static void test_each_durability_is_told(void **state)
{
	static const struct {
		enum message_durability on_wire;
		enum getme_durability told;
	} rows[] = {
		{ MESSAGE_DURABILITY_DEFAULT, GETME_DEFAULT },
		{ MESSAGE_DURABILITY_NONE, GETME_NONE },
		{ MESSAGE_DURABILITY_INTERVAL, GETME_INTERVAL },
		{ MESSAGE_DURABILITY_ALWAYS, GETME_ALWAYS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct message_reply reply = { .durability =
							     rows[i].on_wire };
		struct getme_written written;

		assert_int_equal(answer_written(METHOD_PUT, &reply, &written),
				 0);
		assert_int_equal(written.durability, rows[i].told);
	}
}

static void test_a_write_that_was_not_done_says_why(void **state)
{
	const struct message_reply missing = { .missing = true };
	const struct message_reply failed = { .condition_failed = true,
					      .failed_index = 4 };
	struct getme_written written = { .version = 99 };

	(void)state;
	assert_int_equal(answer_written(METHOD_TOUCH, &missing, &written),
			 GETME_NOT_FOUND);
	assert_int_equal(answer_written(METHOD_PUT, &missing, &written),
			 GETME_CONDITION);
	assert_int_equal(answer_written(METHOD_DELETE, &missing, &written),
			 GETME_CONDITION);
	assert_int_equal(answer_written(METHOD_BATCH, &failed, &written),
			 GETME_CONDITION);
	assert_int_equal(written.failed_index, 4);
	assert_int_equal(written.version, 99);
	assert_int_equal(answer_written(METHOD_BATCH, &failed, NULL),
			 GETME_CONDITION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_reply_is_decoded),
		TEST(test_an_error_is_the_result_with_its_text),
		TEST(test_an_error_without_a_text_has_the_results),
		TEST(test_a_request_without_a_reply_keeps_its_result),
		TEST(test_another_number_of_items_ends_the_connection),
		TEST(test_a_batchs_answer_that_does_not_fit_is_unknown),
		TEST(test_a_batchs_answer_names_one_of_its_operations),
		cmocka_unit_test(test_a_value_with_version_and_expiry),
		cmocka_unit_test(test_values_that_are_empty_and_for_ever),
		cmocka_unit_test(test_what_is_no_value_leaves_the_output_alone),
		cmocka_unit_test(test_stat_gives_the_size_for_the_length),
		cmocka_unit_test(test_each_write_tells_its_own_members),
		cmocka_unit_test(test_each_durability_is_told),
		cmocka_unit_test(test_a_write_that_was_not_done_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
