#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/record.h"

enum {
	ID = 7,
	OFF = 64,
};

static const uint8_t secret[DIGEST_SECRET_LEN] = "a test's secret";
static uint8_t value[10000];

/* Seals item I as the log would, decodes it, and looks at its value. */
static void expect_item(struct record *record, uint32_t i,
			const struct record_op *op, bool in_batch)
{
	const struct log_item *item = record_item(record, i);
	const uint8_t *bytes =
		item->value ? item->value : item->head + item->head_len;
	struct entry entry;
	size_t need;

	entry_seal(item->head, bytes, 1, 0, ID, OFF);
	assert_int_equal(entry_decode(item->head, item->head_len, item->len, ID,
				      OFF, &entry, &need),
			 0);
	assert_int_equal(entry.kind,
			 op->is_delete ? ENTRY_TOMBSTONE : ENTRY_PUT);
	assert_int_equal(entry_total_len(&entry), item->len);
	assert_int_equal(item->len % 8, 0);
	assert_int_equal(!!(entry.flags & ENTRY_IN_BATCH), in_batch);
	assert_true(entry.expires_at_ms == op->expires_at_ms);
	assert_int_equal(entry.key_len, op->key_len);
	assert_memory_equal(entry.key, op->key, op->key_len);
	assert_int_equal(entry.value_len, op->value_len);
	if (op->value_len > 0)
		assert_memory_equal(bytes, op->value, op->value_len);
	/* padded with zeros where it was copied */
	if (!item->value)
		assert_true(entry_value_ok(&entry, bytes));
}

static void expect_record(const struct record_op *ops, size_t n, bool removes)
{
	struct record *record = record_new(ops, n, secret, 1700000000000);
	uint64_t len = 0;

	assert_non_null(record);
	assert_int_equal(record->n_ops, n);
	assert_int_equal(record->log.n_items, n + (n > 1));
	assert_int_equal(record->log.kind, LOG_WRITE);
	assert_int_equal(record->log.removes, removes);
	for (uint32_t i = 0; i < n; i++) {
		struct digest digest =
			digest_of(secret, ops[i].key, ops[i].key_len);

		expect_item(record, i, &ops[i], n > 1);
		assert_true(record->digests[i].lo == digest.lo);
		assert_int_equal(record->digests[i].hi, digest.hi);
		assert_int_equal(record->deletes[i], ops[i].is_delete);
		assert_true(record->expires_at_ms[i] == ops[i].expires_at_ms);
	}
	for (uint32_t i = 0; i < record->log.n_items; i++)
		len += record->log.items[i].len;
	assert_true(record->log.len == len);
	if (n > 1) {
		uint64_t run_len = 0;
		uint32_t count = 0;
		const struct log_item *head = &record->log.items[0];

		assert_int_equal(entry_batch_get(head->head + head->head_len,
						 &count, &run_len),
				 0);
		assert_int_equal(count, n);
		assert_true(run_len == len - head->len);
	}
	record_free(record);
}

static struct record_op make_op(const char *key, uint32_t value_len,
				uint64_t expires_at_ms)
{
	return (struct record_op){ .key = key,
				   .key_len = (uint16_t)strlen(key),
				   .value = value,
				   .value_len = value_len,
				   .expires_at_ms = expires_at_ms };
}

static void test_puts_of_all_sizes(void **state)
{
	static const uint32_t lens[] = { 0, 1, 7, 8, 4095, 4096, 4097, 9999 };

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct record_op op = make_op("key", lens[i], 0);

		expect_record(&op, 1, false);
		op = make_op("another key", lens[i], 5);
		expect_record(&op, 1, false);
	}
}

static void test_deletes(void **state)
{
	const struct record_op op = { .is_delete = true,
				      .key = "key",
				      .key_len = 3 };
	struct record_op ops[2];

	(void)state;
	expect_record(&op, 1, true);
	ops[0] = op;
	ops[1] = op;
	expect_record(ops, 2, true);
}

static void test_batches_of_everything(void **state)
{
	struct record_op ops[6] = {
		make_op("a", 0, 0),
		make_op("bb", 9999, 7),
		make_op("ccc", 4096, 0),
		{ .is_delete = true, .key = "dddd", .key_len = 4 },
		make_op("e", 4097, 0),
		make_op("f", 3, 9),
	};

	(void)state;
	for (size_t n = 1; n <= 6; n++)
		expect_record(ops, n, false);
}

static void test_the_largest_batch(void **state)
{
	struct record_op *ops = calloc(ENTRY_BATCH_MAX, sizeof(*ops));

	(void)state;
	for (size_t i = 0; i < ENTRY_BATCH_MAX; i++)
		ops[i] = make_op("key", (uint32_t)(i % 9), i % 2);
	expect_record(ops, ENTRY_BATCH_MAX, false);
	free(ops);
}

/* Values are not touched: a record of this size is only told about. */
static void test_more_than_2_gib_is_refused(void **state)
{
	const struct record_op op = make_op("key", ENTRY_VALUE_MAX, 0);
	const struct record_op ops[2] = { op, op };

	(void)state;
	assert_null(record_new(ops, 2, secret, 0));
}

static void test_special_records(void **state)
{
	struct record *record = record_new_special(LOG_CLEAR);

	(void)state;
	assert_int_equal(record->log.kind, LOG_CLEAR);
	assert_int_equal(record->log.n_items, 0);
	record_free(record);
	record_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_puts_of_all_sizes),
		cmocka_unit_test(test_deletes),
		cmocka_unit_test(test_batches_of_everything),
		cmocka_unit_test(test_the_largest_batch),
		cmocka_unit_test(test_more_than_2_gib_is_refused),
		cmocka_unit_test(test_special_records),
	};

	memset(value, 'v', sizeof(value));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
