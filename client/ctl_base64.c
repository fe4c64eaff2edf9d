#include "client/ctl_base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum {
	GROUPS = 1024, /* of three bytes, encoded before they are written */
};

/* Three of LEN bytes, or what there is of them, as four characters. */
static void encode_group(const unsigned char *p, size_t len, char *text)
{
	uint32_t bits = (uint32_t)p[0] << 16;

	if (len > 1)
		bits |= (uint32_t)p[1] << 8;
	if (len > 2)
		bits |= p[2];
	text[0] = alphabet[bits >> 18];
	text[1] = alphabet[bits >> 12 & 63];
	text[2] = len > 1 ? alphabet[bits >> 6 & 63] : '=';
	text[3] = len > 2 ? alphabet[bits & 63] : '=';
}

/* Up to GROUPS groups; returns how many characters they are. */
static size_t encode(const unsigned char *p, size_t len, char *text)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i += 3) {
		encode_group(p + i, len - i, text + used);
		used += 4;
	}
	return used;
}

void ctl_base64_write(FILE *out, const void *data, size_t len)
{
	const unsigned char *p = data;
	char text[4 * GROUPS];

	while (len > 0) {
		size_t n = len < 3 * GROUPS ? len : 3 * GROUPS;
		size_t text_len = encode(p, n, text);

		fwrite(text, 1, text_len, out);
		p += n;
		len -= n;
	}
}

/* The six bits that a character stands for, or -1. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Four characters, PADDING of them '=', as bytes. */
static int decode_group(const char *text, size_t padding, unsigned char *p)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4 - padding; i++) {
		int value = value_of(text[i]);

		if (value < 0)
			return -EINVAL;
		bits |= (uint32_t)value << (18 - 6 * i);
	}
	if (bits & ((UINT32_C(1) << 8 * padding) - 1))
		return -EINVAL;
	p[0] = (unsigned char)(bits >> 16);
	if (padding < 2)
		p[1] = (unsigned char)(bits >> 8);
	if (padding < 1)
		p[2] = (unsigned char)bits;
	return 0;
}

static size_t padding_of(const char *text, size_t len)
{
	if (len == 0 || text[len - 1] != '=')
		return 0;
	return text[len - 2] == '=' ? 2 : 1;
}

int ctl_base64_decode(const char *text, size_t text_len, void **data,
		      size_t *data_len)
{
	unsigned char *bytes;
	size_t padding;

	if (text_len % 4 != 0)
		return -EINVAL;
	padding = padding_of(text, text_len);
	bytes = malloc(text_len / 4 * 3 + 1);
	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < text_len; i += 4) {
		size_t here = i + 4 == text_len ? padding : 0;

		if (decode_group(text + i, here, bytes + i / 4 * 3) < 0) {
			free(bytes);
			return -EINVAL;
		}
	}
	*data = bytes;
	*data_len = text_len / 4 * 3 - padding;
	return 0;
}
