/* What the quick decoders take, the general ones take, and as the same. */
#include "proto/message_quick.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "proto/frame.h"
#include "tests/support/message_equal.h"
#include "tests/support/msgpack_text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What one has decoded ends with its next. */
static struct message_decoder *decoder, *second;

static int setup(void **state)
{
	(void)state;
	decoder = message_decoder_new();
	second = message_decoder_new();
	return decoder && second ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	message_decoder_free(decoder);
	message_decoder_free(second);
	return 0;
}

/* In memory that ends where the body does. */
static uint8_t *copy(const uint8_t *body, size_t len)
{
	uint8_t *own = malloc(len ? len : 1);

	assert_non_null(own);
	if (len > 0)
		memcpy(own, body, len);
	return own;
}

/* Says whether it was taken. */
static bool check_request(const uint8_t *body, size_t len)
{
	struct message_request quick = { .id = 0 };
	struct message_request general;
	struct message_error error;
	uint8_t *own = copy(body, len);
	bool taken = message_quick_request(second, own, len, &quick);

	if (taken) {
		assert_int_equal(message_general_request(decoder, own, len,
							 &general, &error),
				 0);
		assert_true(message_equal_requests(&quick, &general));
	} else {
		assert_null(quick.keys);
	}
	free(own);
	return taken;
}

static bool check_reply(enum method_id method, const uint8_t *body, size_t len)
{
	struct message_reply quick = { .id = 0 };
	struct message_reply general;
	struct message_error error;
	uint8_t *own = copy(body, len);
	bool taken = message_quick_reply(method, own, len, &quick);

	if (taken) {
		assert_int_equal(message_general_reply(decoder, method, own,
						       len, &general, &error),
				 0);
		assert_true(message_equal_replies(&quick, &general));
		message_reply_deinit(&general);
		message_reply_deinit(&quick);
	} else {
		assert_null(quick.items);
	}
	free(own);
	return taken;
}

static const char *const taken_requests[] = {
	"[0 7 'get' [`key`]]",
	"[0 7 'get' [`key` {}]]",
	"[0 255 'get' ['key' {}]]",
	"[0 65535 'stat' [`key` {}]]",
	"[0 4294967295 'put' [`k` `v`]]",
	"[0 70000 'put' [`k` `` {}]]",
	"[0 0 'put' ['k' 'v' {'durability': 'none'}]]",
	"[0 0 'put' [`k` `v` {'ttl': 1 'if_absent': true}]]",
	("[0 0 'put' [`k` `v` {'expires_at': 18446744073709551615, "
	 "'if_version': 0, 'durability': 'always'}]]"),
	"[0 9 'delete' [[`k`]]]",
	"[0 9 'delete' [['k'] {'if_version': 70000}]]",
};

static const char *const left_requests[] = {
	"7",
	"[1 7 'get' [`key`]]",
	"[0 4294967296 'get' [`key`]]",
	"[0 -1 'get' [`key`]]",
	"[0 7 `get` [`key`]]",
	"[0 7 'ge' [`key`]]",
	"[0 7 'gets' [`key`]]",
	"[0 7 'get' [``]]",
	"[0 7 'get' [[`key`]]]",
	"[0 7 'get' [`key` {'ttl': 1}]]",
	"[0 7 'get' [`key` `value`]]",
	"[0 7 'get' [`key` {} {}]]",
	"[0 7 'put' [`key`]]",
	"[0 7 'put' [`key` `v` {'ttl': 0}]]",
	"[0 7 'put' [`key` `v` {'ttl': 1 'ttl': 1}]]",
	"[0 7 'put' [`key` `v` {'ttl': 1 'expires_at': 1}]]",
	"[0 7 'put' [`key` `v` {'if_absent': false}]]",
	"[0 7 'put' [`key` `v` {'if_absent': true 'if_version': 1}]]",
	"[0 7 'put' [`key` `v` {'durability': 'no'}]]",
	"[0 7 'put' [`key` `v` {7: 'none'}]]",
	"[0 7 'delete' [[]]]",
	"[0 7 'delete' [[`a` `b`]]]",
	"[0 7 'delete' [`a`]]",
	"[0 7 'scan' [``]]",
};

struct reply_case {
	enum method_id method;
	const char *body;
};

static const struct reply_case taken_replies[] = {
	{ METHOD_GET, "[1 7 nil nil]" },
	{ METHOD_GET, "[1 7 nil [`value` 1 nil]]" },
	{ METHOD_GET, "[1 70000 nil ['' 70000 18446744073709551615]]" },
	{ METHOD_STAT, "[1 7 nil nil]" },
	{ METHOD_STAT, "[1 7 nil [0 1 nil]]" },
	{ METHOD_STAT, "[1 7 nil [4294967296 300 1]]" },
	{ METHOD_PUT, "[1 7 nil nil]" },
	{ METHOD_PUT, "[1 7 nil [1 'none']]" },
	{ METHOD_PUT, "[1 255 nil [70000 'interval']]" },
};

static const struct reply_case left_replies[] = {
	{ METHOD_GET, "[1 7 [3 'corrupt' 'text'] nil]" },
	{ METHOD_GET, "[0 7 nil nil]" },
	{ METHOD_GET, "[1 7 nil [`value` 0 nil]]" },
	{ METHOD_GET, "[1 7 nil [`value` 1 0]]" },
	{ METHOD_GET, "[1 7 nil [`value` 1]]" },
	{ METHOD_GET, "[1 7 nil [7 1 nil]]" },
	{ METHOD_STAT, "[1 7 nil [`value` 1 nil]]" },
	{ METHOD_PUT, "[1 7 nil [0 'none']]" },
	{ METHOD_PUT, "[1 7 nil [1 'no']]" },
	{ METHOD_COUNT, "[1 7 nil 7]" },
};

static void test_the_usual_requests_are_taken(void **state)
{
	struct buffer body = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(taken_requests); i++) {
		body.len = 0;
		msgpack_text_pack(&body, taken_requests[i]);
		assert_true(check_request(body.data, body.len));
	}
	for (size_t i = 0; i < COUNT_OF(left_requests); i++) {
		body.len = 0;
		msgpack_text_pack(&body, left_requests[i]);
		assert_false(check_request(body.data, body.len));
	}
	buffer_deinit(&body);
}

static void test_the_usual_replies_are_taken(void **state)
{
	struct buffer body = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(taken_replies); i++) {
		body.len = 0;
		msgpack_text_pack(&body, taken_replies[i].body);
		assert_true(check_reply(taken_replies[i].method, body.data,
					body.len));
	}
	for (size_t i = 0; i < COUNT_OF(left_replies); i++) {
		body.len = 0;
		msgpack_text_pack(&body, left_replies[i].body);
		assert_false(check_reply(left_replies[i].method, body.data,
					 body.len));
	}
	buffer_deinit(&body);
}

/* Calls CHECK with every truncation, one byte more, every other byte. */
static void damage(struct buffer *body,
		   void (*check)(const struct buffer *body, void *ctx),
		   void *ctx)
{
	size_t len = body->len;

	for (body->len = 0; body->len < len; body->len++)
		check(body, ctx);
	assert_int_equal(buffer_append(body, "\xc0", 1), 0);
	check(body, ctx);
	body->len = len;
	for (size_t i = 0; i < len; i++) {
		uint8_t right = body->data[i];

		for (unsigned int other = 0; other < 256; other++) {
			body->data[i] = (uint8_t)other;
			check(body, ctx);
		}
		body->data[i] = right;
	}
}

static void check_damaged_request(const struct buffer *body, void *ctx)
{
	(void)ctx;
	check_request(body->data, body->len);
}

static void check_damaged_reply(const struct buffer *body, void *ctx)
{
	const enum method_id *method = ctx;

	check_reply(*method, body->data, body->len);
}

static void test_damaged_requests_are_never_taken_otherwise(void **state)
{
	struct buffer body = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(taken_requests); i++) {
		body.len = 0;
		msgpack_text_pack(&body, taken_requests[i]);
		damage(&body, check_damaged_request, NULL);
	}
	for (size_t i = 0; i < COUNT_OF(left_requests); i++) {
		body.len = 0;
		msgpack_text_pack(&body, left_requests[i]);
		damage(&body, check_damaged_request, NULL);
	}
	buffer_deinit(&body);
}

static void damage_replies(const struct reply_case *cases, size_t n)
{
	struct buffer body = { 0 };

	for (size_t i = 0; i < n; i++) {
		enum method_id method = cases[i].method;

		body.len = 0;
		msgpack_text_pack(&body, cases[i].body);
		damage(&body, check_damaged_reply, &method);
	}
	buffer_deinit(&body);
}

static void test_damaged_replies_are_never_taken_otherwise(void **state)
{
	(void)state;
	damage_replies(taken_replies, COUNT_OF(taken_replies));
	damage_replies(left_replies, COUNT_OF(left_replies));
}

/* Heads of any width, where they are allowed. */
static void test_long_heads_are_taken(void **state)
{
	static const char *const bodies[] = {
		"#9400cf0000000000000007a3676574", /* id of 64 bits */
		"#9400cd0007a3676574",
	};
	struct buffer body = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		body.len = 0;
		msgpack_text_pack(&body, bodies[i]);
		msgpack_text_pack(&body, "#91c6000000016b");
		assert_true(check_request(body.data, body.len));
		body.len -= 7;
		msgpack_text_pack(&body, "#91db000000016b");
		assert_true(check_request(body.data, body.len));
	}
	buffer_deinit(&body);
}

static void test_a_key_has_its_limits(void **state)
{
	enum { HEAD = 7 + 1 + 3, MAX = 65535 };

	struct buffer body = { 0 };

	(void)state;
	msgpack_text_pack(&body, "#940007a3676574");
	msgpack_text_pack(&body, "#91c5ffff");
	assert_int_equal(buffer_reserve(&body, MAX), 0);
	memset(body.data + HEAD, 'k', MAX);
	body.len = HEAD + MAX;
	assert_true(check_request(body.data, body.len));
	body.len = 7;
	msgpack_text_pack(&body, "#91c600010000");
	assert_int_equal(buffer_reserve(&body, MAX + 1), 0);
	memset(body.data + body.len, 'k', MAX + 1);
	body.len += MAX + 1;
	assert_false(check_request(body.data, body.len));
	buffer_deinit(&body);
}

/* Numbers on both sides of each change of their form. */
static const uint64_t numbers[] = {
	1,	 0x7f,	     0x80,	  0xff,	      0x100,	    0xffff,
	0x10000, 0xffffffff, 0x100000000, UINT64_MAX, 0x1234567890, 300,
};

static void check_value(uint32_t id, const struct message_item *item)
{
	struct message_item copy = item ? *item : (struct message_item){ 0 };
	struct message_reply reply = {
		.id = id, .missing = !item, .items = &copy, .n_items = 1
	};
	struct buffer quick = { 0 };
	struct buffer general = { 0 };
	size_t max;

	assert_int_equal(
		message_encode_reply(&general, SIZE_MAX, METHOD_GET, &reply),
		0);
	max = general.len - FRAME_HEAD_LEN;
	assert_int_equal(message_encode_value(&quick, max - 1, id, item),
			 -EMSGSIZE);
	assert_int_equal(quick.len, 0);
	assert_int_equal(message_encode_value(&quick, max, id, item), 0);
	assert_int_equal(quick.len, general.len);
	assert_memory_equal(quick.data, general.data, general.len);
	/* It is appended. */
	assert_int_equal(message_encode_value(&quick, max, id, item), 0);
	assert_int_equal(quick.len, 2 * general.len);
	assert_memory_equal(quick.data + general.len, general.data,
			    general.len);
	buffer_deinit(&quick);
	buffer_deinit(&general);
}

static void test_values_are_encoded_the_same(void **state)
{
	static const size_t lens[] = { 0, 1, 255, 256, 65535, 65536, 70000 };
	char *value = calloc(1, 70000);

	(void)state;
	assert_non_null(value);
	check_value(7, NULL);
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		struct message_item item = {
			.version = numbers[i],
			.expires_at_ms = i % 2 ? numbers[i] : 0,
		};

		check_value((uint32_t)numbers[i], NULL);
		for (size_t j = 0; j < COUNT_OF(lens); j++) {
			item.value.data = lens[j] ? value : NULL;
			item.value.len = lens[j];
			check_value((uint32_t)numbers[i], &item);
		}
	}
	free(value);
}

static void check_written(uint32_t id, uint64_t version,
			  enum message_durability durability)
{
	struct message_reply reply = { .id = id,
				       .version = version,
				       .durability = durability };
	struct buffer quick = { 0 };
	struct buffer general = { 0 };
	size_t max;

	assert_int_equal(
		message_encode_reply(&general, SIZE_MAX, METHOD_PUT, &reply),
		0);
	max = general.len - FRAME_HEAD_LEN;
	assert_int_equal(message_encode_written(&quick, max - 1, id, version,
						durability),
			 -EMSGSIZE);
	assert_int_equal(quick.len, 0);
	assert_int_equal(
		message_encode_written(&quick, max, id, version, durability),
		0);
	assert_int_equal(quick.len, general.len);
	assert_memory_equal(quick.data, general.data, general.len);
	buffer_deinit(&quick);
	buffer_deinit(&general);
}

static void test_written_is_encoded_the_same(void **state)
{
	struct buffer out = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		check_written((uint32_t)numbers[i], numbers[i],
			      MESSAGE_DURABILITY_NONE);
		check_written(7, numbers[i], MESSAGE_DURABILITY_INTERVAL);
		check_written(7, numbers[i], MESSAGE_DURABILITY_ALWAYS);
	}
	assert_int_equal(message_encode_written(&out, SIZE_MAX, 1, 1,
						MESSAGE_DURABILITY_DEFAULT),
			 -EINVAL);
	buffer_deinit(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_usual_requests_are_taken),
		cmocka_unit_test(test_the_usual_replies_are_taken),
		cmocka_unit_test(
			test_damaged_requests_are_never_taken_otherwise),
		cmocka_unit_test(
			test_damaged_replies_are_never_taken_otherwise),
		cmocka_unit_test(test_long_heads_are_taken),
		cmocka_unit_test(test_a_key_has_its_limits),
		cmocka_unit_test(test_values_are_encoded_the_same),
		cmocka_unit_test(test_written_is_encoded_the_same),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
