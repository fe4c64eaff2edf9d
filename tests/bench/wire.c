#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buffer.h"
#include "proto/frame.h"
#include "tests/bench/keys.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/wire.h"

enum { BODY_MAX = 128 << 20 };

static const char any_key[KEY_LEN + 1] = "key:000000000000";

__attribute__((noreturn)) static void broken(const char *what)
{
	errno = 0;
	die(what);
}

/* ---- requests ---- */

static void finish(struct wire_template *template, struct buffer *out,
		   const char *value)
{
	const uint8_t *key = memmem(out->data, out->len, any_key, KEY_LEN);
	const uint8_t *at = NULL;

	if (!key)
		broken("no key in a request");
	if (value)
		at = memmem(out->data, out->len, value, KEY_STAMP_LEN);
	template->data = malloc(out->len);
	if (!template->data)
		die("malloc");
	memcpy(template->data, out->data, out->len);
	template->len = out->len;
	template->key_at = (size_t)(key - (const uint8_t *)out->data);
	template->value_at = at ? (size_t)(at - (const uint8_t *)out->data) : 0;
	buffer_deinit(out);
}

static void append(struct buffer *out, const void *data, size_t len)
{
	if (buffer_append(out, data, len) < 0)
		die("malloc");
}

/* FORMAT takes the value's length where there is a value. */
static void make_text(struct wire_template *template, const char *format,
		      const char *value, size_t value_len)
{
	struct buffer out;
	char head[128];
	char number[24];
	const char *at = strchr(format, '@');

	buffer_init(&out);
	snprintf(number, sizeof(number), "%zu", value_len);
	snprintf(head, sizeof(head), "%.*s%s%s",
		 (int)(at ? at - format : (long)strlen(format)), format,
		 at ? number : "", at ? at + 1 : "");
	append(&out, head, strlen(head));
	if (value) {
		append(&out, value, value_len);
		append(&out, "\r\n", 2);
	}
	finish(template, &out, value);
}

static void make_getme(struct wire_template *template, const char *value,
		       size_t value_len, enum message_durability durability)
{
	struct message_request request = {
		.method = value ? METHOD_PUT : METHOD_GET,
		.key = { .data = any_key, .len = KEY_LEN },
		.value = { .data = value, .len = value_len },
	};
	struct buffer out;

	if (value && durability) {
		request.options.present = OPT_DURABILITY;
		request.options.durability = durability;
	}
	buffer_init(&out);
	if (message_encode_request(&out, BODY_MAX, &request) < 0)
		broken("message_encode_request");
	finish(template, &out, value);
	/* [0, id, ...: an id below 128 is one byte. */
	template->id_at = FRAME_HEAD_LEN + 2;
}

void wire_put(const struct wire_template *template, uint8_t *to,
	      uint64_t number, unsigned int slot)
{
	memcpy(to, template->data, template->len);
	key_make((char *)to + template->key_at, number);
	if (template->value_at)
		value_stamp(to + template->value_at, number);
	if (template->id_at)
		to[template->id_at] = (uint8_t)slot;
}

/* ---- replies ---- */

/* DATA's first line ends before *END; false: it is not all there. */
static bool has_line(const uint8_t *data, size_t len, size_t *end)
{
	const uint8_t *at = memchr(data, '\n', len);

	if (at)
		*end = (size_t)(at - data) + 1;
	return at;
}

static bool parse_text(const uint8_t *data, size_t len, size_t number_at,
		       struct wire_reply *reply)
{
	size_t head = reply->len;
	size_t value_len = strtoul((const char *)data + number_at, NULL, 10);

	reply->len = head + value_len + 2;
	reply->value = data + head;
	reply->ok = value_len >= KEY_STAMP_LEN;
	return len >= reply->len;
}

static bool parse_redis(const uint8_t *data, size_t len, bool is_get,
			struct wire_reply *reply)
{
	if (!has_line(data, len, &reply->len))
		return false;
	if (is_get && data[0] == '$' && data[1] != '-')
		return parse_text(data, len, 1, reply);
	reply->ok = !is_get && data[0] == '+';
	return true;
}

static bool parse_memcached(const uint8_t *data, size_t len, bool is_get,
			    struct wire_reply *reply)
{
	if (!has_line(data, len, &reply->len))
		return false;
	if (is_get && data[0] == 'V')
		return parse_text(data, len, 3, reply);
	reply->ok = !is_get && data[0] == 'H';
	return true;
}

/* The bytes of a msgpack bin begin behind its head. */
static size_t bin_head(uint8_t first)
{
	return first == 0xc4 ? 2 : first == 0xc5 ? 3 : first == 0xc6 ? 5 : 0;
}

/*
 * [1, id, nil, [value, version, expiry]] of a get, [1, id, nil, [version,
 * durability]] of a put; nil where the array is: not found.
 */
static bool parse_getme(const uint8_t *data, size_t len, bool is_get,
			struct wire_reply *reply)
{
	const uint8_t *body;
	size_t body_len;
	size_t need;
	int result = frame_parse(data, len, BODY_MAX, &body, &body_len, &need);

	if (result == FRAME_PARTIAL)
		return false;
	if (result != 0 || body_len < 5 || body[0] != 0x94 || body[1] != 1 ||
	    body[2] >= WIRE_SLOTS)
		broken("not a reply of getmed");
	reply->len = FRAME_HEAD_LEN + body_len;
	reply->slot = body[2];
	reply->ok = body[3] == 0xc0 && body[4] == (is_get ? 0x93 : 0x92);
	if (!reply->ok || !is_get)
		return true;
	reply->ok = bin_head(body[5]) != 0 && body_len > 16;
	if (reply->ok)
		reply->value = body + 5 + bin_head(body[5]);
	return true;
}

/* ---- */

void wire_init(struct wire *wire, const char *name, size_t value_len,
	       enum message_durability durability)
{
	char *value = malloc(value_len);

	if (!value)
		die("malloc");
	value_fill(value, value_len);
	*wire = (struct wire){ .name = name };
	if (strcmp(name, "getme") == 0) {
		wire->has_ids = true;
		wire->parse = parse_getme;
		make_getme(&wire->get, NULL, 0, durability);
		make_getme(&wire->put, value, value_len, durability);
	} else if (strcmp(name, "redis") == 0) {
		wire->parse = parse_redis;
		make_text(&wire->get,
			  "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n",
			  NULL, 0);
		make_text(&wire->put,
			  "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n"
			  "$@\r\n",
			  value, value_len);
	} else if (strcmp(name, "memcached") == 0) {
		wire->parse = parse_memcached;
		make_text(&wire->get, "mg key:000000000000 v\r\n", NULL, 0);
		make_text(&wire->put, "ms key:000000000000 @\r\n", value,
			  value_len);
	} else {
		broken("the wire is getme, redis or memcached");
	}
	free(value);
}

void wire_deinit(struct wire *wire)
{
	free(wire->get.data);
	free(wire->put.data);
}
