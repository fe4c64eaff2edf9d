/*
 * ctl_record: one line of import or of batch.
 *
 * import: {"key":...,"value":...,"expires_at":MS}; expires_at may be null or
 * left out.
 * batch:  {"op":"put","key":...,"value":...,"ttl":T,"if_absent":true,
 * "if_version":N} and {"op":"delete","key":...,"if_version":N}; T is a number
 * of milliseconds or a string such as "10s".
 * Both take key_b64 and value_b64 instead of key and value.
 *
 * Everything else is refused: other members, members twice, missing or wrong
 * ones, text that is not UTF-8, bytes outside the object.
 */
#ifndef GETME_CLIENT_CTL_RECORD_H
#define GETME_CLIENT_CTL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/getme.h"

#define CTL_KEY_MAX   ((size_t)65535)	/* bytes */
#define CTL_VALUE_MAX ((size_t)1 << 30) /* bytes; a daemon may allow less */

/*
 * The longest line: each byte of key and value written as \u00XX, and room
 * for the other members.
 */
#define CTL_RECORD_LINE_MAX (6 * (CTL_KEY_MAX + CTL_VALUE_MAX) + 4096)

enum ctl_record_kind {
	CTL_RECORD_IMPORT = 1 << 0,
	CTL_RECORD_BATCH = 1 << 1,
};

struct json_t;

struct ctl_record {
	bool is_delete;
	struct getme_bytes key;
	struct getme_bytes value;
	/* expiry and conditions, ready for getme_batch_put and the like */
	struct getme_write_options options;
	/* what the bytes above lie in */
	struct json_t *root;
	void *key_memory;
	void *value_memory;
};

/*
 * 0 and RECORD (release it with ctl_record_deinit), or -EINVAL and a line in
 * ERROR that says what is wrong; -ENOMEM.
 */
int ctl_record_parse(struct ctl_record *record, enum ctl_record_kind kind,
		     const char *line, size_t len, char *error,
		     size_t error_len);

/* A record of zeros is fine. */
void ctl_record_deinit(struct ctl_record *record);

/* Nothing but blanks: such lines are skipped. */
bool ctl_record_is_blank(const char *line, size_t len);

#endif
