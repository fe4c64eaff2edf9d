#include "client/ctl_base64.h"

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

/* The base64 of LEN bytes; free() it. */
static char *encoded(const void *data, size_t len)
{
	char *text = NULL;
	size_t text_len;
	FILE *out = open_memstream(&text, &text_len);

	assert_non_null(out);
	ctl_base64_write(out, data, len);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), text_len);
	return text;
}

static void check_pair(const char *plain, const char *text)
{
	char *got = encoded(plain, strlen(plain));
	void *data;
	size_t len;

	assert_string_equal(got, text);
	free(got);
	assert_int_equal(ctl_base64_decode(text, strlen(text), &data, &len), 0);
	assert_int_equal(len, strlen(plain));
	assert_memory_equal(data, plain, len);
	free(data);
}

static void test_vectors_of_rfc_4648(void **state)
{
	(void)state;
	check_pair("", "");
	check_pair("f", "Zg==");
	check_pair("fo", "Zm8=");
	check_pair("foo", "Zm9v");
	check_pair("foob", "Zm9vYg==");
	check_pair("fooba", "Zm9vYmE=");
	check_pair("foobar", "Zm9vYmFy");
}

static void test_every_byte_and_length_round_trips(void **state)
{
	unsigned char plain[3 * 4096];

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t n = 0; n < sizeof(plain); n = n < 300 ? n + 1 : n + 1021) {
		char *text = encoded(plain, n);
		void *data;
		size_t len;

		assert_int_equal(
			ctl_base64_decode(text, strlen(text), &data, &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(data, plain, n);
		free(data);
		free(text);
	}
}

/* Where the encoder's own buffer is full: 3 x 1024 bytes. */
static void test_encoder_buffer_boundaries(void **state)
{
	static const size_t lens[] = { 3071, 3072, 3073, 6143, 6144, 6145 };
	unsigned char plain[6145];

	(void)state;
	memset(plain, 0xff, sizeof(plain));
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *text = encoded(plain, lens[i]);
		size_t n = strlen(text);

		assert_int_equal(n, (lens[i] + 2) / 3 * 4);
		assert_int_equal(strspn(text, "/"), lens[i] * 8 / 6);
		free(text);
	}
}

static void test_other_text_is_refused(void **state)
{
	static const char *const bad[] = {
		"Z",	    "Zg",	"Zg=",	      "Zg===",	  "====",
		"=",	    "Zg==Zg==", "Z===",	      "Zm=v",	  "Zm9v\n",
		" Zm9",	    "Zm9-",	"Zm9_",	      "Zh==",	  "Zm9=",
		"Zm9v====", "Zg= =",	"Zm\xc3\xa9", "Zm9vYg=x", "=m9v",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		void *data = NULL;
		size_t len = 7;

		assert_int_equal(
			ctl_base64_decode(bad[i], strlen(bad[i]), &data, &len),
			-EINVAL);
		assert_null(data);
		assert_int_equal(len, 7);
	}
}

static void test_nul_inside_is_refused(void **state)
{
	void *data;
	size_t len;

	(void)state;
	assert_int_equal(ctl_base64_decode("Zm\0v", 4, &data, &len), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_of_rfc_4648),
		cmocka_unit_test(test_every_byte_and_length_round_trips),
		cmocka_unit_test(test_encoder_buffer_boundaries),
		cmocka_unit_test(test_other_text_is_refused),
		cmocka_unit_test(test_nul_inside_is_refused),
	};

	return cmocka_run_group_tests_name("ctl_base64", tests, NULL, NULL);
}
