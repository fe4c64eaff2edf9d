/* What the decoder of replies takes and refuses from any server. */
#include "proto/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/support/msgpack_text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct fault {
	enum method_id method;
	const char *body;
	const char *text;
};

static struct message_decoder *decoder;

static int setup(void **state)
{
	(void)state;
	decoder = message_decoder_new();
	return decoder ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	message_decoder_free(decoder);
	return 0;
}

/* Decodes the body in BUFFER, which must outlive REPLY. */
static int decode(struct buffer *buffer, enum method_id method,
		  const char *text, struct message_reply *reply,
		  struct message_error *error)
{
	buffer->len = 0;
	msgpack_text_pack(buffer, text);
	return message_decode_reply(decoder, method, buffer->data, buffer->len,
				    reply, error);
}

static void check_faults(const struct fault *faults, size_t n)
{
	struct buffer buffer = { 0 };
	struct message_reply reply;
	struct message_error error;
	size_t i;

	for (i = 0; i < n; i++) {
		assert_int_equal(decode(&buffer, faults[i].method,
					faults[i].body, &reply, &error),
				 -EPROTO);
		assert_string_equal(error.text, faults[i].text);
		assert_int_equal(error.code, MESSAGE_ERROR_BAD_MESSAGE);
		assert_null(reply.items);
	}
	buffer_deinit(&buffer);
}

static void test_what_is_no_reply(void **state)
{
	static const struct fault faults[] = {
		{ METHOD_PING, "nil",
		  "reply to ping: an array of 4 was expected" },
		{ METHOD_PING, "[1, 7, nil]",
		  "reply to ping: an array of 4 was expected" },
		{ METHOD_PING, "[0, 7, nil, nil]",
		  "reply to ping: type is out of its range" },
		{ METHOD_PING, "[1, 4294967296, nil, nil]",
		  "reply to ping: id is out of its range" },
		{ METHOD_PING, "[1, -1, nil, nil]",
		  "reply to ping: id must be an unsigned integer, not a "
		  "negative integer" },
		{ METHOD_PING, "[1, 7, nil, 1]",
		  "reply to ping: nil was expected" },
		{ METHOD_PING, "[1, 7, [4, 'x', 'y'], 1]",
		  "reply to ping: has both an error and a result" },
		{ METHOD_PING, "[1, 7, nil, #c1]",
		  "reply to ping: the message has an extension type, or a "
		  "byte that is not msgpack" },
		{ METHOD_PING, "[1, 7, 'no', nil]",
		  "reply to ping: an array of 3 was expected" },
		{ METHOD_PING, "[1, 7, [0, 'x', 'y'], nil]",
		  "reply to ping: error code is out of its range" },
		{ METHOD_PING, "[1, 7, [4294967296, 'x', 'y'], nil]",
		  "reply to ping: error code is out of its range" },
		{ METHOD_PING, "[1, 7, [1, 2, 'y'], nil]",
		  "reply to ping: error name must be a string, not an "
		  "integer" },
		{ METHOD_PING, "[1, 7, [1, 'x', nil], nil]",
		  "reply to ping: error text must be binary, not nil" },
	};

	(void)state;
	check_faults(faults, COUNT_OF(faults));
}

static void test_wrong_results(void **state)
{
	static const struct fault faults[] = {
		{ METHOD_GET, "[1, 7, nil, `v`]",
		  "reply to get: an array of 3 was expected" },
		{ METHOD_GET, "[1, 7, nil, [1, 1, nil]]",
		  "reply to get: value must be binary, not an integer" },
		{ METHOD_GET, "[1, 7, nil, [`v`, 0, nil]]",
		  "reply to get: version is out of its range" },
		{ METHOD_GET, "[1, 7, nil, [`v`, 1, 0]]",
		  "reply to get: expires_at is out of its range" },
		{ METHOD_STAT, "[1, 7, nil, [`v`, 1, nil]]",
		  "reply to stat: size must be an unsigned integer, not "
		  "binary" },
		{ METHOD_GET_MANY, "[1, 7, nil, nil]",
		  "reply to get_many: the list must be an array, not nil" },
		{ METHOD_GET_MANY, "[1, 7, nil, [nil, [`v`, 1, -1]]]",
		  "reply to get_many: items[1]: expires_at must be an unsigned "
		  "integer, not a negative integer" },
		{ METHOD_GET_MANY, "[1, 7, nil, [nil, nil, []]]",
		  "reply to get_many: items[2]: an array of 3 was expected" },
		{ METHOD_GET_MANY, "[1, 7, nil, [[0, 'x', 'y']]]",
		  "reply to get_many: items[0]: error code is out of its "
		  "range" },
		{ METHOD_PUT, "[1, 7, nil, [1, 'fast']]",
		  "reply to put: durability must be \"always\", \"interval\" "
		  "or \"none\"" },
		{ METHOD_PUT, "[1, 7, nil, [1]]",
		  "reply to put: an array of 2 was expected" },
		{ METHOD_DELETE, "[1, 7, nil, [16385, 'none']]",
		  "reply to delete: deleted is out of its range" },
		{ METHOD_BATCH, "[1, 7, nil, 16384]",
		  "reply to batch: index is out of its range" },
		{ METHOD_BATCH, "[1, 7, nil, nil]",
		  "reply to batch: an array of 2 was expected" },
		{ METHOD_BATCH, "[1, 7, nil, [[1, nil], 'none']]",
		  "reply to batch: version must be an unsigned integer, not "
		  "nil" },
		{ METHOD_INCR, "[1, 7, nil, nil]",
		  "reply to incr: an array of 3 was expected" },
		{ METHOD_INCR, "[1, 7, nil, [9223372036854775808, 1, 'none']]",
		  "reply to incr: number must be a signed 64-bit integer, not "
		  "one over 2^63 - 1" },
		{ METHOD_COUNT, "[1, 7, nil, -1]",
		  "reply to count: count must be an unsigned integer, not a "
		  "negative integer" },
		{ METHOD_SCAN, "[1, 7, nil, [nil]]",
		  "reply to scan: an array of 2 was expected" },
		{ METHOD_SCAN, "[1, 7, nil, [``, []]]",
		  "reply to scan: a cursor has 1 to 32 bytes" },
		{ METHOD_SCAN,
		  "[1, 7, nil, [`012345678901234567890123456789012`, []]]",
		  "reply to scan: a cursor has 1 to 32 bytes" },
		{ METHOD_SCAN, "[1, 7, nil, [nil, nil]]",
		  "reply to scan: the list must be an array, not nil" },
		{ METHOD_SCAN, "[1, 7, nil, [nil, [[``, 1, nil]]]]",
		  "reply to scan: items[0]: key of 0 bytes: a key has 1 to "
		  "65535" },
		{ METHOD_SCAN, "[1, 7, nil, [nil, [[`a`, 1, nil], [`b`, 1]]]]",
		  "reply to scan: items[1]: an array of 3 was expected" },
		{ METHOD_SCAN, "[1, 7, nil, [nil, [[`a`, 1, nil, nil]]]]",
		  "reply to scan: items[0]: value must be binary, not nil" },
	};

	(void)state;
	check_faults(faults, COUNT_OF(faults));
}

static void test_wrong_descriptions(void **state)
{
	static const struct fault faults[] = {
		{ METHOD_HELLO, "[1, 7, nil, nil]",
		  "reply to hello: the result must be a map, not nil" },
		{ METHOD_HELLO, "[1, 7, nil, {}]",
		  "reply to hello: has no protocol version" },
		{ METHOD_HELLO, "[1, 7, nil, {'protocol': 0}]",
		  "reply to hello: protocol is out of its range" },
		{ METHOD_HELLO, "[1, 7, nil, {'server': 1}]",
		  "reply to hello: server must be a string, not an integer" },
		{ METHOD_HELLO, "[1, 7, nil, {'limits': []}]",
		  "reply to hello: limits must be a map, not an array" },
		{ METHOD_HELLO, "[1, 7, nil, {'limits': {1: 1}}]",
		  "reply to hello: a limit's name must be a string, not an "
		  "integer" },
		{ METHOD_HELLO, "[1, 7, nil, {'limits': {'a': nil}}]",
		  "reply to hello: a limit must be an unsigned integer, not "
		  "nil" },
		{ METHOD_HELLO, "[1, 7, nil, {'capabilities': {}}]",
		  "reply to hello: capabilities must be an array, not a map" },
		{ METHOD_HELLO, "[1, 7, nil, {'capabilities': ['a', 1]}]",
		  "reply to hello: a capability must be a string, not an "
		  "integer" },
		{ METHOD_HELLO,
		  "[1, 7, nil, {'protocol': 1, 'limits': {}, 'limits': {}}]",
		  "reply to hello: limits are given twice" },
		{ METHOD_HELLO,
		  "[1, 7, nil, {'capabilities': [], 'capabilities': []}]",
		  "reply to hello: capabilities are given twice" },
		{ METHOD_STATS, "[1, 7, nil, {}]",
		  "reply to stats: the result must be an array, not a map" },
		{ METHOD_STATS, "[1, 7, nil, [['a', 'gauge', 1]]]",
		  "reply to stats: stats[0]: an array of 4 was expected" },
		{ METHOD_STATS, "[1, 7, nil, [['a', 'gouge', 1, '']]]",
		  "reply to stats: stats[0]: kind must be \"counter\", "
		  "\"gauge\" or \"text\"" },
		{ METHOD_STATS, "[1, 7, nil, [['a', 'gauge', 'x', '']]]",
		  "reply to stats: stats[0]: value must be an unsigned "
		  "integer, not a string" },
		{ METHOD_STATS, "[1, 7, nil, [['a', 'text', 1, '']]]",
		  "reply to stats: stats[0]: value must be a string, not an "
		  "integer" },
	};

	(void)state;
	check_faults(faults, COUNT_OF(faults));
}

static void test_lists_are_limited(void **state)
{
	static const struct {
		enum method_id method;
		const char *text;
	} cases[] = {
		{ METHOD_GET_MANY,
		  "reply to get_many: 16385 elements: at most 16384" },
		{ METHOD_BATCH,
		  "reply to batch: 16385 elements: at most 16384" },
		{ METHOD_SCAN, "reply to scan: 16385 elements: at most 16384" },
	};
	struct message_item *items = calloc(16385, sizeof(*items));
	uint64_t *versions = calloc(16385, sizeof(*versions));
	struct message_reply out = { .items = items,
				     .n_items = 16385,
				     .versions = versions,
				     .n_versions = 16385,
				     .durability = MESSAGE_DURABILITY_NONE };
	struct buffer buffer = { 0 };
	struct message_reply reply;
	struct message_error error;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		buffer.len = 0;
		assert_int_equal(message_encode_reply(&buffer, 1 << 20,
						      cases[i].method, &out),
				 0);
		assert_int_equal(message_decode_reply(decoder, cases[i].method,
						      buffer.data + 4,
						      buffer.len - 4, &reply,
						      &error),
				 -EPROTO);
		assert_string_equal(error.text, cases[i].text);
	}
	buffer_deinit(&buffer);
	free(items);
	free(versions);
}

static void test_unknown_error_codes_stay_numbers(void **state)
{
	struct buffer buffer = { 0 };
	struct message_reply reply;
	struct message_error error;

	(void)state;
	assert_int_equal(decode(&buffer, METHOD_GET,
				"[1, 7, [4294967295, 'new_error', 'why'], nil]",
				&reply, &error),
			 0);
	assert_int_equal(reply.error.code, 4294967295);
	assert_string_equal(reply.error.text, "why");
	assert_int_equal(reply.n_items, 0);
	message_reply_deinit(&reply);
	buffer_deinit(&buffer);
}

static void test_error_texts_are_cut_and_cleaned(void **state)
{
	char text[1000];
	char body[1100];
	struct buffer buffer = { 0 };
	struct message_reply reply;
	struct message_error error;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "\x1b[2J\r\n\t\x7f", 8);
	text[sizeof(text) - 1] = '\0';
	snprintf(body, sizeof(body), "[1, 7, [13, 'io_error', '%s'], nil]",
		 text);
	assert_int_equal(decode(&buffer, METHOD_PUT, body, &reply, &error), 0);
	assert_int_equal(reply.error.code, MESSAGE_ERROR_IO);
	assert_int_equal(strlen(reply.error.text), MESSAGE_ERROR_TEXT_MAX - 1);
	assert_memory_equal(reply.error.text, "?[2J????xxx", 11);
	message_reply_deinit(&reply);
	buffer_deinit(&buffer);
}

static void test_error_encoded_is_the_error_decoded(void **state)
{
	struct message_error sent = { .code = MESSAGE_ERROR_TOO_LARGE };
	struct buffer buffer = { 0 };
	struct message_reply reply;
	struct message_error error;

	(void)state;
	memset(sent.text, 'y', sizeof(sent.text)); /* not even ended */
	assert_int_equal(message_encode_error(&buffer, 9, &sent), 0);
	assert_int_equal(message_decode_reply(decoder, METHOD_SCAN,
					      buffer.data + 4, buffer.len - 4,
					      &reply, &error),
			 0);
	assert_int_equal(reply.id, 9);
	assert_int_equal(reply.error.code, MESSAGE_ERROR_TOO_LARGE);
	assert_int_equal(strlen(reply.error.text), MESSAGE_ERROR_TEXT_MAX - 1);
	message_reply_deinit(&reply);
	buffer_deinit(&buffer);
}

static void test_hello_may_grow(void **state)
{
	struct buffer buffer = { 0 };
	struct message_reply reply;
	struct message_error error;

	(void)state;
	assert_int_equal(decode(&buffer, METHOD_HELLO,
				"[1, 7, nil, {'later': [1, {2: 3}], "
				"'protocol': 3, 5: 6, 'limits': {'a': 1}}]",
				&reply, &error),
			 0);
	assert_int_equal(reply.protocol, 3);
	assert_int_equal(reply.n_limits, 1);
	assert_int_equal(reply.limits[0].value, 1);
	assert_int_equal(reply.server.len, 0);
	message_reply_deinit(&reply);
	buffer_deinit(&buffer);
}

static void test_missing_key_is_nil_and_empty_value_is_not(void **state)
{
	struct buffer buffer = { 0 };
	struct message_reply reply;
	struct message_error error;

	(void)state;
	assert_int_equal(
		decode(&buffer, METHOD_GET, "[1, 7, nil, nil]", &reply, &error),
		0);
	assert_true(reply.missing);
	assert_int_equal(reply.n_items, 1);
	assert_int_equal(reply.items[0].kind, MESSAGE_ITEM_MISSING);
	message_reply_deinit(&reply);
	assert_int_equal(decode(&buffer, METHOD_GET, "[1, 7, nil, ['', 1 nil]]",
				&reply, &error),
			 0);
	assert_false(reply.missing);
	assert_int_equal(reply.items[0].kind, MESSAGE_ITEM_FOUND);
	assert_int_equal(reply.items[0].value.len, 0);
	message_reply_deinit(&reply);
	buffer_deinit(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_reply),
		cmocka_unit_test(test_wrong_results),
		cmocka_unit_test(test_wrong_descriptions),
		cmocka_unit_test(test_lists_are_limited),
		cmocka_unit_test(test_unknown_error_codes_stay_numbers),
		cmocka_unit_test(test_error_texts_are_cut_and_cleaned),
		cmocka_unit_test(test_error_encoded_is_the_error_decoded),
		cmocka_unit_test(test_hello_may_grow),
		cmocka_unit_test(
			test_missing_key_is_nil_and_empty_value_is_not),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
