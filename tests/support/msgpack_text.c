#include "tests/support/msgpack_text.h"

#include <ctype.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

static int append(void *data, const char *bytes, size_t len)
{
	return buffer_append(data, bytes, len);
}

static const char *skip_space(const char *p)
{
	return p + strspn(p, " ,:\n\t");
}

static const char *pack_value(struct buffer *out, const char *p);

static const char *pack_list(struct buffer *out, const char *p, char close)
{
	struct buffer inner = { 0 };
	msgpack_packer packer;
	size_t n = 0;

	for (p = skip_space(p + 1); *p != close; p = skip_space(p)) {
		p = pack_value(&inner, p);
		n++;
	}
	msgpack_packer_init(&packer, out, append);
	if (close == ']')
		msgpack_pack_array(&packer, n);
	else
		msgpack_pack_map(&packer, n / 2);
	buffer_append(out, inner.data, inner.len);
	buffer_deinit(&inner);
	return p + 1;
}

static const char *pack_quoted(msgpack_packer *packer, const char *p)
{
	const char *end = strchr(p + 1, *p);
	size_t len;

	if (!end)
		abort();
	len = (size_t)(end - p) - 1;
	if (*p == '\'')
		msgpack_pack_str_with_body(packer, p + 1, len);
	else
		msgpack_pack_bin_with_body(packer, p + 1, len);
	return end + 1;
}

static const char *pack_raw(struct buffer *out, const char *p)
{
	for (p++; isxdigit((unsigned char)*p); p += 2) {
		const char digits[] = { p[0], p[1], '\0' };
		uint8_t byte = (uint8_t)strtoul(digits, NULL, 16);

		if (!isxdigit((unsigned char)p[1]))
			abort();
		buffer_append(out, &byte, 1);
	}
	return p;
}

static const char *pack_number(msgpack_packer *packer, const char *p)
{
	size_t len = strspn(p, "-0123456789.");
	char *end;

	if (len == 0)
		abort();
	if (memchr(p, '.', len))
		msgpack_pack_double(packer, strtod(p, &end));
	else if (*p == '-')
		msgpack_pack_int64(packer, strtoll(p, &end, 10));
	else
		msgpack_pack_uint64(packer, strtoull(p, &end, 10));
	return p + len;
}

static const char *pack_value(struct buffer *out, const char *p)
{
	msgpack_packer packer;

	msgpack_packer_init(&packer, out, append);
	p = skip_space(p);
	switch (*p) {
	case '[':
		return pack_list(out, p, ']');
	case '{':
		return pack_list(out, p, '}');
	case '\'':
	case '`':
		return pack_quoted(&packer, p);
	case '#':
		return pack_raw(out, p);
	case 'n':
		msgpack_pack_nil(&packer);
		return p + strlen("nil");
	case 't':
		msgpack_pack_true(&packer);
		return p + strlen("true");
	case 'f':
		msgpack_pack_false(&packer);
		return p + strlen("false");
	default:
		return pack_number(&packer, p);
	}
}

void msgpack_text_pack(struct buffer *out, const char *text)
{
	const char *end = skip_space(pack_value(out, text));

	if (*end != '\0')
		abort();
}
