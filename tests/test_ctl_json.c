#include "client/ctl_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the first four above */
#include <cmocka.h>

#include <jansson.h>

/* What a function wrote; free() it. */
struct written {
	char *text;
	size_t len;
	FILE *out;
};

static void begin(struct written *written)
{
	written->out = open_memstream(&written->text, &written->len);
	assert_non_null(written->out);
}

static void end(struct written *written, const char *expected)
{
	assert_int_equal(fclose(written->out), 0);
	assert_string_equal(written->text, expected);
	free(written->text);
}

struct sample {
	const char *bytes;
	size_t len;
};
#define SAMPLE(text)                                                           \
	{                                                                      \
		text, sizeof(text) - 1                                         \
	}

static void test_utf8_that_is_well_formed(void **state)
{
	static const struct sample good[] = {
		SAMPLE(""),
		SAMPLE("a"),
		SAMPLE("\0"),
		SAMPLE("\x7f"),
		SAMPLE("\xc2\x80"),
		SAMPLE("\xdf\xbf"),
		SAMPLE("\xe0\xa0\x80"),
		SAMPLE("\xed\x9f\xbf"),
		SAMPLE("\xee\x80\x80"),
		SAMPLE("\xef\xbf\xbf"),
		SAMPLE("\xf0\x90\x80\x80"),
		SAMPLE("\xf4\x8f\xbf\xbf"),
		SAMPLE("a\0b\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(ctl_json_is_utf8(good[i].bytes, good[i].len));
	assert_true(ctl_json_is_utf8(NULL, 0));
}

static void test_utf8_that_is_ill_formed(void **state)
{
	static const struct sample bad[] = {
		SAMPLE("\x80"),		    /* a continuation alone */
		SAMPLE("\xbf"),		    /* another */
		SAMPLE("\xc0\x80"),	    /* overlong U+0000 */
		SAMPLE("\xc1\xbf"),	    /* overlong U+007F */
		SAMPLE("\xe0\x80\x80"),	    /* overlong */
		SAMPLE("\xe0\x9f\xbf"),	    /* overlong U+07FF */
		SAMPLE("\xf0\x80\x80\x80"), /* overlong */
		SAMPLE("\xf0\x8f\xbf\xbf"), /* overlong U+FFFF */
		SAMPLE("\xed\xa0\x80"),	    /* U+D800, a surrogate */
		SAMPLE("\xed\xbf\xbf"),	    /* U+DFFF, a surrogate */
		SAMPLE("\xf4\x90\x80\x80"), /* U+110000 */
		SAMPLE("\xf5\x80\x80\x80"), /* never a first byte */
		SAMPLE("\xff"),		    /* never a byte */
		SAMPLE("\xfe"),		    /* never a byte */
		SAMPLE("\xf8\x88\x80\x80\x80"),
		SAMPLE("\xc2"),		/* cut off */
		SAMPLE("\xe2\x82"),	/* cut off */
		SAMPLE("\xf0\x9f\x98"), /* cut off */
		SAMPLE("\xc2 "),	/* no continuation */
		SAMPLE("\xe2\x82 "),	/* no continuation */
		SAMPLE("\xf0\x9f\x98 "),
		SAMPLE("\xc2\xc2\x80"),
		SAMPLE("good\xc3\xa9 then \x80"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ctl_json_is_utf8(bad[i].bytes, bad[i].len));
}

static void check_string(const char *bytes, size_t len, const char *expected)
{
	struct written written;

	begin(&written);
	ctl_json_write_string(written.out, bytes, len);
	end(&written, expected);
}

static void test_only_what_json_demands_is_escaped(void **state)
{
	(void)state;
	check_string("", 0, "\"\"");
	check_string(NULL, 0, "\"\"");
	check_string("abc", 3, "\"abc\"");
	check_string("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
	check_string("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
	check_string("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"");
	check_string("\"", 1, "\"\\\"\"");
	check_string("\"\"x", 3, "\"\\\"\\\"x\"");
	check_string("\xc3\xa9\xf0\x9f\x98\x80", 6,
		     "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

/* Another parser reads every character that we write as what it was. */
static void test_strings_are_read_back_by_a_json_parser(void **state)
{
	char bytes[128];
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	json_t *json;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	assert_non_null(out);
	ctl_json_write_string(out, bytes, sizeof(bytes));
	assert_int_equal(fclose(out), 0);
	json = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_true(json_is_string(json));
	assert_int_equal(json_string_length(json), sizeof(bytes));
	assert_memory_equal(json_string_value(json), bytes, sizeof(bytes));
	json_decref(json);
	free(text);
}

static void test_bytes_are_text_or_base64(void **state)
{
	struct written written;

	(void)state;
	begin(&written);
	ctl_json_write_bytes(written.out, "key", "k\0", 2);
	end(&written, "\"key\":\"k\\u0000\"");
	begin(&written);
	ctl_json_write_bytes(written.out, "key", "\xff\xfe", 2);
	end(&written, "\"key_b64\":\"//4=\"");
	begin(&written);
	ctl_json_write_bytes(written.out, "value", NULL, 0);
	end(&written, "\"value\":\"\"");
}

static const struct getme_bytes key = { "k", 1 };

static void test_item_forms(void **state)
{
	struct getme_value value = { "v\xff", 2, 12, -1 };
	struct written written;

	(void)state;
	begin(&written);
	ctl_json_write_item(written.out, &key, &value, true);
	end(&written, "{\"key\":\"k\",\"value_b64\":\"dv8=\",\"version\":12,"
		      "\"size\":2,\"expires_at\":null}\n");
	value.expires_at_ms = 1700000000000;
	value.version = UINT64_MAX;
	begin(&written);
	ctl_json_write_item(written.out, &key, &value, false);
	end(&written, "{\"key\":\"k\",\"version\":18446744073709551615,"
		      "\"size\":2,\"expires_at\":1700000000000}\n");
	begin(&written);
	ctl_json_write_item(written.out, &key, NULL, true);
	end(&written, "{\"key\":\"k\",\"value\":null,\"version\":null,"
		      "\"size\":null,\"expires_at\":null}\n");
}

static void test_record_forms(void **state)
{
	const struct getme_bytes odd_key = { "\x80", 1 };
	struct getme_value value = { NULL, 0, 1, -1 };
	struct written written;

	(void)state;
	begin(&written);
	ctl_json_write_record(written.out, &key, &value);
	end(&written, "{\"key\":\"k\",\"value\":\"\"}\n");
	value.expires_at_ms = 5;
	begin(&written);
	ctl_json_write_record(written.out, &odd_key, &value);
	end(&written,
	    "{\"key_b64\":\"gA==\",\"value\":\"\",\"expires_at\":5}\n");
}

static void test_key_text_for_complaints(void **state)
{
	char *text = ctl_json_key_text(&key);

	(void)state;
	assert_string_equal(text, "\"key\":\"k\"");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_that_is_well_formed),
		cmocka_unit_test(test_utf8_that_is_ill_formed),
		cmocka_unit_test(test_only_what_json_demands_is_escaped),
		cmocka_unit_test(test_strings_are_read_back_by_a_json_parser),
		cmocka_unit_test(test_bytes_are_text_or_base64),
		cmocka_unit_test(test_item_forms),
		cmocka_unit_test(test_record_forms),
		cmocka_unit_test(test_key_text_for_complaints),
	};

	return cmocka_run_group_tests_name("ctl_json", tests, NULL, NULL);
}
