#include "tests/support/hostile_steps.h"

#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/entry.h"

enum {
	ACT_LEN = 4,
	NUMBER_LEN = 8,
	FOLLOWS = 255,
	WAITS = 0x80,
	AT_FLAGS = 9,
	AT_KEY_LEN = 10,
	AT_VALUE_LEN = 12,
	HEAD_WORDS = 64, /* bytes of an entry that are changed as words */
};

/* Events: loads and copies of a read, most of which have few. */
static const unsigned int waits[] = { 0, 1, 2, 3, 5, 8, 13, 300 };

void hostile_steps_begin(struct hostile_steps *steps,
			 struct hostile_store *store)
{
	steps->store = store;
	steps->n_changes = 0;
	steps->n_done = 0;
	hostile_steps_undo(steps);
}

size_t hostile_steps_parse(const uint8_t *data, size_t len,
			   struct hostile_act *act)
{
	*act = (struct hostile_act){ .what = data[0],
				     .which = data[1],
				     .where = data[2],
				     .how = data[3],
				     .wait = waits[data[0] >> 4 & 7] };
	if (act->how != FOLLOWS || len < ACT_LEN + NUMBER_LEN)
		return ACT_LEN;
	act->number = bytes_get64(data + ACT_LEN);
	return ACT_LEN + NUMBER_LEN;
}

static uint64_t number_of(const struct hostile_act *act, uint64_t old)
{
	uint8_t how = act->how;

	if (how < 64)
		return how;
	if (how < 128)
		return UINT64_C(1) << (how - 64);
	if (how < 192)
		return old ^ UINT64_C(1) << (how - 128);
	if (how < 208)
		return UINT64_MAX >> (how - 192) * 4;
	if (how != FOLLOWS)
		return old + how - 231; /* some more, or less */
	return act->number;
}

static void set(struct hostile_steps *steps, void *at, const void *data,
		size_t len)
{
	struct hostile_change *change = &steps->changes[steps->n_changes];

	if (steps->n_changes == HOSTILE_CHANGES_MAX)
		return;
	steps->n_changes++;
	change->at = at;
	change->len = len;
	memcpy(change->old, at, len);
	memcpy(at, data, len);
}

/* One of the words in LEN bytes: of 8 if they lie so and WHERE is odd. */
static void set_word(struct hostile_steps *steps, void *base, size_t len,
		     const struct hostile_act *act)
{
	size_t off = act->where % len & ~(size_t)3;
	size_t width = off % 8 == 0 && (act->where & 1) ? 8 : 4;
	uint8_t *at = (uint8_t *)base + off;
	uint64_t number = 0;

	memcpy(&number, at, width);
	number = number_of(act, number);
	set(steps, at, &number, width);
}

static void set_place(struct hostile_steps *steps,
		      const struct hostile_key *key,
		      const struct index_place *place)
{
	const struct index_slot slot = index_slot_pack(key->digest.lo, place);
	int i;

	for (i = 0; i < 2 && key->slot; i++)
		set(steps, &key->slot->word[i], &slot.word[i],
		    sizeof(slot.word[i]));
}

static void change_place(struct hostile_steps *steps,
			 const struct hostile_key *key,
			 const struct hostile_act *act)
{
	struct index_place place = key->place;
	uint32_t *parts[] = { &place.segment, &place.off8, &place.len8 };
	uint32_t *part = parts[act->where % 3];

	if (key->slot)
		place = index_slot_place(*key->slot);
	*part = (uint32_t)number_of(act, *part);
	if (act->where & 0x80)
		place.flags = act->how;
	set_place(steps, key, &place);
}

/* Where it was put. */
static uint8_t *entry_at(const struct hostile_steps *steps,
			 const struct hostile_key *key)
{
	unsigned int block = SHARED_SEGMENT + key->segment - 1;

	return steps->store->shared.blocks[block].memory +
	       (size_t)key->place.off8 * 8;
}

static void change_entry(struct hostile_steps *steps,
			 const struct hostile_key *key,
			 const struct hostile_act *act)
{
	size_t off = (size_t)(act->where - HEAD_WORDS) *
		     (HOSTILE_LONG_KEY + HOSTILE_LARGE) / (256 - HEAD_WORDS);
	uint8_t *at = entry_at(steps, key);
	uint8_t byte;

	if (act->where < HEAD_WORDS) {
		set_word(steps, at, HEAD_WORDS, act);
		return;
	}
	byte = (uint8_t)number_of(act, at[off]);
	set(steps, at + off, &byte, 1);
}

static void set_crc(struct hostile_steps *steps, uint8_t *at, uint32_t crc)
{
	uint8_t bytes[4];

	bytes_put32(bytes, crc);
	set(steps, at, bytes, sizeof(bytes));
}

/*
 * By the sizes that it has, which may be any: those of the value where it
 * ends in the segment, unless WHERE is odd.
 */
static void seal(struct hostile_steps *steps, const struct hostile_key *key,
		 const struct hostile_act *act)
{
	uint8_t *at = entry_at(steps, key);
	const uint64_t off = (uint64_t)key->place.off8 * 8;
	const struct entry entry = { .flags = at[AT_FLAGS],
				     .key_len = bytes_get16(at + AT_KEY_LEN),
				     .value_len =
					     bytes_get32(at + AT_VALUE_LEN) };
	const uint64_t total = entry_total_len(&entry);
	const size_t head = entry_value_off(&entry);
	uint8_t place[12];
	uint32_t seed;

	if (total <= SHARED_SEGMENT_LEN - off && !(act->where & 1))
		set_crc(steps, at + 4, crc32c(0, at + head, total - head));
	bytes_put32(place, SHARED_ID_BASE + key->segment);
	bytes_put64(place + 4, off);
	seed = crc32c(0, place, sizeof(place));
	set_crc(steps, at, crc32c(seed, at + 4, head - 4));
}

static void turn(struct hostile_steps *steps, const struct hostile_key *key,
		 const struct hostile_act *act)
{
	uint32_t *at =
		&shared_bucket(&steps->store->shared, &key->digest)->version;
	uint32_t version = (uint32_t)number_of(act, *at);

	set(steps, at, &version, sizeof(version));
}

static void take_back(struct hostile_steps *steps)
{
	while (steps->n_changes > 0) {
		const struct hostile_change *change =
			&steps->changes[--steps->n_changes];

		memcpy(change->at, change->old, change->len);
	}
	steps->lie.what = 0;
	steps->now_ms = HOSTILE_NOW_MS;
}

static void change_key(struct hostile_steps *steps,
		       const struct hostile_act *act)
{
	const struct hostile_key *keys = steps->store->keys;
	const struct hostile_key *key = &keys[act->which % HOSTILE_KEYS];

	switch (act->what & 15) {
	case HOSTILE_BUCKET:
		set_word(steps,
			 shared_bucket(&steps->store->shared, &key->digest),
			 sizeof(struct index_primary), act);
		return;
	case HOSTILE_TURN:
		turn(steps, key, act);
		return;
	case HOSTILE_PLACE:
		change_place(steps, key, act);
		return;
	case HOSTILE_POINT:
		set_place(steps, key, &keys[act->where % HOSTILE_KEYS].place);
		return;
	case HOSTILE_ENTRY:
		if (key->segment != 0)
			change_entry(steps, key, act);
		return;
	case HOSTILE_SEAL:
		if (key->segment != 0)
			seal(steps, key, act);
		return;
	default:
		return;
	}
}

static void apply(struct hostile_steps *steps, const struct hostile_act *act)
{
	const struct shared_store *shared = &steps->store->shared;

	steps->n_done++;
	switch (act->what & 15) {
	case HOSTILE_UNDO:
		take_back(steps);
		return;
	case HOSTILE_CLOCK:
		steps->now_ms = number_of(act, steps->now_ms);
		return;
	case HOSTILE_LIE:
		steps->lie = *act;
		return;
	case HOSTILE_HEADER:
		set_word(steps, shared_header(shared),
			 sizeof(struct index_header), act);
		return;
	case HOSTILE_OVERFLOW:
		set_word(steps, shared_overflow(shared, act->which % 8),
			 sizeof(struct index_overflow), act);
		return;
	default:
		change_key(steps, act);
	}
}

void hostile_steps_take(struct hostile_steps *steps,
			const struct hostile_act *act)
{
	if ((act->what & 15) < HOSTILE_UNDO)
		return;
	if (!(act->what & WAITS))
		apply(steps, act);
	else if (steps->n_waiting < HOSTILE_WAITING_MAX)
		steps->waiting[steps->n_waiting++] = *act;
}

void hostile_steps_event(struct hostile_steps *steps)
{
	while (steps->n_waiting > 0 && steps->waiting[0].wait == 0) {
		const struct hostile_act act = steps->waiting[0];

		steps->n_waiting--;
		memmove(steps->waiting, steps->waiting + 1,
			steps->n_waiting * sizeof(steps->waiting[0]));
		apply(steps, &act);
	}
	if (steps->n_waiting > 0)
		steps->waiting[0].wait--;
}

void hostile_steps_undo(struct hostile_steps *steps)
{
	steps->n_waiting = 0;
	take_back(steps);
}

bool hostile_steps_are_none(const struct hostile_steps *steps)
{
	return steps->n_changes == 0 && steps->lie.what == 0 &&
	       steps->now_ms == HOSTILE_NOW_MS;
}
