#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/entry.h"
#include "tests/support/segment_maker.h"

enum {
	ID = 7,
	OFF = 4096,
};

/* Decodes from a block of exactly LEN bytes, so that ASan sees its end. */
static int decode_exact(const uint8_t *image, size_t len, uint64_t limit,
			uint32_t id, uint64_t off, size_t *need)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct entry entry;
	int result;

	assert_non_null(copy);
	memcpy(copy, image, len);
	if (len == 0) {
		free(copy);
		copy = NULL;
	}
	result = entry_decode(copy, len, limit, id, off, &entry, need);
	free(copy);
	return result;
}

static const struct maker_entry plain = {
	.key = "key", .value = "some value", .sequence = 77, .synced_off = 2048
};
static const struct maker_entry expiring = { .key = "session",
					     .value = "x",
					     .sequence = 78,
					     .expires_at_ms = 1800000000000 };
static const struct maker_entry tombstone = { .kind = ENTRY_TOMBSTONE,
					      .key = "gone",
					      .sequence = 79 };
static const struct maker_entry empty_value = { .key = "e", .sequence = 80 };

static const struct maker_entry *const samples[] = { &plain, &expiring,
						     &tombstone, &empty_value };
enum { N_SAMPLES = sizeof(samples) / sizeof(samples[0]) };

static void expect_round_trip(const struct maker_entry *from)
{
	size_t len;
	size_t need;
	uint8_t *image = maker_image(from, ID, OFF, &len);
	struct entry entry;

	assert_int_equal(len % 8, 0);
	assert_int_equal(entry_decode(image, len, len, ID, OFF, &entry, &need),
			 0);
	assert_int_equal(entry.kind, from->kind ? from->kind : ENTRY_PUT);
	assert_int_equal(entry_total_len(&entry), len);
	assert_true(entry.sequence == from->sequence);
	assert_true(entry.synced_off == from->synced_off);
	assert_true(entry.expires_at_ms == from->expires_at_ms);
	assert_true(entry.timestamp_ms == 1700000000000);
	assert_int_equal(!!(entry.flags & ENTRY_HAS_EXPIRY),
			 from->expires_at_ms != 0);
	assert_ptr_equal(entry.key + entry.key_len,
			 image + entry_value_off(&entry));
	assert_memory_equal(entry.key, from->key, entry.key_len);
	if (from->value)
		assert_memory_equal(image + entry_value_off(&entry),
				    from->value, entry.value_len);
	assert_true(entry_value_ok(&entry, image + entry_value_off(&entry)));
	free(image);
}

static void test_what_was_encoded_is_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++)
		expect_round_trip(samples[i]);
}

/* Documented in the header, and in every file that exists. */
static void test_layout_never_changes(void **state)
{
	static const uint8_t expected[] = {
		0,    0,    0,	  0,	0,    0,    0,	  0,	1, 1, 3, 0,
		2,    0,    0,	  0,	8,    7,    6,	  5,	4, 3, 2, 1,
		0x00, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0x00, 0x00, 2, 0, 0, 0,
		0,    0,    0,	  0,	5,    0,    0,	  0,	0, 0, 0, 0,
		'k',  'e',  'y',  'v',	'v',  0,    0,	  0,
	};
	const struct maker_entry from = {
		.key = "key",
		.value = "vv",
		.sequence = UINT64_C(0x0102030405060708),
		.synced_off = 16,
		.expires_at_ms = 5,
	};
	size_t len;
	uint8_t *image = maker_image(&from, ID, OFF, &len);

	(void)state;
	assert_int_equal(len, sizeof(expected));
	assert_memory_equal(image + 8, expected + 8, len - 8);
	assert_int_equal(bytes_get32(image), 0xd30e10e6);
	assert_int_equal(bytes_get32(image + 4), 0x276c41d4);
	free(image);
}

static void expect_edge(size_t key_len, size_t value_len, uint64_t expires)
{
	char *key = calloc(1, key_len);
	char *value = calloc(1, value_len + 1);
	const struct maker_entry from = {
		.key = key,
		.key_len = key_len,
		.value = value,
		.value_len = value_len,
		.sequence = 1,
		.expires_at_ms = expires,
	};

	memset(key, 'k', key_len);
	memset(value, 'v', value_len);
	assert_int_equal(entry_len(key_len, value_len, expires != 0) % 8, 0);
	expect_round_trip(&from);
	free(value);
	free(key);
}

static void test_sizes_at_their_edges(void **state)
{
	static const size_t key_lens[] = { 1, 2, 7, 8, 9, 65534, 65535 };

	(void)state;
	for (size_t i = 0; i < sizeof(key_lens) / sizeof(key_lens[0]); i++) {
		/* eight in a row: every padding */
		for (size_t value_len = 0; value_len < 8; value_len++) {
			expect_edge(key_lens[i], value_len, 0);
			expect_edge(key_lens[i], value_len, 1);
		}
		expect_edge(key_lens[i], 300000, UINT64_MAX);
	}
}

static void test_every_truncation_asks_for_more_or_is_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		size_t len;
		uint8_t *image = maker_image(samples[i], ID, OFF, &len);

		for (size_t cut = 0; cut < len; cut++) {
			size_t need = 0;
			int result =
				decode_exact(image, cut, len, ID, OFF, &need);

			/* header and key may be there while the value is not */
			if (result != 0) {
				assert_int_equal(result, ENTRY_PARTIAL);
				assert_true(need > cut);
				assert_true(need <= len);
			}
			/* the segment ends there: never an entry */
			assert_int_equal(
				decode_exact(image, cut, cut, ID, OFF, &need),
				ENTRY_BAD);
		}
		free(image);
	}
}

/* A flipped bit is seen by one of the two CRCs, and by the right one. */
static void test_every_flipped_bit_is_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		size_t len;
		uint8_t *image = maker_image(samples[i], ID, OFF, &len);
		struct entry good;
		size_t head;
		size_t need;

		assert_int_equal(
			entry_decode(image, len, len, ID, OFF, &good, &need),
			0);
		head = entry_value_off(&good);
		for (size_t bit = 0; bit < len * 8; bit++) {
			struct entry entry;
			int result;

			image[bit / 8] ^= (uint8_t)(1 << bit % 8);
			result = decode_exact(image, len, len, ID, OFF, &need);
			if (bit / 8 < head) {
				assert_int_not_equal(result, 0);
			} else {
				assert_int_equal(entry_decode(image, len, len,
							      ID, OFF, &entry,
							      &need),
						 0);
				assert_memory_equal(entry.key, samples[i]->key,
						    entry.key_len);
				assert_false(
					entry_value_ok(&entry, image + head));
			}
			image[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		free(image);
	}
}

static void test_an_image_elsewhere_is_no_entry(void **state)
{
	size_t len;
	size_t need;
	uint8_t *image = maker_image(&plain, ID, OFF, &len);

	(void)state;
	assert_int_equal(decode_exact(image, len, len, ID, OFF, &need), 0);
	assert_int_equal(decode_exact(image, len, len, ID, OFF + 8, &need),
			 ENTRY_BAD);
	assert_int_equal(decode_exact(image, len, len, ID, OFF - 8, &need),
			 ENTRY_BAD);
	assert_int_equal(decode_exact(image, len, len, ID,
				      OFF + (UINT64_C(1) << 32), &need),
			 ENTRY_BAD);
	assert_int_equal(decode_exact(image, len, len, ID + 1, OFF, &need),
			 ENTRY_BAD);
	/* the index holds 24 bits of an id, the seed all */
	assert_int_equal(
		decode_exact(image, len, len, ID + (1 << 24), OFF, &need),
		ENTRY_BAD);
	free(image);
}

/* Makes the CRC true again, so that only the rule under test can refuse. */
static int decode_changed(const struct maker_entry *from, size_t at,
			  uint8_t byte)
{
	size_t len;
	size_t need = 0;
	uint8_t *image = maker_image(from, ID, OFF, &len);
	uint8_t *big = calloc(1, 1 << 17);
	int result;

	memcpy(big, image, len);
	big[at] = byte;
	entry_seal(big, big + 48, 1, 0, ID, OFF);
	if (at >= 36 && at < 40)
		big[at] = byte;
	result = decode_exact(big, 1 << 17, 1 << 17, ID, OFF, &need);
	free(big);
	free(image);
	return result;
}

static void test_rules_hold_under_a_good_crc(void **state)
{
	const struct maker_entry short_entry = { .key = "k", .sequence = 1 };

	(void)state;
	assert_int_equal(decode_changed(&short_entry, 8, ENTRY_PUT), 0);
	assert_int_equal(decode_changed(&short_entry, 8, ENTRY_TOMBSTONE), 0);
	/* kinds that are none */
	assert_int_equal(decode_changed(&short_entry, 8, 0), ENTRY_BAD);
	assert_int_equal(decode_changed(&short_entry, 8, 4), ENTRY_BAD);
	assert_int_equal(decode_changed(&short_entry, 8, 255), ENTRY_BAD);
	/* a batch head has no key */
	assert_int_equal(decode_changed(&short_entry, 8, ENTRY_BATCH),
			 ENTRY_BAD);
	/* a flag that nobody knows */
	assert_int_equal(decode_changed(&short_entry, 9, 4), ENTRY_BAD);
	/* a put without a key, a tombstone with a value or an expiry */
	assert_int_equal(decode_changed(&short_entry, 10, 0), ENTRY_BAD);
	assert_int_equal(decode_changed(&tombstone, 12, 1), ENTRY_BAD);
	assert_int_equal(decode_changed(&tombstone, 9, ENTRY_HAS_EXPIRY),
			 ENTRY_BAD);
	/* a value beyond the limit of the segment */
	assert_int_equal(decode_changed(&short_entry, 14, 2), ENTRY_BAD);
	/* reserved bytes */
	assert_int_equal(decode_changed(&short_entry, 36, 1), ENTRY_BAD);
}

static void test_sizes_are_checked_before_anything_is_asked_for(void **state)
{
	size_t need = 0;
	uint8_t head[ENTRY_HEAD_LEN] = { 0 };

	(void)state;
	head[8] = ENTRY_PUT;
	bytes_put16(head + 10, 65535);
	bytes_put32(head + 12, UINT32_MAX);
	assert_int_equal(
		decode_exact(head, sizeof(head), UINT64_MAX, ID, OFF, &need),
		ENTRY_BAD);
	bytes_put32(head + 12, ENTRY_VALUE_MAX);
	assert_int_equal(decode_exact(head, sizeof(head), ENTRY_VALUE_MAX, ID,
				      OFF, &need),
			 ENTRY_BAD);
	assert_int_equal(
		decode_exact(head, sizeof(head), UINT64_MAX, ID, OFF, &need),
		ENTRY_PARTIAL);
	assert_int_equal(need, ENTRY_HEAD_LEN + 65535);
}

static void test_zeros_are_no_entry(void **state)
{
	uint8_t zeros[64] = { 0 };
	size_t need;

	(void)state;
	assert_int_equal(decode_exact(zeros, 64, 64, ID, OFF, &need),
			 ENTRY_BAD);
	assert_int_equal(decode_exact(zeros, 0, 0, ID, OFF, &need), ENTRY_BAD);
	assert_int_equal(decode_exact(zeros, 39, 39, ID, OFF, &need),
			 ENTRY_BAD);
}

/* A compaction gives an entry a new place, its value as it is. */
static void expect_moved(const struct maker_entry *from, bool damaged)
{
	size_t len;
	uint8_t *image = maker_image(from, 1, 64, &len);
	struct entry before;
	struct entry after;
	size_t need;

	assert_int_equal(entry_decode(image, len, len, 1, 64, &before, &need),
			 0);
	if (damaged)
		image[len - 1] ^= 1;
	entry_move(image, 4096, 9, 800);
	assert_int_equal(entry_decode(image, len, len, 1, 64, &after, &need),
			 ENTRY_BAD);
	assert_int_equal(entry_decode(image, len, len, 9, 800, &after, &need),
			 0);
	assert_int_equal(after.kind, before.kind);
	assert_int_equal(after.flags, before.flags & ~ENTRY_IN_BATCH);
	assert_true(after.sequence == before.sequence);
	assert_true(after.timestamp_ms == before.timestamp_ms);
	assert_true(after.expires_at_ms == before.expires_at_ms);
	assert_int_equal(after.value_len, before.value_len);
	assert_int_equal(after.key_len, before.key_len);
	assert_true(after.synced_off == 4096);
	assert_true(entry_value_ok(&after, image + entry_value_off(&after)) ==
		    !damaged);
	free(image);
}

static void test_a_moved_entry_is_one_at_its_new_place_alone(void **state)
{
	(void)state;
	expect_moved(&(struct maker_entry){ .key = "key",
					    .value = "value",
					    .sequence = 77 },
		     false);
	expect_moved(&(struct maker_entry){ .key = "k", .sequence = 1 }, false);
	expect_moved(&(struct maker_entry){ .kind = ENTRY_TOMBSTONE,
					    .key = "gone",
					    .sequence = 78 },
		     false);
	expect_moved(&(struct maker_entry){ .flags = ENTRY_IN_BATCH,
					    .key = "member",
					    .value = "value",
					    .sequence = 79,
					    .expires_at_ms = 5000 },
		     false);
}

static void test_41_a_moved_entry_is_as_damaged_as_it_was(void **state)
{
	(void)state;
	expect_moved(&(struct maker_entry){ .key = "key",
					    .value = "a value",
					    .sequence = 77 },
		     true);
}

static void test_batch_value_round_trip_and_bounds(void **state)
{
	uint8_t value[ENTRY_BATCH_VALUE_LEN];
	uint64_t run_len = 0;
	uint32_t count = 0;

	(void)state;
	entry_batch_put(value, 3, 3 * 48);
	assert_int_equal(entry_batch_get(value, &count, &run_len), 0);
	assert_int_equal(count, 3);
	assert_int_equal(run_len, 3 * 48);
	entry_batch_put(value, 0, 48);
	assert_int_equal(entry_batch_get(value, &count, &run_len), ENTRY_BAD);
	entry_batch_put(value, ENTRY_BATCH_MAX + 1, UINT64_C(1) << 30);
	assert_int_equal(entry_batch_get(value, &count, &run_len), ENTRY_BAD);
	entry_batch_put(value, 2, 2 * ENTRY_HEAD_LEN - 8);
	assert_int_equal(entry_batch_get(value, &count, &run_len), ENTRY_BAD);
	entry_batch_put(value, 1, 49);
	assert_int_equal(entry_batch_get(value, &count, &run_len), ENTRY_BAD);
	entry_batch_put(value, 1, 48);
	value[4] = 1;
	assert_int_equal(entry_batch_get(value, &count, &run_len), ENTRY_BAD);
	/* untouched by what failed */
	assert_int_equal(count, 3);
	assert_int_equal(run_len, 3 * 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_encoded_is_decoded),
		cmocka_unit_test(test_layout_never_changes),
		cmocka_unit_test(test_sizes_at_their_edges),
		cmocka_unit_test(test_every_truncation_asks_for_more_or_is_bad),
		cmocka_unit_test(test_every_flipped_bit_is_seen),
		cmocka_unit_test(test_an_image_elsewhere_is_no_entry),
		cmocka_unit_test(test_rules_hold_under_a_good_crc),
		cmocka_unit_test(
			test_sizes_are_checked_before_anything_is_asked_for),
		cmocka_unit_test(test_zeros_are_no_entry),
		cmocka_unit_test(
			test_a_moved_entry_is_one_at_its_new_place_alone),
		cmocka_unit_test(test_41_a_moved_entry_is_as_damaged_as_it_was),
		cmocka_unit_test(test_batch_value_round_trip_and_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
