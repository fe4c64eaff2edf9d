#include "client/ctl_json.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

#include "client/ctl_base64.h"

/*
 * The length of the UTF-8 sequence that begins at P, or 0.  The second
 * byte's range is what keeps overlong forms, surrogates and numbers above
 * U+10FFFF out (Unicode, table 3-7).
 */
static size_t sequence_len(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > left)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool ctl_json_is_utf8(const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len > 0) {
		size_t n = sequence_len(p, len);

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static bool must_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

static void write_escaped(FILE *out, unsigned char c)
{
	static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	static const char hex[] = "0123456789abcdef";
	char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	size_t len = sizeof(text);

	for (const char *p = short_forms; *p; p += 2) {
		if ((unsigned char)*p == c) {
			text[1] = p[1];
			len = 2;
			break;
		}
	}
	fwrite(text, 1, len, out);
}

void ctl_json_write_string(FILE *out, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t run = 0; /* bytes before P + I that go out as they are */

	putc('"', out);
	for (size_t i = 0; i < len; i++) {
		if (!must_escape(p[i])) {
			run++;
			continue;
		}
		fwrite(p + i - run, 1, run, out);
		write_escaped(out, p[i]);
		run = 0;
	}
	if (run > 0)
		fwrite(p + len - run, 1, run, out);
	putc('"', out);
}

void ctl_json_write_bytes(FILE *out, const char *name, const void *data,
			  size_t len)
{
	if (ctl_json_is_utf8(data, len)) {
		fprintf(out, "\"%s\":", name);
		ctl_json_write_string(out, data, len);
		return;
	}
	fprintf(out, "\"%s_b64\":\"", name);
	ctl_base64_write(out, data, len);
	putc('"', out);
}

void ctl_json_write_item(FILE *out, const struct getme_bytes *key,
			 const struct getme_value *value, bool with_value)
{
	putc('{', out);
	ctl_json_write_bytes(out, "key", key->data, key->len);
	if (!value) {
		fputs(with_value ? ",\"value\":null" : "", out);
		fputs(",\"version\":null,\"size\":null,\"expires_at\":null}\n",
		      out);
		return;
	}
	if (with_value) {
		putc(',', out);
		ctl_json_write_bytes(out, "value", value->data, value->len);
	}
	fprintf(out, ",\"version\":%" PRIu64 ",\"size\":%zu,\"expires_at\":",
		value->version, value->len);
	if (value->expires_at_ms < 0)
		fputs("null}\n", out);
	else
		fprintf(out, "%" PRId64 "}\n", value->expires_at_ms);
}

void ctl_json_write_record(FILE *out, const struct getme_bytes *key,
			   const struct getme_value *value)
{
	putc('{', out);
	ctl_json_write_bytes(out, "key", key->data, key->len);
	putc(',', out);
	ctl_json_write_bytes(out, "value", value->data, value->len);
	if (value->expires_at_ms >= 0)
		fprintf(out, ",\"expires_at\":%" PRId64, value->expires_at_ms);
	fputs("}\n", out);
}

char *ctl_json_key_text(const struct getme_bytes *key)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	ctl_json_write_bytes(out, "key", key->data, key->len);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
