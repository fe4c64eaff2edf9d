/*
 * ctl_json: what getmectl prints as JSON.
 *
 * Everything goes straight to the stream, so that a value of 1 GiB costs no
 * second copy.  Failures show in ferror().  Text is written as UTF-8; only
 * what JSON demands is escaped.  Bytes that are not UTF-8 become base64 in a
 * member of the same name with "_b64" behind it.
 */
#ifndef GETME_CLIENT_CTL_JSON_H
#define GETME_CLIENT_CTL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "client/getme.h"

/* No overlong forms, no surrogates, nothing above U+10FFFF; U+0000 is fine. */
bool ctl_json_is_utf8(const void *data, size_t len);

/* The string, quotes included.  DATA must be UTF-8. */
void ctl_json_write_string(FILE *out, const void *data, size_t len);

/* "name":"..." or "name_b64":"...". */
void ctl_json_write_bytes(FILE *out, const char *name, const void *data,
			  size_t len);

/*
 * {"key":...,"value":...,"version":N,"size":N,"expires_at":MS or null}, with
 * a newline.  VALUE NULL: all but the key are null.  Without WITH_VALUE the
 * member "value" is left out.
 */
void ctl_json_write_item(FILE *out, const struct getme_bytes *key,
			 const struct getme_value *value, bool with_value);

/*
 * {"key":...,"value":...,"expires_at":MS}, with a newline: a line for
 * import.  No expiry, no member.
 */
void ctl_json_write_record(FILE *out, const struct getme_bytes *key,
			   const struct getme_value *value);

/*
 * "key":"..." as text, for a complaint about that key.  free() it; NULL when
 * memory is out.
 */
char *ctl_json_key_text(const struct getme_bytes *key);

#endif
