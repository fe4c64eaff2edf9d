/* What the decoder of requests takes and refuses, and how it says so. */
#include "proto/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/support/msgpack_text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct fault {
	const char *body;
	unsigned int code;
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

/* Decodes the body in BUFFER, which must outlive REQUEST. */
static int decode(struct buffer *buffer, const char *text,
		  struct message_request *request, struct message_error *error)
{
	buffer->len = 0;
	msgpack_text_pack(buffer, text);
	return message_decode_request(decoder, buffer->data, buffer->len,
				      request, error);
}

static void check_fault(const struct fault *fault, uint32_t id)
{
	struct buffer buffer = { 0 };
	struct message_request request;
	struct message_error error;

	assert_int_equal(decode(&buffer, fault->body, &request, &error),
			 -EPROTO);
	assert_string_equal(error.text, fault->text);
	assert_int_equal(error.code, fault->code);
	assert_int_equal(request.id, id);
	assert_null(request.keys);
	assert_null(request.ops);
	buffer_deinit(&buffer);
}

static void check_faults(const struct fault *faults, size_t n, uint32_t id)
{
	size_t i;

	for (i = 0; i < n; i++)
		check_fault(&faults[i], id);
}

#define SHAPE "a request is [0, id, method, params]: "

static void test_what_is_no_request(void **state)
{
	static const struct fault faults[] = {
		{ "7", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "this is something else" },
		{ "[]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "this is something else" },
		{ "{0: 1, 2: 3}", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "this is something else" },
		{ "[nil, 7, 'ping', []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "this is something else" },
		{ "[2, 'ping', []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "notifications are not taken" },
		{ "[1, 7, nil, nil]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "this is a reply" },
		{ "[3, 7, 'ping', []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "its type is not 0" },
		{ "[0, 7, 'ping']", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "it has not 4 elements" },
		{ "[0, 7, 'ping', [], 1]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "it has not 4 elements" },
		{ "[0, -1, 'ping', []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "its id is not an unsigned integer of up to 32 bits" },
		{ "[0, 4294967296, 'ping', []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "its id is not an unsigned integer of up to 32 bits" },
		{ "[0, 7.0, 'ping', []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "its id is not an unsigned integer of up to 32 bits" },
		{ "[0, nil, 'ping', []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "its id is not an unsigned integer of up to 32 bits" },
		{ "#c1", MESSAGE_ERROR_BAD_MESSAGE,
		  "the message has an extension type, or a byte that is not "
		  "msgpack" },
		{ "#ddffffffff", MESSAGE_ERROR_BAD_MESSAGE,
		  "the message has an array or map with more elements than "
		  "bytes" },
	};

	(void)state;
	check_faults(faults, COUNT_OF(faults), 0);
}

/* Where the id can be read, the error goes to the request that it is of. */
static void test_what_has_an_id_gets_it_back(void **state)
{
	static const struct fault faults[] = {
		{ "[0, 7, nil, []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "its method is not a string" },
		{ "[0, 7, `ping`, []]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "its method is not a string" },
		{ "[0, 7, 'ping', {}]", MESSAGE_ERROR_BAD_MESSAGE,
		  SHAPE "its params are not an array" },
		{ "[0, 7, 'ping', [[[[[[[[]]]]]]]]]", MESSAGE_ERROR_BAD_MESSAGE,
		  "the message is nested deeper than 8 levels" },
		{ "[0, 7, 'ping', #dc000501]", MESSAGE_ERROR_BAD_MESSAGE,
		  "the message has an array or map with more elements than "
		  "bytes" },
		{ "[0, 7, 'get', [#c40561]]", MESSAGE_ERROR_BAD_MESSAGE,
		  "the message ends inside a value" },
		{ "[0, 7, 'get', #9000]", MESSAGE_ERROR_BAD_MESSAGE,
		  "the message has bytes behind its end" },
		{ "[0, 7, 'frobnicate', []]", MESSAGE_ERROR_UNKNOWN_METHOD,
		  "unknown method \"frobnicate\"" },
		{ "[0, 7, '', []]", MESSAGE_ERROR_UNKNOWN_METHOD,
		  "unknown method \"\"" },
		{ "[0, 7, #a71b5b6d225c00ff, []]", MESSAGE_ERROR_UNKNOWN_METHOD,
		  "unknown method \"?[m????\"" },
		{ "[0, 7, '0123456789012345678901234567890123456789', []]",
		  MESSAGE_ERROR_UNKNOWN_METHOD,
		  "unknown method "
		  "\"0123456789012345678901234567890123456789\"" },
		{ "[0, 7, '01234567890123456789012345678901234567890', []]",
		  MESSAGE_ERROR_UNKNOWN_METHOD,
		  "unknown method "
		  "\"0123456789012345678901234567890123456789...\"" },
	};

	(void)state;
	check_faults(faults, COUNT_OF(faults), 7);
}

static void test_wrong_parameters(void **state)
{
	static const struct fault faults[] = {
		{ "[0, 7, 'get', [`k`, {}, 1]]", MESSAGE_ERROR_BAD_PARAMS,
		  "get takes 1 parameter and an options map, not 3" },
		{ "[0, 7, 'get', []]", MESSAGE_ERROR_BAD_PARAMS,
		  "get takes 1 parameter and an options map, not 0" },
		{ "[0, 7, 'put', [`k`]]", MESSAGE_ERROR_BAD_PARAMS,
		  "put takes 2 parameters and an options map, not 1" },
		{ "[0, 7, 'ping', [{}, {}]]", MESSAGE_ERROR_BAD_PARAMS,
		  "ping takes an options map only, not 2 parameters" },
		{ "[0, 7, 'get', [5]]", MESSAGE_ERROR_BAD_PARAMS,
		  "get: parameter 1 (key) must be binary, not an integer" },
		{ "[0, 7, 'put', [-5, `v`]]", MESSAGE_ERROR_BAD_PARAMS,
		  "put: parameter 1 (key) must be binary, not a negative "
		  "integer" },
		{ "[0, 7, 'put', [`k`, nil, {}]]", MESSAGE_ERROR_BAD_PARAMS,
		  "put: parameter 2 (value) must be binary, not nil" },
		{ "[0, 7, 'put', [`k`, {}]]", MESSAGE_ERROR_BAD_PARAMS,
		  "put: parameter 2 (value) must be binary, not a map" },
		{ "[0, 7, 'put', [`k`, `v`, []]]", MESSAGE_ERROR_BAD_PARAMS,
		  "put: parameter 3 (options) must be a map, not an array" },
		{ "[0, 7, 'ping', [nil]]", MESSAGE_ERROR_BAD_PARAMS,
		  "ping: parameter 1 (options) must be a map, not nil" },
		{ "[0, 7, 'get_many', [`k`]]", MESSAGE_ERROR_BAD_PARAMS,
		  "get_many: parameter 1 (keys) must be an array, not "
		  "binary" },
		{ "[0, 7, 'get_many', [[`k`, true]]]", MESSAGE_ERROR_BAD_PARAMS,
		  "get_many: keys[1]: key must be binary, not a boolean" },
		{ "[0, 7, 'batch', ['x']]", MESSAGE_ERROR_BAD_PARAMS,
		  "batch: parameter 1 (ops) must be an array, not a string" },
		{ "[0, 7, 'incr', [`k`, 1.5]]", MESSAGE_ERROR_BAD_PARAMS,
		  "incr: parameter 2 (by) must be a signed 64-bit integer, "
		  "not a float" },
		{ "[0, 7, 'incr', [`k`, 9223372036854775808]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "incr: parameter 2 (by) must be a signed 64-bit integer, "
		  "not one over 2^63 - 1" },
		{ "[0, 7, 'backup', [nil]]", MESSAGE_ERROR_BAD_PARAMS,
		  "backup: parameter 1 (path) must be binary, not nil" },
		{ "[0, 7, 'backup', [``]]", MESSAGE_ERROR_BAD_PARAMS,
		  "backup: path of 0 bytes: a path has 1 to 4095" },
		{ "[0, 7, 'compact', [{'limit': 1}]]", MESSAGE_ERROR_BAD_PARAMS,
		  "compact: unknown option \"limit\"" },
		{ "[0, 7, 'scan', [nil]]", MESSAGE_ERROR_BAD_PARAMS,
		  "scan: parameter 1 (cursor) must be binary, not nil" },
		{ "[0, 7, 'scan', [`012345678901234567890123456789012`]]",
		  MESSAGE_ERROR_BAD_CURSOR,
		  "scan: cursor of 33 bytes: at most 32" },
		{ "[0, 7, 'get', [``]]", MESSAGE_ERROR_BAD_PARAMS,
		  "get: key of 0 bytes: a key has 1 to 65535" },
		{ "[0, 7, 'delete', [[`a`, `b`, ``]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "delete: keys[2]: key of 0 bytes: a key has 1 to 65535" },
	};

	(void)state;
	check_faults(faults, COUNT_OF(faults), 7);
}

static void test_wrong_options(void **state)
{
	static const struct fault faults[] = {
		{ "[0, 7, 'put', [`k`, `v`, {'ttk': 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS, "put: unknown option \"ttk\"" },
		{ "[0, 7, 'get', [`k`, {'ttl': 1}]]", MESSAGE_ERROR_BAD_PARAMS,
		  "get: unknown option \"ttl\"" },
		{ "[0, 7, 'put', [`k`, `v`, {`ttl`: 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: the name of an option must be a string, not binary" },
		{ "[0, 7, 'put', [`k`, `v`, {'ttl': 1, 'ttl': 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: option \"ttl\" is given twice" },
		{ "[0, 7, 'put', [`k`, `v`, {'ttl': 0}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: option \"ttl\" must be a positive number of "
		  "milliseconds" },
		{ "[0, 7, 'put', [`k`, `v`, {'ttl': -1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: option \"ttl\" must be a positive number of "
		  "milliseconds" },
		{ "[0, 7, 'put', [`k`, `v`, {'ttl': 1.5}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: option \"ttl\" must be a positive number of "
		  "milliseconds" },
		{ "[0, 7, 'touch', [`k`, {'expires_at': 0}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "touch: option \"expires_at\" must be a positive number of "
		  "milliseconds since 1970" },
		{ "[0, 7, 'put', [`k`, `v`, {'durability': 'fast'}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: option \"durability\" must be \"always\", \"interval\" "
		  "or \"none\"" },
		{ "[0, 7, 'batch', [[], {'durability': 3}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: option \"durability\" must be \"always\", "
		  "\"interval\" or \"none\"" },
		{ "[0, 7, 'put', [`k`, `v`, {'if_absent': false}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: option \"if_absent\" must be true" },
		{ "[0, 7, 'put', [`k`, `v`, {'if_version': `1`}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: option \"if_version\" must be an unsigned integer" },
		{ "[0, 7, 'scan', [``, {'values': 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "scan: option \"values\" must be true or false" },
		{ "[0, 7, 'scan', [``, {'prefix': 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "scan: option \"prefix\" must be binary" },
		{ "[0, 7, 'hello', [{'client': nil}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "hello: option \"client\" must be a string" },
		{ "[0, 7, 'put', [`k`, `v`, {'ttl': 1, 'expires_at': 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: options \"ttl\" and \"expires_at\" exclude each "
		  "other" },
		{ "[0, 7, 'put', [`k`, `v`, {'if_absent': true, "
		  "'if_version': 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "put: options \"if_absent\" and \"if_version\" exclude each "
		  "other" },
		{ "[0, 7, 'touch', [`k`]]", MESSAGE_ERROR_BAD_PARAMS,
		  "touch: needs exactly one of the options \"ttl\", "
		  "\"expires_at\" and \"persist\"" },
		{ "[0, 7, 'touch', [`k`, {'ttl': 1, 'persist': true}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "touch: needs exactly one of the options \"ttl\", "
		  "\"expires_at\" and \"persist\"" },
		{ "[0, 7, 'delete', [[`a`, `b`], {'if_version': 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "delete: option \"if_version\" goes with one key, not 2" },
		{ "[0, 7, 'delete', [[], {'if_version': 1}]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "delete: option \"if_version\" goes with one key, not 0" },
	};

	(void)state;
	check_faults(faults, COUNT_OF(faults), 7);
}

static void test_wrong_operations(void **state)
{
	static const struct fault faults[] = {
		{ "[0, 7, 'batch', [['put']]]", MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: an operation must be an array, not a "
		  "string" },
		{ "[0, 7, 'batch', [[['delete', `a`], []]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[1]: an operation begins with \"put\" or "
		  "\"delete\"" },
		{ "[0, 7, 'batch', [[['incr', `a`, 1]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: an operation begins with \"put\" or "
		  "\"delete\"" },
		{ "[0, 7, 'batch', [[['put', `a`]]]]", MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: \"put\" takes a key, a value and an options "
		  "map" },
		{ "[0, 7, 'batch', [[['put', `a`, `v`, {}, {}]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: \"put\" takes a key, a value and an options "
		  "map" },
		{ "[0, 7, 'batch', [[['delete']]]]", MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: \"delete\" takes a key and an options map" },
		{ "[0, 7, 'batch', [[['delete', `a`, `v`]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: options must be a map, not binary" },
		{ "[0, 7, 'batch', [[['delete', 1]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: key must be binary, not an integer" },
		{ "[0, 7, 'batch', [[['put', `k`, 1]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: value must be binary, not an integer" },
		{ "[0, 7, 'batch', [[['put', `k`, `v`, {'persist': true}]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: unknown option \"persist\"" },
		{ "[0, 7, 'batch', [[['delete', `k`, {'ttl': 1}]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: unknown option \"ttl\"" },
		{ "[0, 7, 'batch', [[['put', `k`, `v`, {'durability': "
		  "'none'}]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: unknown option \"durability\"" },
		{ "[0, 7, 'batch', [[['put', `k`, `v`, {'ttl': 1, "
		  "'expires_at': 2}]]]]",
		  MESSAGE_ERROR_BAD_PARAMS,
		  "batch: ops[0]: options \"ttl\" and \"expires_at\" exclude "
		  "each other" },
	};

	(void)state;
	check_faults(faults, COUNT_OF(faults), 7);
}

/* [0, 7, METHOD, [array16 or bin32 head of N, N times the bytes of ITEM]] */
static void check_large(const char *method, uint8_t head, uint32_t n,
			const char *item, const char *expected)
{
	struct message_request request;
	struct message_error error;
	struct buffer buffer = { 0 };
	uint8_t bytes[5] = { head, (uint8_t)(n >> 24), (uint8_t)(n >> 16),
			     (uint8_t)(n >> 8), (uint8_t)n };
	uint32_t i;

	buffer_append(&buffer, "\x94\0\7", 3);
	msgpack_text_pack(&buffer, method);
	buffer_append(&buffer, "\x91", 1);
	buffer_append(&buffer, bytes, sizeof(bytes));
	for (i = 0; i < n; i++)
		buffer_append(&buffer, item, strlen(item));
	assert_int_equal(message_decode_request(decoder, buffer.data,
						buffer.len, &request, &error),
			 -EPROTO);
	assert_string_equal(error.text, expected);
	assert_int_equal(error.code, MESSAGE_ERROR_TOO_LARGE);
	assert_int_equal(request.id, 7);
	buffer_deinit(&buffer);
}

static void test_too_large_names_both_numbers(void **state)
{
	(void)state;
	check_large("'get'", 0xc6, 65536, "k",
		    "get: key of 65536 bytes: a key has 1 to 65535");
	check_large("'get'", 0xdb, 1 << 20, "k",
		    "get: key of 1048576 bytes: a key has 1 to 65535");
	check_large("'get_many'", 0xdd, 16385, "\xa1k",
		    "get_many: 16385 keys: at most 16384");
	check_large("'delete'", 0xdd, 20000, "\xa1k",
		    "delete: 20000 keys: at most 16384");
	check_large("'batch'", 0xdd, 16385,
		    "\x92\xa6"
		    "delete\xa1k",
		    "batch: 16385 operations: at most 16384");
}

static void test_prefix_over_a_key(void **state)
{
	struct message_options options = { .present = OPT_PREFIX };
	struct message_request request = { .method = METHOD_SCAN };
	struct message_error error;
	struct buffer buffer = { 0 };
	char *prefix = calloc(1, 65536);

	(void)state;
	options.prefix.data = prefix;
	options.prefix.len = 65536;
	request.options = options;
	assert_int_equal(message_encode_request(&buffer, 1 << 20, &request), 0);
	assert_int_equal(message_decode_request(decoder, buffer.data + 4,
						buffer.len - 4, &request,
						&error),
			 -EPROTO);
	assert_string_equal(error.text, "scan: prefix of 65536 bytes: a key "
					"has 1 to 65535");
	assert_int_equal(error.code, MESSAGE_ERROR_TOO_LARGE);
	buffer_deinit(&buffer);
	free(prefix);
}

static void test_str_is_taken_for_bin(void **state)
{
	struct message_request request;
	struct message_error error;
	struct buffer buffer = { 0 };

	(void)state;
	assert_int_equal(decode(&buffer, "[0, 7, 'put', ['key', 'value', {}]]",
				&request, &error),
			 0);
	assert_int_equal(request.key.len, 3);
	assert_memory_equal(request.key.data, "key", 3);
	assert_int_equal(request.value.len, 5);
	assert_memory_equal(request.value.data, "value", 5);
	assert_int_equal(decode(&buffer,
				"[0, 7, 'batch', [[['delete', 'key'], "
				"['put', 'a', 'b']]]]",
				&request, &error),
			 0);
	assert_memory_equal(request.ops[0].key.data, "key", 3);
	assert_memory_equal(request.ops[1].value.data, "b", 1);
	buffer_deinit(&buffer);
}

/* What a request's lists lie in is the decoder's, and used again. */
static void test_the_next_request_has_the_list(void **state)
{
	struct message_request request;
	struct message_error error;
	struct buffer buffer = { 0 };
	const void *list;

	(void)state;
	assert_int_equal(decode(&buffer, "[0, 7, 'get_many', [[`k`, `l`]]]",
				&request, &error),
			 0);
	list = request.keys;
	assert_int_equal(decode(&buffer, "[0, 8, 'batch', [[['delete', `m`]]]]",
				&request, &error),
			 0);
	assert_ptr_equal(request.ops, list);
	assert_null(request.keys);
	assert_true(request.ops[0].is_delete);
	assert_int_equal(request.ops[0].options.present, 0);
	/* A small one stays. */
	message_decoder_trim(decoder);
	assert_int_equal(
		decode(&buffer, "[0, 9, 'delete', [[`n`]]]", &request, &error),
		0);
	assert_ptr_equal(request.keys, list);
	assert_int_equal(request.n_keys, 1);
	buffer_deinit(&buffer);
}

static void test_options_map_may_be_missing(void **state)
{
	static const char *const bodies[] = {
		"[0, 7, 'hello', []]",	       "[0, 7, 'ping', []]",
		"[0, 7, 'get', [`k`]]",	       "[0, 7, 'stat', [`k`]]",
		"[0, 7, 'get_many', [[`k`]]]", "[0, 7, 'put', [`k`, `v`]]",
		"[0, 7, 'delete', [[`k`]]]",   "[0, 7, 'batch', [[]]]",
		"[0, 7, 'incr', [`k`, 1]]",    "[0, 7, 'clear', []]",
		"[0, 7, 'count', []]",	       "[0, 7, 'scan', [``]]",
		"[0, 7, 'sync', []]",	       "[0, 7, 'stats', []]",
	};
	struct message_request request;
	struct message_error error;
	struct buffer buffer = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bodies); i++) {
		assert_int_equal(decode(&buffer, bodies[i], &request, &error),
				 0);
		assert_int_equal(request.id, 7);
		assert_int_equal(request.options.present, 0);
	}
	buffer_deinit(&buffer);
}

/* [0, 7, "put", ["k", "v", {"ttl": 5, "if_version": 9}]], every head long. */
static void test_long_forms_mean_the_same(void **state)
{
	static const char body[] =
		"#dd00000004 d300000000000000 00 cf0000000000000007 "
		"db00000003707574 dd00000003 c6000000016b c50001 76 "
		"df00000002 da000374746c d20000 0005 "
		"d90a69665f76657273696f6e ce00000009";
	struct message_request request;
	struct message_error error;
	struct buffer buffer = { 0 };
	char text[sizeof(body)];
	size_t n = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(body); i++) {
		if (body[i] != ' ')
			text[n++] = body[i];
	}
	assert_int_equal(decode(&buffer, text, &request, &error), 0);
	assert_int_equal(request.method, METHOD_PUT);
	assert_int_equal(request.id, 7);
	assert_memory_equal(request.key.data, "k", 1);
	assert_memory_equal(request.value.data, "v", 1);
	assert_int_equal(request.options.ttl_ms, 5);
	assert_int_equal(request.options.if_version, 9);
	buffer_deinit(&buffer);
}

static void test_negative_numbers_of_every_width(void **state)
{
	static const struct {
		const char *body;
		int64_t by;
	} cases[] = {
		{ "[0, 7, 'incr', [`k`, -1]]", -1 },
		{ "[0, 7, 'incr', [`k`, #d0ff]]", -1 },
		{ "[0, 7, 'incr', [`k`, #d1ffff]]", -1 },
		{ "[0, 7, 'incr', [`k`, #d2ffffffff]]", -1 },
		{ "[0, 7, 'incr', [`k`, #d3ffffffffffffffff]]", -1 },
		{ "[0, 7, 'incr', [`k`, #d38000000000000000]]", INT64_MIN },
		{ "[0, 7, 'incr', [`k`, #cf7fffffffffffffff]]", INT64_MAX },
		{ "[0, 7, 'incr', [`k`, #cf0000000000000000]]", 0 },
		{ "[0, 7, 'incr', [`k`, #d10001]]", 1 },
	};
	struct message_request request;
	struct message_error error;
	struct buffer buffer = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(
			decode(&buffer, cases[i].body, &request, &error), 0);
		assert_true(request.by == cases[i].by);
	}
	buffer_deinit(&buffer);
}

/* Keys and values must not show up in what is logged. */
static void test_texts_never_hold_keys_or_values(void **state)
{
	static const char *const bodies[] = {
		"[0, 7, 'get', [`SECRET`, {}, `SECRET`]]",
		"[0, 7, 'put', [`SECRET`, `SECRET`, `SECRET`]]",
		"[0, 7, 'put', [`SECRET`, `SECRET`, {'ttl': `SECRET`}]]",
		"[0, 7, 'put', [`SECRET`, `SECRET`, {`SECRET`: 1}]]",
		"[0, 7, 'batch', [[['put', `SECRET`, `SECRET`, `SECRET`]]]]",
		"[0, 7, 'delete', [[`SECRET`, `SECRET`], {'if_version': 1}]]",
		"[0, 7, 'incr', [`SECRET`, 1, {'durability': 'SECRET'}]]",
	};
	struct message_request request;
	struct message_error error;
	struct buffer buffer = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bodies); i++) {
		assert_int_equal(decode(&buffer, bodies[i], &request, &error),
				 -EPROTO);
		assert_null(strstr(error.text, "SECRET"));
	}
	buffer_deinit(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_request),
		cmocka_unit_test(test_what_has_an_id_gets_it_back),
		cmocka_unit_test(test_wrong_parameters),
		cmocka_unit_test(test_wrong_options),
		cmocka_unit_test(test_wrong_operations),
		cmocka_unit_test(test_too_large_names_both_numbers),
		cmocka_unit_test(test_prefix_over_a_key),
		cmocka_unit_test(test_str_is_taken_for_bin),
		cmocka_unit_test(test_the_next_request_has_the_list),
		cmocka_unit_test(test_options_map_may_be_missing),
		cmocka_unit_test(test_long_forms_mean_the_same),
		cmocka_unit_test(test_negative_numbers_of_every_width),
		cmocka_unit_test(test_texts_never_hold_keys_or_values),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
