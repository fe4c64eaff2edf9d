/*
 * JSON Lines as import and batch get them: whatever a line holds, it is
 * refused with a reason or becomes a record that keeps the limits, and what
 * is a record survives being written as a line and read again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl_json.h"
#include "client/ctl_record.h"

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool same(const struct getme_bytes *a, const struct getme_bytes *b)
{
	return a->len == b->len &&
	       (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_round_trip(const struct ctl_record *record)
{
	const struct getme_value value = {
		record->value.data, record->value.len, 1,
		record->options.expires_at_ms ? record->options.expires_at_ms
					      : -1
	};
	struct ctl_record again;
	char *line = NULL;
	size_t len;
	char why[256];
	FILE *out = open_memstream(&line, &len);

	require(out);
	ctl_json_write_record(out, &record->key, &value);
	require(fclose(out) == 0);
	require(ctl_record_parse(&again, CTL_RECORD_IMPORT, line, len - 1, why,
				 sizeof(why)) == 0);
	require(same(&again.key, &record->key));
	require(same(&again.value, &record->value));
	require(again.options.expires_at_ms == record->options.expires_at_ms);
	ctl_record_deinit(&again);
	free(line);
}

static void check_line(enum ctl_record_kind kind, const char *line, size_t len)
{
	struct ctl_record record;
	char why[256] = "";

	if (ctl_record_parse(&record, kind, line, len, why, sizeof(why)) != 0) {
		require(*why);
		return;
	}
	require(record.key.len >= 1 && record.key.len <= CTL_KEY_MAX);
	require(record.value.len <= CTL_VALUE_MAX);
	require(record.options.ttl_ms >= 0);
	require(record.options.expires_at_ms >= 0);
	require(!record.options.if_absent || !record.options.if_version);
	require(kind == CTL_RECORD_BATCH || !record.is_delete);
	check_round_trip(&record);
	ctl_record_deinit(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_line(CTL_RECORD_IMPORT, (const char *)data, size);
	check_line(CTL_RECORD_BATCH, (const char *)data, size);
	return 0;
}
