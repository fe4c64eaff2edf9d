#include "client/ctl_record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the first four above */
#include <cmocka.h>

#include "client/ctl_json.h"
#include "client/ctl_options.h"

static int parse(struct ctl_record *record, enum ctl_record_kind kind,
		 const char *line, char *why)
{
	return ctl_record_parse(record, kind, line, strlen(line), why, 256);
}

/* The line is refused, and the reason has WHY in it. */
static void check_refused(enum ctl_record_kind kind, const char *line,
			  const char *why)
{
	struct ctl_record record;
	char got[256] = "";

	memset(&record, 0x5a, sizeof(record));
	if (parse(&record, kind, line, got) != -EINVAL)
		fail_msg("taken: %s", line);
	if (!strstr(got, why))
		fail_msg("%s: '%s' has no '%s'", line, got, why);
	/* Untouched on failure. */
	for (size_t i = 0; i < sizeof(record); i++)
		assert_int_equal(((const unsigned char *)&record)[i], 0x5a);
}

static void check_taken(enum ctl_record_kind kind, const char *line,
			struct ctl_record *record)
{
	char why[256] = "";

	if (parse(record, kind, line, why) != 0)
		fail_msg("refused: %s: %s", line, why);
}

static void check_bytes(const struct getme_bytes *bytes, const char *expected,
			size_t len)
{
	assert_int_equal(bytes->len, len);
	if (len > 0)
		assert_memory_equal(bytes->data, expected, len);
}

static void check_import(const char *line, const char *key, size_t key_len,
			 const char *value, size_t value_len,
			 int64_t expires_at_ms)
{
	struct ctl_record record;

	check_taken(CTL_RECORD_IMPORT, line, &record);
	assert_false(record.is_delete);
	check_bytes(&record.key, key, key_len);
	check_bytes(&record.value, value, value_len);
	assert_int_equal(record.options.size, sizeof(record.options));
	assert_true(record.options.expires_at_ms == expires_at_ms);
	assert_true(record.options.ttl_ms == 0);
	assert_false(record.options.if_absent);
	ctl_record_deinit(&record);
}

static void test_import_lines(void **state)
{
	(void)state;
	check_import("{\"key\":\"k\",\"value\":\"v\"}", "k", 1, "v", 1, 0);
	check_import(" { \"value\" : \"\" , \"key\" : \"k\" } \r", "k", 1, "",
		     0, 0);
	check_import("{\"key\":\"k\",\"value\":\"v\",\"expires_at\":null}", "k",
		     1, "v", 1, 0);
	check_import("{\"key\":\"k\",\"value\":\"v\",\"expires_at\":1}", "k", 1,
		     "v", 1, 1);
	check_import("{\"key\":\"k\",\"value\":\"v\","
		     "\"expires_at\":9223372036854775807}",
		     "k", 1, "v", 1, INT64_MAX);
	check_import("{\"key_b64\":\"/w==\",\"value_b64\":\"AP8A\"}", "\xff", 1,
		     "\0\xff\0", 3, 0);
	check_import("{\"key_b64\":\"aw==\",\"value_b64\":\"\"}", "k", 1, "", 0,
		     0);
}

static void test_unicode_in_every_spelling(void **state)
{
	(void)state;
	check_import("{\"key\":\"a\\u0000b\",\"value\":\"\\u0000\"}", "a\0b", 3,
		     "\0", 1, 0);
	check_import("{\"key\":\"\xc3\xa9\",\"value\":\"\\u00e9\"}", "\xc3\xa9",
		     2, "\xc3\xa9", 2, 0);
	check_import("{\"key\":\"k\",\"value\":\"\\ud83d\\ude00\"}", "k", 1,
		     "\xf0\x9f\x98\x80", 4, 0);
	check_import("{\"key\":\"\\/\\b\\f\\n\\r\\t\\\"\\\\\",\"value\":\"\"}",
		     "/\b\f\n\r\t\"\\", 8, "", 0, 0);
}

static void test_text_that_is_no_json(void **state)
{
	static const char *const bad[] = {
		"{",
		"}",
		"x",
		"",
		"{\"key\":\"k\",\"value\":\"v\"",
		"{\"key\":\"k\",\"value\":\"v\"}}",
		"{\"key\":\"k\",\"value\":\"v\"} x",
		"{\"key\":\"k\",\"value\":\"v\"}{\"key\":\"k\"}",
		"{\"key\":\"k\",\"value\":\"v\",}",
		"{\"key\":\"k\" \"value\":\"v\"}",
		"{'key':'k','value':'v'}",
		"{key:\"k\",\"value\":\"v\"}",
		"{\"key\":\"k\",\"value\":\"\x01\"}",
		"{\"key\":\"k\",\"value\":\"\t\"}",
		"{\"key\":\"k\",\"value\":\"\\x41\"}",
		"{\"key\":\"k\",\"value\":\"\\ud800\"}",
		"{\"key\":\"k\",\"value\":\"\\udc00\"}",
		"{\"key\":\"k\",\"value\":\"\\ud800\\u0041\"}",
		"{\"key\":\"k\",\"value\":\"\\u12\"}",
		"{\"key\":\"k\",\"value\":\"\xff\"}",
		"{\"key\":\"k\",\"value\":\"\xc0\x80\"}",
		"{\"key\":\"k\",\"value\":\"\xed\xa0\x80\"}",
		"{\"key\":\"k\",\"value\":\"\xf4\x90\x80\x80\"}",
		"{\"key\":\"k\",\"value\":\"\xe2\x82\"}",
		"{\"key\\u0000\":\"k\",\"value\":\"v\"}",
		"{\"key\":\"k\",\"value\":\"v\",\"expires_at\":01}",
		"{\"key\":\"k\",\"value\":\"v\",\"expires_at\":+1}",
		"{\"key\":\"k\",\"expires_at\":9223372036854775808}",
		"{\"key\":\"k\",\"value\":\"v\",\"value\":\"v\"}",
		"{\"key\":\"k\",\"key\":\"k\",\"value\":\"v\"}",
		"\xef\xbb\xbf{\"key\":\"k\",\"value\":\"v\"}",
		"null",
		"\"key\"",
		"1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_refused(CTL_RECORD_IMPORT, bad[i], "not valid JSON: ");
}

static void test_nul_bytes_in_a_line_are_refused(void **state)
{
	static const char inside[] = "{\"key\":\"k\0\",\"value\":\"v\"}";
	static const char behind[] = "{\"key\":\"k\",\"value\":\"v\"}\0";
	struct ctl_record record;
	char why[256];

	(void)state;
	assert_int_equal(ctl_record_parse(&record, CTL_RECORD_IMPORT, inside,
					  sizeof(inside) - 1, why, sizeof(why)),
			 -EINVAL);
	assert_int_equal(ctl_record_parse(&record, CTL_RECORD_IMPORT, behind,
					  sizeof(behind) - 1, why, sizeof(why)),
			 -EINVAL);
}

static void test_deep_nesting_is_refused(void **state)
{
	static char line[200000];

	(void)state;
	memset(line, '[', sizeof(line) - 1);
	check_refused(CTL_RECORD_IMPORT, line, "not valid JSON: ");
}

static void test_import_members_are_checked(void **state)
{
	enum ctl_record_kind kind = CTL_RECORD_IMPORT;

	(void)state;
	check_refused(kind, "[]", "not a JSON object");
	check_refused(kind, "{}", "no \"key\"");
	check_refused(kind, "{\"key\":\"k\"}", "no \"value\"");
	check_refused(kind, "{\"value\":\"v\"}", "no \"key\"");
	check_refused(kind, "{\"key\":\"k\",\"value\":\"v\",\"x\":1}",
		      "unknown member \"x\"");
	check_refused(kind, "{\"key\":\"k\",\"value\":\"v\",\"ttl\":1}",
		      "unknown member \"ttl\"");
	check_refused(kind, "{\"key\":\"k\",\"value\":\"v\",\"op\":\"put\"}",
		      "unknown member \"op\"");
	check_refused(kind, "{\"key\":\"k\",\"value\":\"v\",\"\":1}",
		      "unknown member \"\"");
	check_refused(kind, "{\"Key\":\"k\",\"value\":\"v\"}",
		      "unknown member \"Key\"");
	check_refused(kind,
		      "{\"key\":\"k\",\"key_b64\":\"aw==\",\"value\":\"v\"}",
		      "both \"key\"");
	check_refused(kind,
		      "{\"key\":\"k\",\"value_b64\":\"\",\"value\":\"v\"}",
		      "both \"value\"");
	check_refused(kind, "{\"key\":1,\"value\":\"v\"}", "not a string");
	check_refused(kind, "{\"key\":null,\"value\":\"v\"}", "not a string");
	check_refused(kind, "{\"key\":\"k\",\"value\":null}", "not a string");
	check_refused(kind, "{\"key\":\"k\",\"value\":{}}", "not a string");
	check_refused(kind, "{\"key\":\"k\",\"value_b64\":7}", "not a string");
	check_refused(kind, "{\"key\":\"k\",\"value_b64\":\"a\"}",
		      "\"value_b64\" is not base64");
	check_refused(kind, "{\"key_b64\":\"aw\",\"value\":\"v\"}",
		      "\"key_b64\" is not base64");
	check_refused(kind, "{\"key_b64\":\"aw==\\u0000\",\"value\":\"v\"}",
		      "\"key_b64\" is not base64");
}

static void test_expires_at_is_a_positive_whole_number(void **state)
{
	static const char *const bad[] = { "0",	    "-1",   "1.0",   "1e3",
					   "\"1\"", "true", "false", "[]",
					   "{}",    "-0" };
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line),
			 "{\"key\":\"k\",\"value\":\"v\",\"expires_at\":%s}",
			 bad[i]);
		check_refused(CTL_RECORD_IMPORT, line, "\"expires_at\"");
	}
}

/* A line whose key has LEN letters; free() it. */
static char *line_with_key(size_t len)
{
	char *key = calloc(len + 1, 1);
	char *line = NULL;

	assert_non_null(key);
	memset(key, 'k', len);
	assert_true(asprintf(&line, "{\"key\":\"%s\",\"value\":\"v\"}", key) >
		    0);
	free(key);
	return line;
}

static void test_key_lengths(void **state)
{
	struct ctl_record record;
	char *line = line_with_key(65535);

	(void)state;
	check_taken(CTL_RECORD_IMPORT, line, &record);
	assert_int_equal(record.key.len, 65535);
	ctl_record_deinit(&record);
	free(line);
	line = line_with_key(65536);
	check_refused(CTL_RECORD_IMPORT, line, "longer than 65,535 bytes");
	free(line);
	check_refused(CTL_RECORD_IMPORT, "{\"key\":\"\",\"value\":\"v\"}",
		      "the key is empty");
	check_refused(CTL_RECORD_IMPORT, "{\"key_b64\":\"\",\"value\":\"v\"}",
		      "the key is empty");
}

static void test_batch_lines(void **state)
{
	enum ctl_record_kind kind = CTL_RECORD_BATCH;
	struct ctl_record record;

	(void)state;
	check_taken(kind, "{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}",
		    &record);
	assert_false(record.is_delete);
	check_bytes(&record.key, "k", 1);
	check_bytes(&record.value, "v", 1);
	ctl_record_deinit(&record);

	check_taken(kind,
		    "{\"op\":\"put\",\"key_b64\":\"/w==\",\"value_b64\":"
		    "\"/w==\",\"ttl\":1500,\"if_absent\":true}",
		    &record);
	check_bytes(&record.key, "\xff", 1);
	check_bytes(&record.value, "\xff", 1);
	assert_true(record.options.ttl_ms == 1500);
	assert_true(record.options.if_absent == 1);
	ctl_record_deinit(&record);

	check_taken(kind,
		    "{\"value\":\"v\",\"ttl\":\"10s\",\"if_absent\":false,"
		    "\"if_version\":7,\"key\":\"k\",\"op\":\"put\"}",
		    &record);
	assert_true(record.options.ttl_ms == 10000);
	assert_true(record.options.if_absent == 0);
	assert_true(record.options.if_version == 7);
	ctl_record_deinit(&record);

	check_taken(kind, "{\"op\":\"delete\",\"key\":\"k\",\"if_version\":7}",
		    &record);
	assert_true(record.is_delete);
	assert_true(record.options.if_version == 7);
	ctl_record_deinit(&record);
}

static void check_put_refused(const char *members, const char *why)
{
	char line[256];

	snprintf(line, sizeof(line),
		 "{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\",%s}", members);
	check_refused(CTL_RECORD_BATCH, line, why);
}

static void test_batch_members_are_checked(void **state)
{
	enum ctl_record_kind kind = CTL_RECORD_BATCH;

	(void)state;
	check_refused(kind, "{\"key\":\"k\",\"value\":\"v\"}", "no \"op\"");
	check_refused(kind, "{\"op\":\"get\",\"key\":\"k\"}", "\"op\"");
	check_refused(kind, "{\"op\":null,\"key\":\"k\"}", "\"op\"");
	check_refused(kind,
		      "{\"op\":\"put\\u0000\",\"key\":\"k\",\"value\":\"v\"}",
		      "\"op\"");
	check_refused(kind, "{\"op\":\"put\",\"key\":\"k\"}", "no \"value\"");
	check_refused(kind, "{\"op\":\"delete\"}", "no \"key\"");
	check_refused(kind, "{\"op\":\"delete\",\"key\":\"\"}",
		      "the key is empty");
	check_refused(kind, "{\"op\":\"delete\",\"key\":\"k\",\"value\":\"v\"}",
		      "a delete takes only");
	check_refused(kind, "{\"op\":\"delete\",\"key\":\"k\",\"ttl\":1}",
		      "a delete takes only");
	check_refused(kind,
		      "{\"op\":\"delete\",\"key\":\"k\",\"if_absent\":true}",
		      "a delete takes only");
	check_put_refused("\"expires_at\":1", "unknown member");
	check_put_refused("\"ttl\":0", "\"ttl\"");
	check_put_refused("\"ttl\":-1", "\"ttl\"");
	check_put_refused("\"ttl\":1.5", "\"ttl\"");
	check_put_refused("\"ttl\":null", "\"ttl\"");
	check_put_refused("\"ttl\":9223372036854775807", "\"ttl\"");
	check_put_refused("\"ttl\":\"0s\"", "at least 1 ms");
	check_put_refused("\"ttl\":\"-1s\"", "not a time");
	check_put_refused("\"ttl\":\"1s\\u0000\"", "\"ttl\"");
	check_put_refused("\"ttl\":\"999999999999d\"", "too long");
	check_put_refused("\"if_absent\":1", "\"if_absent\"");
	check_put_refused("\"if_absent\":null", "\"if_absent\"");
	check_put_refused("\"if_version\":0", "\"if_version\"");
	check_put_refused("\"if_version\":-1", "\"if_version\"");
	check_put_refused("\"if_version\":\"1\"", "\"if_version\"");
	check_put_refused("\"if_version\":1,\"if_absent\":true",
			  "exclude each other");
}

static void check_round_trip(const void *key, size_t key_len, const void *value,
			     size_t value_len, int64_t expires_at_ms)
{
	const struct getme_bytes key_bytes = { key, key_len };
	const struct getme_value value_in = { value, value_len, 1,
					      expires_at_ms };
	struct ctl_record record;
	char *line = NULL;
	size_t len;
	char why[256];
	FILE *out = open_memstream(&line, &len);

	assert_non_null(out);
	ctl_json_write_record(out, &key_bytes, &value_in);
	assert_int_equal(fclose(out), 0);
	assert_null(memchr(line, '\n', len - 1));
	assert_int_equal(ctl_record_parse(&record, CTL_RECORD_IMPORT, line,
					  len - 1, why, sizeof(why)),
			 0);
	check_bytes(&record.key, key, key_len);
	check_bytes(&record.value, value, value_len);
	assert_true(record.options.expires_at_ms ==
		    (expires_at_ms < 0 ? 0 : expires_at_ms));
	ctl_record_deinit(&record);
	free(line);
}

static void test_what_export_writes_import_reads(void **state)
{
	unsigned char all[512];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)i;
	check_round_trip("k", 1, NULL, 0, -1);
	check_round_trip("k\n\"\\", 4, "\0\n", 2, 1);
	check_round_trip("\xff", 1, all, sizeof(all), INT64_MAX);
	check_round_trip(all, 128, all + 128, 128, 1700000000000);
	for (size_t i = 0; i < 256; i++)
		check_round_trip(all + i, 1, all + i, 2, -1);
}

static void test_blank_lines(void **state)
{
	(void)state;
	assert_true(ctl_record_is_blank("", 0));
	assert_true(ctl_record_is_blank(" \t\r", 3));
	assert_false(ctl_record_is_blank(" x", 2));
	assert_false(ctl_record_is_blank("\0", 1));
	assert_false(ctl_record_is_blank("\f", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import_lines),
		cmocka_unit_test(test_unicode_in_every_spelling),
		cmocka_unit_test(test_text_that_is_no_json),
		cmocka_unit_test(test_nul_bytes_in_a_line_are_refused),
		cmocka_unit_test(test_deep_nesting_is_refused),
		cmocka_unit_test(test_import_members_are_checked),
		cmocka_unit_test(test_expires_at_is_a_positive_whole_number),
		cmocka_unit_test(test_key_lengths),
		cmocka_unit_test(test_batch_lines),
		cmocka_unit_test(test_batch_members_are_checked),
		cmocka_unit_test(test_what_export_writes_import_reads),
		cmocka_unit_test(test_blank_lines),
	};

	return cmocka_run_group_tests_name("ctl_record", tests, NULL, NULL);
}
