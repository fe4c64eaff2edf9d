/*
 * Reading through a real index from segments in a simulated file system; the
 * source can be told what happens between lookup and read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/index.h"
#include "common/view.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	CAPACITY = 4 << 20,
	ID = (1 << 24) + 5, /* its low 24 bits are 5 */
	NOW_MS = 1000000,
};

static struct simfs *fs;
static struct io *io;
static struct segment *segment;
static struct index *table;
static struct view view;
static struct view_buffer buffer;
static uint64_t now_ms;

/* What the source does, and did. */
static int n_reads;
static size_t longest_read;
static int read_error;
static void (*before_read)(void);

static const uint8_t secret[DIGEST_SECRET_LEN] = "a test's secret";

static int source_read(void *ctx, uint32_t low_bits, uint64_t off, void *data,
		       size_t len, uint32_t *segment_id, uint64_t *rest)
{
	(void)ctx;
	assert_non_null(data);
	n_reads++;
	if (len > longest_read)
		longest_read = len;
	if (before_read) {
		void (*hook)(void) = before_read;

		before_read = NULL;
		hook();
	}
	if (read_error)
		return read_error;
	if (low_bits != (ID & 0xffffff) || off > segment->len ||
	    len > segment->len - off)
		return -ENODATA;
	*segment_id = segment->id;
	*rest = segment->len - off;
	return io_pread_full(io, segment->fd, data, len, off);
}

static uint64_t source_clock(void *ctx)
{
	(void)ctx;
	return now_ms;
}

static int set_up(void **state)
{
	struct index_options options = { .may_allocate = NULL };

	(void)state;
	memcpy(options.secret, secret, sizeof(secret));
	fs = simfs_new();
	io = simfs_io(fs);
	segment = maker_segment(io, "/", ID, CAPACITY);
	assert_int_equal(index_new(&options, &table), 0);
	view = (struct view){ .map = index_map(table),
			      .source = { .read = source_read,
					  .clock_ms = source_clock } };
	now_ms = NOW_MS;
	n_reads = 0;
	longest_read = 0;
	read_error = 0;
	before_read = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	view_buffer_deinit(&buffer);
	index_free(table);
	segment_free(io, segment);
	simfs_free(fs);
	return 0;
}

static struct digest digest_text(const char *key)
{
	return digest_of(secret, key, strlen(key));
}

static void point(const char *key, uint64_t off, uint32_t len8)
{
	const struct index_place place = { .segment = ID & 0xffffff,
					   .off8 = (uint32_t)(off / 8),
					   .len8 = len8 };
	struct digest digest = digest_text(key);
	struct index_place old;

	assert_int_equal(index_reserve(table, &digest, 1, 0), 0);
	assert_true(index_put(table, &digest, &place, &old) >= 0);
}

static uint64_t put_entry(const struct maker_entry *from)
{
	uint64_t off = maker_append(io, segment, from);

	point(from->key, off, (uint32_t)((segment->len - off) / 8));
	return off;
}

static uint64_t put(const char *key, const char *value, uint64_t sequence)
{
	const struct maker_entry from = { .key = key,
					  .value = value,
					  .sequence = sequence };

	return put_entry(&from);
}

static int get(const char *key, enum view_want want, struct view_entry *entry)
{
	struct digest digest = digest_text(key);

	return view_get(&view, &digest, key, strlen(key), want, &buffer, entry);
}

static void expect_found(const char *key, const char *value)
{
	struct view_entry entry;

	assert_int_equal(get(key, VIEW_VALUE, &entry), 0);
	assert_int_equal(entry.key_len, strlen(key));
	assert_memory_equal(entry.key, key, strlen(key));
	assert_int_equal(entry.value_len, strlen(value));
	assert_memory_equal(entry.value, value, strlen(value));
}

static void expect_result(const char *key, int result)
{
	struct view_entry entry;

	assert_int_equal(get(key, VIEW_VALUE, &entry), result);
}

static void test_found_with_one_read(void **state)
{
	struct view_entry entry;

	(void)state;
	put("other", "thing", 1);
	put("key", "value", 2);
	expect_found("key", "value");
	assert_int_equal(n_reads, 1);
	assert_int_equal(get("key", VIEW_VALUE, &entry), 0);
	assert_true(entry.version == 2);
	assert_true(entry.expires_at_ms == 0);
	assert_int_equal(entry.place.segment, 5);
}

static void test_not_found_reads_nothing(void **state)
{
	(void)state;
	put("key", "value", 1);
	expect_result("none", VIEW_NOT_FOUND);
	assert_int_equal(n_reads, 0);
}

static void test_an_empty_value_is_a_value(void **state)
{
	struct view_entry entry;

	(void)state;
	put("key", "", 1);
	assert_int_equal(get("key", VIEW_VALUE, &entry), 0);
	assert_int_equal(entry.value_len, 0);
	assert_non_null(entry.value);
}

static void test_a_head_is_read_without_its_value(void **state)
{
	const struct maker_entry large = { .key = "large",
					   .value_len = 1 << 20,
					   .sequence = 9,
					   .expires_at_ms = NOW_MS + 1 };
	struct view_entry entry;
	uint64_t off;

	(void)state;
	off = put_entry(&large);
	assert_int_equal(get("large", VIEW_HEAD, &entry), 0);
	assert_true(longest_read < 1024);
	assert_int_equal(n_reads, 1);
	assert_null(entry.value);
	assert_int_equal(entry.value_len, 1 << 20);
	assert_true(entry.version == 9);
	assert_true(entry.expires_at_ms == NOW_MS + 1);
	/* so damage in the value is not seen */
	maker_flip(io, segment->fd, off + 1000, 1);
	assert_int_equal(get("large", VIEW_HEAD, &entry), 0);
	assert_int_equal(get("large", VIEW_VALUE, &entry), VIEW_CORRUPT);
}

static void test_expiry_is_that_of_the_clock_at_each_call(void **state)
{
	const struct maker_entry from = { .key = "key",
					  .value = "value",
					  .sequence = 1,
					  .expires_at_ms = NOW_MS };
	struct view_entry entry;

	(void)state;
	put_entry(&from);
	now_ms = NOW_MS - 1;
	expect_found("key", "value");
	now_ms = NOW_MS;
	assert_int_equal(get("key", VIEW_VALUE, &entry), VIEW_EXPIRED);
	/* for lazy removal */
	assert_int_equal(entry.place.off8, SEGMENT_HEADER_LEN / 8);
	assert_int_equal(get("key", VIEW_HEAD, &entry), VIEW_EXPIRED);
	/* the clock was set back */
	now_ms = NOW_MS - 1;
	expect_found("key", "value");
}

static void test_each_flipped_byte_is_corrupt_never_data(void **state)
{
	struct view_entry entry;
	uint64_t off;

	(void)state;
	put("key", "an older value", 1);
	off = put("key", "value", 2);
	for (uint64_t at = off; at < segment->len; at++) {
		maker_flip(io, segment->fd, at, 0x20);
		memset(&entry, 0, sizeof(entry));
		assert_int_equal(get("key", VIEW_VALUE, &entry), VIEW_CORRUPT);
		assert_true(entry.place.off8 == off / 8);
		maker_flip(io, segment->fd, at, 0x20);
	}
	expect_found("key", "value");
}

static void test_places_that_are_nonsense_are_corrupt(void **state)
{
	uint64_t off = put("key", "value", 1);

	(void)state;
	point("key", off + 8, 6);
	expect_result("key", VIEW_CORRUPT);
	point("key", CAPACITY * 4, 6);
	expect_result("key", VIEW_CORRUPT);
	point("key", off, 5);
	expect_result("key", VIEW_CORRUPT);
	point("key", off, 7);
	expect_result("key", VIEW_CORRUPT);
	point("key", off, 0);
	expect_result("key", VIEW_CORRUPT);
	point("key", off, INDEX_LEN8_UNKNOWN - 1);
	expect_result("key", VIEW_CORRUPT);
	point("key", off, 6);
	expect_found("key", "value");
}

/* The first read has memory to go to, although the place asks for none. */
static void test_a_place_without_a_length_is_corrupt(void **state)
{
	uint64_t off = put("key", "value", 1);

	(void)state;
	for (uint32_t len8 = 0; len8 < ENTRY_HEAD_LEN / 8; len8++) {
		view_buffer_deinit(&buffer);
		point("key", off, len8);
		expect_result("key", VIEW_CORRUPT);
	}
}

static void test_a_tombstone_behind_a_place_is_corrupt(void **state)
{
	const struct maker_entry from = { .kind = ENTRY_TOMBSTONE,
					  .key = "key",
					  .sequence = 1 };

	(void)state;
	put_entry(&from);
	expect_result("key", VIEW_CORRUPT);
}

/* Two keys of one digest: only as likely as that, but never wrong. */
static void test_another_key_with_this_digest_is_not_found(void **state)
{
	uint64_t off = put("other", "value", 1);

	(void)state;
	point("key", off, (uint32_t)((segment->len - off) / 8));
	expect_result("key", VIEW_NOT_FOUND);
	off = put("kex", "value", 2);
	point("key", off, (uint32_t)((segment->len - off) / 8));
	expect_result("key", VIEW_NOT_FOUND);
}

static void test_an_entry_whose_size_the_index_cannot_hold(void **state)
{
	struct maker_entry large = { .key = "large",
				     .value_len = 1 << 20,
				     .sequence = 3 };
	uint8_t *value = malloc(large.value_len);
	struct view_entry entry;
	uint64_t off;

	(void)state;
	memset(value, 'v', large.value_len);
	large.value = value;
	off = maker_append(io, segment, &large);
	point("large", off, INDEX_LEN8_UNKNOWN);
	assert_int_equal(get("large", VIEW_VALUE, &entry), 0);
	assert_int_equal(n_reads, 2);
	assert_int_equal(entry.value_len, large.value_len);
	assert_memory_equal(entry.value, value, large.value_len);
	assert_memory_equal(entry.key, "large", 5);
	n_reads = 0;
	assert_int_equal(get("large", VIEW_HEAD, &entry), 0);
	assert_int_equal(n_reads, 1);
	maker_flip(io, segment->fd, off + 500000, 1);
	assert_int_equal(get("large", VIEW_VALUE, &entry), VIEW_CORRUPT);
	free(value);
}

/* A size that is not told, of an entry at the segment's very end. */
/* An entry that is another one at each of its two reads. */
static uint8_t *longer_head;
static uint64_t changing_off;

static void become_longer(void)
{
	assert_int_equal(
		io_pwrite_full(io, segment->fd, longer_head, 200, changing_off),
		0);
}

static void become_longer_at_the_next_read(void)
{
	before_read = become_longer;
}

/*
 * Nobody but a stranger's memory does that.  The buffer still has the longer
 * one's bytes, of when it was whole: they are no part of what was read.
 */
static void test_an_entry_that_grows_between_its_reads(void **state)
{
	const struct maker_entry longer = { .key = "key",
					    .value_len = 3000,
					    .sequence = 1 };
	const struct maker_entry shorter = { .key = "key",
					     .value_len = 200,
					     .sequence = 2 };
	struct view_entry entry;
	uint8_t *image;
	size_t len;

	(void)state;
	changing_off = maker_append(io, segment, &longer);
	longer_head = maker_image(&longer, ID, changing_off, &len);
	point("key", changing_off, INDEX_LEN8_UNKNOWN);
	assert_int_equal(get("key", VIEW_VALUE, &entry), 0);
	assert_int_equal(entry.value_len, 3000);
	maker_flip(io, segment->fd, changing_off + 2000, 1);
	image = maker_image(&shorter, ID, changing_off, &len);
	assert_int_equal(
		io_pwrite_full(io, segment->fd, image, len, changing_off), 0);
	before_read = become_longer_at_the_next_read;
	assert_int_equal(get("key", VIEW_VALUE, &entry), VIEW_CORRUPT);
	free(image);
	free(longer_head);
}

static void test_an_unknown_size_shorter_than_the_first_read(void **state)
{
	uint64_t off = put("k", "v", 1);
	struct view_entry entry;
	struct digest digest = digest_text("k");
	const struct index_place place = { .segment = 5,
					   .off8 = (uint32_t)(off / 8),
					   .len8 = INDEX_LEN8_UNKNOWN };

	(void)state;
	/* such places are of large entries alone: damage, not a crash */
	assert_int_equal(view_read(&view, secret, &digest, &place, VIEW_VALUE,
				   &buffer, &entry),
			 VIEW_CORRUPT);
}

static void move_key(void)
{
	put("key", "moved", 2);
	/* what was there is gone, as after a hole was punched */
	maker_zero(io, segment->fd, SEGMENT_HEADER_LEN,
		   SEGMENT_HEADER_LEN + 48);
}

static void test_an_entry_that_moves_between_lookup_and_read(void **state)
{
	(void)state;
	put("key", "value", 1);
	before_read = move_key;
	expect_found("key", "moved");
	assert_int_equal(n_reads, 2);
}

static void remove_key(void)
{
	struct digest digest = digest_text("key");
	struct index_place old;

	assert_int_equal(index_remove(table, &digest, &old), 0);
	maker_zero(io, segment->fd, SEGMENT_HEADER_LEN,
		   SEGMENT_HEADER_LEN + 48);
}

static void test_an_entry_that_goes_between_lookup_and_read(void **state)
{
	(void)state;
	put("key", "value", 1);
	before_read = remove_key;
	expect_result("key", VIEW_NOT_FOUND);
}

static uint64_t moves;

static void move_again(void)
{
	moves++;
	/* a place that holds nothing; and once more at the next read */
	point("key", SEGMENT_HEADER_LEN + 1024 + moves * 8, 6);
	before_read = move_again;
}

static void test_an_entry_that_moves_for_ever_is_busy(void **state)
{
	(void)state;
	put("key", "value", 1);
	maker_put(io, segment, "filler", "", 2);
	segment->len = SEGMENT_HEADER_LEN + 4096;
	moves = 0;
	point("key", SEGMENT_HEADER_LEN + 1024, 6);
	before_read = move_again;
	expect_result("key", VIEW_BUSY);
	assert_in_range(n_reads, 2, 100);
}

static void test_read_errors_are_told(void **state)
{
	(void)state;
	put("key", "value", 1);
	read_error = -EIO;
	expect_result("key", -EIO);
	read_error = 0;
	expect_found("key", "value");
}

static void test_a_place_from_a_scan(void **state)
{
	uint64_t off = put("key", "value", 1);
	struct index_place place = { .segment = 5,
				     .off8 = (uint32_t)(off / 8),
				     .len8 = 6 };
	struct digest digest = digest_text("key");
	struct digest other = digest_text("other");
	struct view_entry entry;

	(void)state;
	assert_int_equal(view_read(&view, secret, &digest, &place, VIEW_VALUE,
				   &buffer, &entry),
			 0);
	assert_memory_equal(entry.key, "key", 3);
	assert_memory_equal(entry.value, "value", 5);
	assert_int_equal(view_read(&view, secret, &other, &place, VIEW_VALUE,
				   &buffer, &entry),
			 VIEW_NOT_FOUND);
	place.off8++;
	assert_int_equal(view_read(&view, secret, &digest, &place, VIEW_VALUE,
				   &buffer, &entry),
			 VIEW_CORRUPT);
	assert_int_equal(entry.place.off8, place.off8);
}

/* A head whose key is longer than what is read without knowing the key. */
static void test_a_long_key_from_a_scan(void **state)
{
	struct maker_entry from = { .key_len = 60000,
				    .value_len = 100,
				    .sequence = 1 };
	char *key = malloc(60001);
	struct view_entry entry;
	struct index_place place;
	struct digest digest;
	uint64_t off;

	(void)state;
	memset(key, 'k', 60000);
	key[60000] = 0;
	from.key = key;
	off = put_entry(&from);
	digest = digest_text(key);
	place = (struct index_place){ .segment = 5,
				      .off8 = (uint32_t)(off / 8),
				      .len8 = (uint32_t)((segment->len - off) /
							 8) };
	assert_int_equal(view_read(&view, secret, &digest, &place, VIEW_HEAD,
				   &buffer, &entry),
			 0);
	assert_int_equal(entry.key_len, 60000);
	assert_memory_equal(entry.key, key, 60000);
	assert_int_equal(n_reads, 2);
	free(key);
}

static void test_the_buffer_gives_memory_back(void **state)
{
	const struct maker_entry large = { .key = "large",
					   .value_len = 1 << 20,
					   .sequence = 1 };

	(void)state;
	put_entry(&large);
	put("key", "value", 2);
	expect_found("key", "value");
	view_buffer_trim(&buffer, 64 << 10);
	assert_non_null(buffer.data);
	assert_int_equal(get("large", VIEW_VALUE, &(struct view_entry){ 0 }),
			 0);
	assert_true(buffer.cap >= 1 << 20);
	view_buffer_trim(&buffer, 64 << 10);
	assert_int_equal(buffer.cap, 0);
	expect_found("key", "value");
}

static void test_what_is_longer_than_the_source_reads_is_told(void **state)
{
	struct maker_entry large = { .key = "large",
				     .value_len = 1 << 20,
				     .sequence = 1 };
	struct view_entry entry;
	uint64_t off;

	(void)state;
	off = put_entry(&large);
	put("key", "value", 2);
	view.source.read_max = 4096;
	assert_int_equal(get("large", VIEW_VALUE, &entry), -EAGAIN);
	assert_int_equal(n_reads, 0);
	assert_null(buffer.data);
	assert_int_equal(get("large", VIEW_HEAD, &entry), 0);
	assert_int_equal(entry.value_len, 1 << 20);
	expect_found("key", "value");
	point("large", off, INDEX_LEN8_UNKNOWN);
	assert_int_equal(get("large", VIEW_VALUE, &entry), -EAGAIN);
}

static int follow(const char *key, uint64_t off, struct view_entry *entry)
{
	const struct index_place place = { .segment = 5,
					   .off8 = (uint32_t)(off / 8),
					   .len8 = 6 };
	struct digest digest = digest_text(key);

	return view_follow(&view, secret, &digest, &place, VIEW_VALUE, &buffer,
			   entry);
}

static void test_a_place_is_followed_to_where_the_entry_went(void **state)
{
	uint64_t off = put("key", "value", 1);
	struct view_entry entry;

	(void)state;
	move_key();
	assert_int_equal(follow("key", off, &entry), 0);
	assert_memory_equal(entry.value, "moved", 5);
	assert_int_not_equal(entry.place.off8, off / 8);
	assert_int_equal(n_reads, 2);
}

static void test_a_followed_entry_that_is_gone_is_not_found(void **state)
{
	uint64_t off = put("key", "value", 1);
	struct view_entry entry;

	(void)state;
	remove_key();
	assert_int_equal(follow("key", off, &entry), VIEW_NOT_FOUND);
}

static void test_damage_is_not_followed(void **state)
{
	uint64_t off = put("key", "value", 1);
	struct view_entry entry;

	(void)state;
	maker_flip(io, segment->fd, off + 44, 1);
	assert_int_equal(follow("key", off, &entry), VIEW_CORRUPT);
	read_error = -EIO;
	assert_int_equal(follow("key", off, &entry), -EIO);
}

/* ---- many keys ---- */

enum { N_MANY = 3 };

static const char *const many_names[N_MANY] = { "a", "b", "none" };
static char many_values[N_MANY][16];
static int many_results[N_MANY];
static int n_told;

static int note_many(void *ctx, size_t i, int result,
		     const struct view_entry *entry, struct view_buffer *from)
{
	(void)ctx;
	(void)from;
	n_told++;
	many_results[i] = result;
	many_values[i][0] = 0;
	if (result == 0)
		snprintf(many_values[i], sizeof(many_values[i]), "%.*s",
			 (int)entry->value_len, (const char *)entry->value);
	return 0;
}

static int get_many(view_each *each)
{
	struct view_found found[N_MANY] = { 0 };
	struct view_key keys[N_MANY];

	n_told = 0;
	for (int i = 0; i < N_MANY; i++) {
		keys[i].data = many_names[i];
		keys[i].len = strlen(many_names[i]);
		keys[i].digest = digest_text(many_names[i]);
	}
	return view_get_many(&view, keys, N_MANY, VIEW_VALUE, &buffer, found,
			     each, NULL);
}

static void test_many_are_read_once_each(void **state)
{
	(void)state;
	put("a", "1", 1);
	put("b", "1", 2);
	assert_int_equal(get_many(note_many), 0);
	assert_int_equal(n_told, N_MANY);
	assert_int_equal(n_reads, 2);
	assert_string_equal(many_values[0], "1");
	assert_string_equal(many_values[1], "1");
	assert_int_equal(many_results[2], VIEW_NOT_FOUND);
}

/* Both change between the look at the first and that at the second. */
static void change_both(void)
{
	put("a", "2", 3);
	put("b", "2", 4);
}

static void test_many_that_change_meanwhile_are_of_one_instant(void **state)
{
	(void)state;
	put("a", "1", 1);
	put("b", "1", 2);
	before_read = change_both;
	assert_int_equal(get_many(note_many), 0);
	assert_string_equal(many_values[0], "2");
	assert_string_equal(many_values[1], "2");
	/* What did not change was not told again. */
	assert_int_equal(n_told, N_MANY + 2);
}

static void make_third(void)
{
	put("none", "3", 3);
	put("b", "3", 4);
}

static void test_a_key_of_many_that_appears_is_told(void **state)
{
	(void)state;
	put("a", "1", 1);
	put("b", "1", 2);
	/* before b is read: the third was not looked for yet */
	assert_int_equal(get_many(note_many), 0);
	before_read = make_third;
	assert_int_equal(get_many(note_many), 0);
	assert_string_equal(many_values[1], "3");
	assert_string_equal(many_values[2], "3");
}

static int stop_at_b(void *ctx, size_t i, int result,
		     const struct view_entry *entry, struct view_buffer *from)
{
	note_many(ctx, i, result, entry, from);
	return i == 1 ? -EMSGSIZE : 0;
}

static void test_many_stop_when_told(void **state)
{
	(void)state;
	put("a", "1", 1);
	put("b", "1", 2);
	assert_int_equal(get_many(stop_at_b), -EMSGSIZE);
	assert_int_equal(n_told, 2);
	read_error = -EIO;
	assert_int_equal(get_many(note_many), 0);
	assert_int_equal(many_results[0], -EIO);
	assert_int_equal(many_results[2], VIEW_NOT_FOUND);
}

static void test_many_of_a_bucket_that_is_being_written_are_busy(void **state)
{
	struct digest digest = digest_text("b");

	(void)state;
	put("a", "1", 1);
	put("b", "1", 2);
	index_begin(table, &digest, 1);
	assert_int_equal(get_many(note_many), VIEW_BUSY);
	index_end(table);
	assert_int_equal(get_many(note_many), 0);
}

enum { N_CROWD = 100 };

static char crowd_names[N_CROWD][16];
static int crowd_values[N_CROWD];
static int n_prefetched;

static int note_crowd(void *ctx, size_t i, int result,
		      const struct view_entry *entry, struct view_buffer *from)
{
	(void)ctx;
	(void)from;
	n_told++;
	crowd_values[i] = result == 0 ? entry->value[0] - '0' : -result;
	return 0;
}

static void note_prefetch(void *ctx, uint32_t low_bits, uint64_t off,
			  size_t len)
{
	(void)ctx;
	assert_int_equal(low_bits, ID & 0xffffff);
	assert_true(off < segment->len && len <= segment->len - off);
	n_prefetched++;
}

static int get_crowd(void)
{
	static struct view_found found[N_CROWD];
	struct view_key keys[N_CROWD];

	n_told = 0;
	n_reads = 0;
	n_prefetched = 0;
	memset(found, 0, sizeof(found));
	for (int i = 0; i < N_CROWD; i++) {
		keys[i].data = crowd_names[i];
		keys[i].len = strlen(crowd_names[i]);
		keys[i].digest = digest_text(crowd_names[i]);
	}
	return view_get_many(&view, keys, N_CROWD, VIEW_VALUE, &buffer, found,
			     note_crowd, NULL);
}

/* Every third is missing. */
static void put_crowd(const char *value)
{
	for (int i = 0; i < N_CROWD; i++) {
		snprintf(crowd_names[i], sizeof(crowd_names[i]), "key %d", i);
		if (i % 3 != 2)
			put(crowd_names[i], value, 1 + (uint64_t)i);
	}
}

static void expect_crowd(int value)
{
	for (int i = 0; i < N_CROWD; i++)
		assert_int_equal(crowd_values[i],
				 i % 3 != 2 ? value : -VIEW_NOT_FOUND);
}

static void test_a_crowd_of_keys_is_fetched_before_it_is_read(void **state)
{
	(void)state;
	put_crowd("1");
	view.source.prefetch = note_prefetch;
	assert_int_equal(get_crowd(), 0);
	expect_crowd(1);
	assert_int_equal(n_told, N_CROWD);
	assert_int_equal(n_reads, 67);
	assert_int_equal(n_prefetched, 67);
}

static void change_crowd(void)
{
	put_crowd("2");
}

/* After any number of reads: all are of one instant. */
static void test_a_crowd_that_changes_is_of_one_instant(void **state)
{
	(void)state;
	put_crowd("1");
	before_read = change_crowd;
	assert_int_equal(get_crowd(), 0);
	expect_crowd(2);
	assert_true(n_told <= 2 * N_CROWD);
}

static int stop_with;

static int stop_at_20(void *ctx, size_t i, int result,
		      const struct view_entry *entry, struct view_buffer *from)
{
	note_crowd(ctx, i, result, entry, from);
	return i == 20 ? stop_with : 0;
}

/* What was fetched and not read is not taken for known. */
static void test_a_crowd_goes_on_where_it_was_stopped(void **state)
{
	struct view_found found[N_CROWD] = { 0 };
	struct view_key keys[N_CROWD];

	(void)state;
	put_crowd("1");
	for (int i = 0; i < N_CROWD; i++) {
		keys[i].data = crowd_names[i];
		keys[i].len = strlen(crowd_names[i]);
		keys[i].digest = digest_text(crowd_names[i]);
	}
	n_told = 0;
	stop_with = -EMSGSIZE;
	assert_int_equal(view_get_many(&view, keys, N_CROWD, VIEW_VALUE,
				       &buffer, found, stop_at_20, NULL),
			 -EMSGSIZE);
	assert_int_equal(n_told, 21);
	stop_with = 0;
	assert_int_equal(view_get_many(&view, keys, N_CROWD, VIEW_VALUE,
				       &buffer, found, stop_at_20, NULL),
			 0);
	assert_int_equal(n_told, N_CROWD);
	expect_crowd(1);
}

#define view_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		view_test(test_found_with_one_read),
		view_test(test_not_found_reads_nothing),
		view_test(test_an_empty_value_is_a_value),
		view_test(test_a_head_is_read_without_its_value),
		view_test(test_expiry_is_that_of_the_clock_at_each_call),
		view_test(test_each_flipped_byte_is_corrupt_never_data),
		view_test(test_places_that_are_nonsense_are_corrupt),
		view_test(test_a_place_without_a_length_is_corrupt),
		view_test(test_a_tombstone_behind_a_place_is_corrupt),
		view_test(test_another_key_with_this_digest_is_not_found),
		view_test(test_an_entry_whose_size_the_index_cannot_hold),
		view_test(test_an_entry_that_grows_between_its_reads),
		view_test(test_an_unknown_size_shorter_than_the_first_read),
		view_test(test_an_entry_that_moves_between_lookup_and_read),
		view_test(test_an_entry_that_goes_between_lookup_and_read),
		view_test(test_an_entry_that_moves_for_ever_is_busy),
		view_test(test_read_errors_are_told),
		view_test(test_a_place_from_a_scan),
		view_test(test_a_long_key_from_a_scan),
		view_test(test_the_buffer_gives_memory_back),
		view_test(test_what_is_longer_than_the_source_reads_is_told),
		view_test(test_a_place_is_followed_to_where_the_entry_went),
		view_test(test_a_followed_entry_that_is_gone_is_not_found),
		view_test(test_damage_is_not_followed),
		view_test(test_many_are_read_once_each),
		view_test(test_many_that_change_meanwhile_are_of_one_instant),
		view_test(test_a_key_of_many_that_appears_is_told),
		view_test(test_many_stop_when_told),
		view_test(test_many_of_a_bucket_that_is_being_written_are_busy),
		view_test(test_a_crowd_of_keys_is_fetched_before_it_is_read),
		view_test(test_a_crowd_that_changes_is_of_one_instant),
		view_test(test_a_crowd_goes_on_where_it_was_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
