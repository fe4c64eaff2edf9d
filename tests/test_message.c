/* Round trips of every shape, and what becomes of damaged frames. */
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

#include "proto/frame.h"
#include "tests/support/message_equal.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
/* clang-format off */
#define BYTES(text) { text, sizeof(text) - 1 }
/* clang-format on */

enum {
	BODY_MAX = 64 << 20,
};

static struct message_decoder *decoder;

static struct message_bytes request_keys[] = { BYTES("a"), BYTES("\0\xff"),
					       BYTES("key three") };

static struct message_op request_ops[] = {
	{ .key = BYTES("a"), .value = BYTES("") },
	{ .key = BYTES("b"),
	  .value = BYTES("v"),
	  .options = { .present = OPT_TTL | OPT_IF_ABSENT, .ttl_ms = 1 } },
	{ .key = BYTES("b"),
	  .value = BYTES("v"),
	  .options = { .present = OPT_EXPIRES_AT | OPT_IF_VERSION,
		       .expires_at_ms = UINT64_MAX,
		       .if_version = UINT64_MAX } },
	{ .is_delete = true, .key = BYTES("c") },
	{ .is_delete = true,
	  .key = BYTES("d"),
	  .options = { .present = OPT_IF_VERSION, .if_version = 0 } },
};

static const struct message_request requests[] = {
	{ .id = 0, .method = METHOD_HELLO },
	{ .id = UINT32_MAX,
	  .method = METHOD_HELLO,
	  .options = { .present = OPT_PROTOCOL | OPT_CLIENT,
		       .protocol = 1,
		       .client = BYTES("libgetme 0.1") } },
	{ .id = 127, .method = METHOD_PING },
	{ .id = 128, .method = METHOD_GET, .key = BYTES("k") },
	{ .id = 256, .method = METHOD_STAT, .key = BYTES("k\0k") },
	{ .id = 65536,
	  .method = METHOD_GET_MANY,
	  .keys = request_keys,
	  .n_keys = COUNT_OF(request_keys) },
	{ .id = 1, .method = METHOD_GET_MANY },
	{ .id = 2,
	  .method = METHOD_PUT,
	  .key = BYTES("k"),
	  .value = BYTES("") },
	{ .id = 3,
	  .method = METHOD_PUT,
	  .key = BYTES("k"),
	  .value = BYTES("value"),
	  .options = { .present = OPT_TTL | OPT_IF_VERSION | OPT_DURABILITY,
		       .ttl_ms = 70000,
		       .if_version = 1,
		       .durability = MESSAGE_DURABILITY_NONE } },
	{ .id = 4,
	  .method = METHOD_PUT,
	  .key = BYTES("k"),
	  .value = BYTES("value"),
	  .options = { .present =
			       OPT_EXPIRES_AT | OPT_IF_ABSENT | OPT_DURABILITY,
		       .expires_at_ms = 1,
		       .durability = MESSAGE_DURABILITY_ALWAYS } },
	{ .id = 5,
	  .method = METHOD_DELETE,
	  .keys = request_keys,
	  .n_keys = COUNT_OF(request_keys),
	  .options = { .present = OPT_DURABILITY,
		       .durability = MESSAGE_DURABILITY_INTERVAL } },
	{ .id = 6,
	  .method = METHOD_DELETE,
	  .keys = request_keys,
	  .n_keys = 1,
	  .options = { .present = OPT_IF_VERSION, .if_version = 9 } },
	{ .id = 7,
	  .method = METHOD_BATCH,
	  .ops = request_ops,
	  .n_ops = COUNT_OF(request_ops),
	  .options = { .present = OPT_DURABILITY,
		       .durability = MESSAGE_DURABILITY_ALWAYS } },
	{ .id = 8, .method = METHOD_BATCH },
	{ .id = 9, .method = METHOD_INCR, .key = BYTES("n"), .by = INT64_MIN },
	{ .id = 10, .method = METHOD_INCR, .key = BYTES("n"), .by = INT64_MAX },
	{ .id = 11,
	  .method = METHOD_TOUCH,
	  .key = BYTES("k"),
	  .options = { .present = OPT_TTL, .ttl_ms = UINT64_MAX } },
	{ .id = 12,
	  .method = METHOD_TOUCH,
	  .key = BYTES("k"),
	  .options = { .present = OPT_PERSIST | OPT_DURABILITY,
		       .durability = MESSAGE_DURABILITY_ALWAYS } },
	{ .id = 13,
	  .method = METHOD_TOUCH,
	  .key = BYTES("k"),
	  .options = { .present = OPT_EXPIRES_AT, .expires_at_ms = 5 } },
	{ .id = 14, .method = METHOD_CLEAR },
	{ .id = 15, .method = METHOD_COUNT },
	{ .id = 16, .method = METHOD_SCAN },
	{ .id = 17,
	  .method = METHOD_SCAN,
	  .cursor = BYTES("0123456789abcdef0123456789abcdef"),
	  .options = { .present = OPT_PREFIX | OPT_LIMIT | OPT_VALUES,
		       .prefix = BYTES("user:"),
		       .limit = 0,
		       .values = true } },
	{ .id = 18,
	  .method = METHOD_SCAN,
	  .options = { .present = OPT_PREFIX | OPT_VALUES,
		       .prefix = BYTES("") } },
	{ .id = 19, .method = METHOD_SYNC },
	{ .id = 20, .method = METHOD_STATS },
	{ .id = 21, .method = METHOD_COMPACT },
	{ .id = 22, .method = METHOD_BACKUP, .path = BYTES("/var/backups") },
	{ .id = 23, .method = METHOD_ATTACH },
	{ .id = 24,
	  .method = METHOD_ATTACH,
	  .options = { .present = OPT_INDEX | OPT_PRIMARY,
		       .index = UINT64_MAX,
		       .primary = 0 } },
	{ .id = 25,
	  .method = METHOD_ATTACH,
	  .options = { .present = OPT_INDEX | OPT_OVERFLOW,
		       .index = 1,
		       .overflow = 2052 } },
	{ .id = 26,
	  .method = METHOD_ATTACH,
	  .options = { .present = OPT_INDEX | OPT_SEGMENT,
		       .index = 1,
		       .segment = 0xffffff } },
};

static struct message_item missing_item[] = {
	{ .kind = MESSAGE_ITEM_MISSING },
};

static struct message_item found_item[] = {
	{ .value = BYTES("value"), .version = 1, .expires_at_ms = 1 },
};

static struct message_item empty_item[] = {
	{ .version = UINT64_MAX },
};

static struct message_item stat_item[] = {
	{ .size = (uint64_t)1 << 30, .version = 70000, .expires_at_ms = 9 },
};

static struct message_item many_items[] = {
	{ .kind = MESSAGE_ITEM_MISSING },
	{ .value = BYTES("value"), .version = 300 },
	{ .kind = MESSAGE_ITEM_ERROR,
	  .error_code = MESSAGE_ERROR_CORRUPT,
	  .error_text = BYTES("the value is damaged on disk") },
	{ .value = BYTES(""), .version = 7, .expires_at_ms = UINT64_MAX },
	{ .kind = MESSAGE_ITEM_ERROR, .error_code = 4000000000 },
};

static struct message_item scan_keys[] = {
	{ .key = BYTES("a"), .version = 1 },
	{ .key = BYTES("b"), .version = 2, .expires_at_ms = 3 },
};

static struct message_item scan_values[] = {
	{ .key = BYTES("a"), .version = 1, .value = BYTES("") },
	{ .key = BYTES("b"),
	  .version = 2,
	  .expires_at_ms = 3,
	  .value = BYTES("value") },
	{ .kind = MESSAGE_ITEM_ERROR,
	  .key = BYTES("c"),
	  .version = 3,
	  .error_code = MESSAGE_ERROR_CORRUPT,
	  .error_text = BYTES("bad") },
};

static uint64_t reply_versions[] = { 1, 0, UINT64_MAX };

static struct message_stat reply_stats[] = {
	{ .name = BYTES("puts"),
	  .kind = MESSAGE_STAT_COUNTER,
	  .value = UINT64_MAX,
	  .help = BYTES("puts since the start") },
	{ .name = BYTES("keys"),
	  .kind = MESSAGE_STAT_GAUGE,
	  .help = BYTES("keys that are there") },
	{ .name = BYTES("state"),
	  .kind = MESSAGE_STAT_TEXT,
	  .text = BYTES("ok"),
	  .help = BYTES("how the store is") },
};

static struct message_limit reply_limits[] = {
	{ BYTES("key"), 65535 },
	{ BYTES("value"), 64 << 20 },
};

static struct message_bytes reply_capabilities[] = { BYTES("batch"),
						     BYTES("attach") };

static const struct reply_case {
	enum method_id method;
	struct message_reply reply;
} replies[] = {
	{ METHOD_HELLO,
	  { .id = 1,
	    .protocol = 1,
	    .server = BYTES("getmed 0.1"),
	    .limits = reply_limits,
	    .n_limits = COUNT_OF(reply_limits),
	    .capabilities = reply_capabilities,
	    .n_capabilities = COUNT_OF(reply_capabilities) } },
	{ METHOD_HELLO, { .id = 1, .protocol = 2 } },
	{ METHOD_PING, { .id = UINT32_MAX } },
	{ METHOD_CLEAR, { .id = 0 } },
	{ METHOD_SYNC, { .id = 1 } },
	{ METHOD_COMPACT, { .id = 1 } },
	{ METHOD_BACKUP, { .id = 1 } },
	{ METHOD_ATTACH, { .id = 1, .missing = true } },
	{ METHOD_ATTACH,
	  { .id = 1, .index = UINT64_MAX, .count = 4096, .segment = 77 } },
	{ METHOD_GET,
	  { .id = 1, .missing = true, .items = missing_item, .n_items = 1 } },
	{ METHOD_GET, { .id = 1, .items = found_item, .n_items = 1 } },
	{ METHOD_GET, { .id = 1, .items = empty_item, .n_items = 1 } },
	{ METHOD_STAT,
	  { .id = 1, .missing = true, .items = missing_item, .n_items = 1 } },
	{ METHOD_STAT, { .id = 1, .items = stat_item, .n_items = 1 } },
	{ METHOD_GET_MANY,
	  { .id = 1, .items = many_items, .n_items = COUNT_OF(many_items) } },
	{ METHOD_GET_MANY, { .id = 1 } },
	{ METHOD_PUT,
	  { .id = 1, .version = 1, .durability = MESSAGE_DURABILITY_ALWAYS } },
	{ METHOD_PUT, { .id = 1, .missing = true } },
	{ METHOD_DELETE,
	  { .id = 1, .count = 16384, .durability = MESSAGE_DURABILITY_NONE } },
	{ METHOD_DELETE, { .id = 1, .missing = true } },
	{ METHOD_BATCH,
	  { .id = 1,
	    .versions = reply_versions,
	    .n_versions = COUNT_OF(reply_versions),
	    .durability = MESSAGE_DURABILITY_INTERVAL } },
	{ METHOD_BATCH, { .id = 1, .durability = MESSAGE_DURABILITY_ALWAYS } },
	{ METHOD_BATCH,
	  { .id = 1, .condition_failed = true, .failed_index = 16383 } },
	{ METHOD_INCR,
	  { .id = 1,
	    .number = INT64_MIN,
	    .version = 1,
	    .durability = MESSAGE_DURABILITY_ALWAYS } },
	{ METHOD_INCR,
	  { .id = 1,
	    .number = INT64_MAX,
	    .version = 2,
	    .durability = MESSAGE_DURABILITY_ALWAYS } },
	{ METHOD_TOUCH,
	  { .id = 1, .version = 5, .durability = MESSAGE_DURABILITY_NONE } },
	{ METHOD_TOUCH, { .id = 1, .missing = true } },
	{ METHOD_COUNT, { .id = 1, .count = UINT64_MAX } },
	{ METHOD_SCAN,
	  { .id = 1,
	    .cursor = BYTES("0123456789abcdef0123456789abcdef"),
	    .items = scan_keys,
	    .n_items = COUNT_OF(scan_keys) } },
	{ METHOD_SCAN,
	  { .id = 1,
	    .with_values = true,
	    .items = scan_values,
	    .n_items = COUNT_OF(scan_values) } },
	{ METHOD_SCAN, { .id = 1, .cursor = BYTES("c") } },
	{ METHOD_STATS,
	  { .id = 1, .stats = reply_stats, .n_stats = COUNT_OF(reply_stats) } },
	{ METHOD_GET,
	  { .id = 1, .error = { MESSAGE_ERROR_BUSY, "too many requests" } } },
	{ METHOD_PING, { .id = 1, .error = { 4000000000, "" } } },
};

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

/* The body of the one frame in BUFFER, in a block of exactly its size. */
static uint8_t *take_body(const struct buffer *buffer, size_t *len)
{
	const uint8_t *body;
	uint8_t *copy;
	size_t need;

	assert_int_equal(frame_parse(buffer->data, buffer->len, BODY_MAX, &body,
				     len, &need),
			 0);
	assert_int_equal(FRAME_HEAD_LEN + *len, buffer->len);
	copy = malloc(*len);
	assert_non_null(copy);
	memcpy(copy, body, *len);
	return copy;
}

static uint8_t *encode_request(const struct message_request *request,
			       size_t *len)
{
	struct buffer buffer = { 0 };
	uint8_t *body;

	assert_int_equal(message_encode_request(&buffer, BODY_MAX, request), 0);
	body = take_body(&buffer, len);
	buffer_deinit(&buffer);
	return body;
}

static uint8_t *encode_reply(const struct reply_case *c, size_t *len)
{
	struct buffer buffer = { 0 };
	uint8_t *body;

	assert_int_equal(
		message_encode_reply(&buffer, BODY_MAX, c->method, &c->reply),
		0);
	body = take_body(&buffer, len);
	buffer_deinit(&buffer);
	return body;
}

static void check_request(const struct message_request *request)
{
	struct message_request decoded;
	struct message_error error;
	uint8_t *body;
	size_t len;

	body = encode_request(request, &len);
	assert_int_equal(
		message_decode_request(decoder, body, len, &decoded, &error),
		0);
	assert_true(message_equal_requests(request, &decoded));
	free(body);
}

static void test_requests_come_back_as_they_were(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(requests); i++)
		check_request(&requests[i]);
}

static void test_replies_come_back_as_they_were(void **state)
{
	struct message_reply decoded;
	struct message_error error;
	uint8_t *body;
	uint32_t id;
	size_t len;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(replies); i++) {
		body = encode_reply(&replies[i], &len);
		assert_int_equal(message_peek_reply_id(body, len, &id), 0);
		assert_int_equal(id, replies[i].reply.id);
		assert_int_equal(message_decode_reply(decoder,
						      replies[i].method, body,
						      len, &decoded, &error),
				 0);
		assert_true(message_equal_replies(&replies[i].reply, &decoded));
		message_reply_deinit(&decoded);
		free(body);
	}
}

static void test_tables_have_every_method(void **state)
{
	unsigned int requests_of = 0;
	unsigned int replies_of = 0;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(requests); i++)
		requests_of |= 1U << requests[i].method;
	for (i = 0; i < COUNT_OF(replies); i++)
		replies_of |= 1U << replies[i].method;
	assert_int_equal(requests_of, (1U << METHOD_COUNT_OF) - 1);
	assert_int_equal(replies_of, (1U << METHOD_COUNT_OF) - 1);
}

static void test_longest_key_and_large_value(void **state)
{
	char *bytes = calloc(1, 1 << 20);
	struct message_request request = { .id = 1,
					   .method = METHOD_PUT,
					   .key = { bytes, 65535 },
					   .value = { bytes, 1 << 20 } };

	(void)state;
	assert_non_null(bytes);
	check_request(&request);
	request.value.len = 0;
	check_request(&request);
	free(bytes);
}

/* As many operations as there may be, with as much in each as there may be. */
static void test_largest_batch(void **state)
{
	struct message_op op = { .key = BYTES("key"),
				 .value = BYTES("value"),
				 .options = { .present = OPT_EXPIRES_AT |
							 OPT_IF_VERSION,
					      .expires_at_ms = 1,
					      .if_version = 1 } };
	struct message_request request = { .method = METHOD_BATCH,
					   .n_ops = MESSAGE_OPS_MAX };
	size_t i;

	(void)state;
	request.ops = calloc(request.n_ops, sizeof(op));
	assert_non_null(request.ops);
	for (i = 0; i < request.n_ops; i++)
		request.ops[i] = op;
	check_request(&request);
	free(request.ops);
}

static void test_most_keys(void **state)
{
	struct message_request request = { .method = METHOD_DELETE,
					   .n_keys = MESSAGE_KEYS_MAX };
	size_t i;

	(void)state;
	request.keys = calloc(request.n_keys, sizeof(*request.keys));
	assert_non_null(request.keys);
	for (i = 0; i < request.n_keys; i++)
		request.keys[i] = (struct message_bytes)BYTES("key");
	check_request(&request);
	free(request.keys);
}

static void test_largest_scan_step_of_damaged_values(void **state)
{
	struct message_reply decoded;
	struct message_error error;
	struct reply_case c = { METHOD_SCAN,
				{ .with_values = true,
				  .n_items = MESSAGE_ITEMS_MAX } };
	uint8_t *body;
	size_t len;
	size_t i;

	(void)state;
	c.reply.items = calloc(c.reply.n_items, sizeof(*c.reply.items));
	assert_non_null(c.reply.items);
	for (i = 0; i < c.reply.n_items; i++)
		c.reply.items[i] = scan_values[2];
	body = encode_reply(&c, &len);
	assert_int_equal(message_decode_reply(decoder, c.method, body, len,
					      &decoded, &error),
			 0);
	assert_true(message_equal_replies(&c.reply, &decoded));
	message_reply_deinit(&decoded);
	free(body);
	free(c.reply.items);
}

/* The frame in one piece: the parts put where they belong. */
static uint8_t *join(const struct buffer *buffer,
		     const struct message_parts *parts, size_t *len)
{
	uint8_t *frame = malloc(buffer->len + parts->len);
	size_t from = 0;
	size_t n = 0;

	for (size_t i = 0; i < parts->n; i++) {
		const struct message_part *part = &parts->parts[i];

		memcpy(frame + n, buffer->data + from, part->off - from);
		n += part->off - from;
		memcpy(frame + n, part->bytes.data, part->bytes.len);
		n += part->bytes.len;
		from = part->off;
	}
	memcpy(frame + n, buffer->data + from, buffer->len - from);
	*len = n + buffer->len - from;
	return frame;
}

static void check_apart(enum method_id method, struct message_reply *reply,
			size_t n_parts)
{
	struct message_parts parts = { .n = 0 };
	struct buffer whole = { 0 };
	struct buffer rest = { 0 };
	uint8_t *joined;
	size_t len;

	assert_int_equal(message_encode_reply(&whole, BODY_MAX, method, reply),
			 0);
	assert_int_equal(
		message_encode_apart(&rest, BODY_MAX, method, reply, &parts),
		0);
	assert_int_equal(parts.n, n_parts);
	joined = join(&rest, &parts, &len);
	assert_int_equal(len, whole.len);
	assert_memory_equal(joined, whole.data, len);
	free(joined);
	/* The limit is that of the whole. */
	rest.len = 0;
	assert_int_equal(
		message_encode_apart(&rest, len - 5, method, reply, &parts),
		-EMSGSIZE);
	assert_int_equal(rest.len, 0);
	assert_int_equal(parts.n, 0);
	assert_null(parts.parts);
	buffer_deinit(&rest);
	buffer_deinit(&whole);
}

static void test_values_apart_make_the_same_frame(void **state)
{
	struct message_item items[] = {
		{ .key = BYTES("a"),
		  .value = BYTES("apart"),
		  .is_apart = true,
		  .version = 1 },
		{ .kind = MESSAGE_ITEM_MISSING },
		{ .key = BYTES("b"),
		  .value = BYTES("not apart"),
		  .version = 2 },
		{ .key = BYTES("c"),
		  .value = BYTES("apart, too"),
		  .is_apart = true,
		  .version = 3,
		  .expires_at_ms = 4 },
	};
	struct message_reply get = { .id = 7, .items = items, .n_items = 1 };
	struct message_reply many = { .id = 8, .items = items, .n_items = 4 };
	struct message_reply scan = { .id = 9,
				      .items = items + 2,
				      .n_items = 2,
				      .with_values = true,
				      .cursor = BYTES("cursor") };

	(void)state;
	check_apart(METHOD_GET, &get, 1);
	check_apart(METHOD_GET_MANY, &many, 2);
	check_apart(METHOD_SCAN, &scan, 1);
}

/* Decodes LEN bytes from a block of exactly that size. */
static int decode_copy(int method, const uint8_t *body, size_t len)
{
	struct message_request request;
	struct message_reply reply;
	struct message_error error;
	uint8_t *copy = malloc(len > 0 ? len : 1);
	uint32_t id;
	int r;

	assert_non_null(copy);
	memcpy(copy, body, len);
	error.text[0] = '\0';
	if (method < 0) {
		r = message_decode_request(decoder, copy, len, &request,
					   &error);
	} else {
		message_peek_reply_id(copy, len, &id);
		r = message_decode_reply(decoder, (enum method_id)method, copy,
					 len, &reply, &error);
		if (r == 0)
			message_reply_deinit(&reply);
	}
	assert_true(r == 0 || (r == -EPROTO && error.text[0] != '\0' &&
			       strlen(error.text) < sizeof(error.text)));
	free(copy);
	return r;
}

static void damage(int method, uint8_t *body, size_t len)
{
	size_t i;
	unsigned int flip;

	for (i = 0; i < len; i++)
		assert_int_equal(decode_copy(method, body, i), -EPROTO);
	for (i = 0; i < len; i++) {
		uint8_t byte = body[i];

		for (flip = 1; flip < 256; flip++) {
			body[i] = (uint8_t)(byte ^ flip);
			decode_copy(method, body, len);
		}
		body[i] = byte;
	}
	assert_int_equal(decode_copy(method, body, len), 0);
}

static void test_every_truncation_and_flip_of_requests(void **state)
{
	uint8_t *body;
	size_t len;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(requests); i++) {
		body = encode_request(&requests[i], &len);
		damage(-1, body, len);
		free(body);
	}
}

static void test_every_truncation_and_flip_of_replies(void **state)
{
	uint8_t *body;
	size_t len;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(replies); i++) {
		body = encode_reply(&replies[i], &len);
		damage(replies[i].method, body, len);
		free(body);
	}
}

/* Any reply given as the answer to any other method. */
static void test_replies_to_other_methods(void **state)
{
	uint8_t *body;
	size_t len;
	size_t i;
	int method;

	(void)state;
	for (i = 0; i < COUNT_OF(replies); i++) {
		body = encode_reply(&replies[i], &len);
		for (method = 0; method < METHOD_COUNT_OF; method++)
			decode_copy(method, body, len);
		free(body);
	}
}

static void test_limit_of_the_body_is_exact(void **state)
{
	struct buffer buffer = { 0 };
	size_t len;
	size_t i;

	(void)state;
	assert_int_equal(buffer_append(&buffer, "before", 6), 0);
	for (i = 0; i < COUNT_OF(requests); i++) {
		free(encode_request(&requests[i], &len));
		while (len-- > 0) {
			assert_int_equal(message_encode_request(&buffer, len,
								&requests[i]),
					 -EMSGSIZE);
			assert_int_equal(buffer.len, 6);
		}
	}
	for (i = 0; i < COUNT_OF(replies); i++) {
		if (replies[i].reply.error.code)
			continue;
		free(encode_reply(&replies[i], &len));
		assert_int_equal(message_encode_reply(&buffer, len - 1,
						      replies[i].method,
						      &replies[i].reply),
				 -EMSGSIZE);
		assert_int_equal(buffer.len, 6);
	}
	assert_memory_equal(buffer.data, "before", 6);
	buffer_deinit(&buffer);
}

/* Lengths that no head can tell are not cut to fit. */
static void test_lengths_over_32_bits_are_refused(void **state)
{
	static const size_t lens[] = { SIZE_MAX, SIZE_MAX / 2,
				       (size_t)UINT32_MAX + 1, UINT32_MAX };
	struct message_request request = { .method = METHOD_PUT,
					   .key = BYTES("k"),
					   .value = { "v", 0 } };
	struct buffer buffer = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lens); i++) {
		request.value.len = lens[i];
		assert_int_equal(
			message_encode_request(&buffer, SIZE_MAX, &request),
			-EMSGSIZE);
		assert_int_equal(buffer.len, 0);
	}
	buffer_deinit(&buffer);
}

static void test_frames_are_appended(void **state)
{
	struct buffer buffer = { 0 };
	struct message_request decoded;
	struct message_error error;
	const uint8_t *body;
	size_t len;
	size_t need;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(requests); i++)
		assert_int_equal(
			message_encode_request(&buffer, BODY_MAX, &requests[i]),
			0);
	for (i = 0; i < COUNT_OF(requests); i++) {
		assert_int_equal(frame_parse(buffer.data, buffer.len, BODY_MAX,
					     &body, &len, &need),
				 0);
		assert_int_equal(message_decode_request(decoder, body, len,
							&decoded, &error),
				 0);
		assert_true(message_equal_requests(&requests[i], &decoded));
		buffer_consume(&buffer, FRAME_HEAD_LEN + len);
	}
	assert_int_equal(buffer.len, 0);
	buffer_deinit(&buffer);
}

/* What the wire has no form for is refused, and not written half. */
static void test_replies_without_a_shape_are_refused(void **state)
{
	static struct message_stat bad_stat = {
		.kind = (enum message_stat_kind)9
	};
	static const struct reply_case cases[] = {
		{ METHOD_PUT, { .version = 1 } },
		{ METHOD_INCR, { .durability = (enum message_durability)77 } },
		{ METHOD_GET, { .n_items = 0 } },
		{ METHOD_GET, { .items = many_items + 2, .n_items = 1 } },
		{ METHOD_STATS, { .stats = &bad_stat, .n_stats = 1 } },
	};
	struct buffer buffer = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(message_encode_reply(&buffer, BODY_MAX,
						      cases[i].method,
						      &cases[i].reply),
				 -EINVAL);
		assert_int_equal(buffer.len, 0);
	}
	buffer_deinit(&buffer);
}

static void test_error_names_are_stable(void **state)
{
	(void)state;
	assert_string_equal(message_error_name(1), "bad_frame");
	assert_string_equal(message_error_name(MESSAGE_ERROR_FULL),
			    "disk_full");
	assert_string_equal(message_error_name(21), "internal");
	assert_string_equal(message_error_name(0), "unknown");
	assert_string_equal(message_error_name(22), "unknown");
}

static void test_release_takes_null_and_zeroes(void **state)
{
	struct message_reply reply = { 0 };

	(void)state;
	message_decoder_free(NULL);
	message_reply_deinit(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_come_back_as_they_were),
		cmocka_unit_test(test_replies_come_back_as_they_were),
		cmocka_unit_test(test_tables_have_every_method),
		cmocka_unit_test(test_longest_key_and_large_value),
		cmocka_unit_test(test_largest_batch),
		cmocka_unit_test(test_most_keys),
		cmocka_unit_test(test_largest_scan_step_of_damaged_values),
		cmocka_unit_test(test_values_apart_make_the_same_frame),
		cmocka_unit_test(test_every_truncation_and_flip_of_requests),
		cmocka_unit_test(test_every_truncation_and_flip_of_replies),
		cmocka_unit_test(test_replies_to_other_methods),
		cmocka_unit_test(test_limit_of_the_body_is_exact),
		cmocka_unit_test(test_lengths_over_32_bits_are_refused),
		cmocka_unit_test(test_frames_are_appended),
		cmocka_unit_test(test_replies_without_a_shape_are_refused),
		cmocka_unit_test(test_error_names_are_stable),
		cmocka_unit_test(test_release_takes_null_and_zeroes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
