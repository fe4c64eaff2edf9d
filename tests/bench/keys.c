#include <string.h>

#include "tests/bench/keys.h"

void key_make(char key[KEY_LEN], uint64_t number)
{
	static const char front[4] = { 'k', 'e', 'y', ':' };

	memcpy(key, front, sizeof(front));
	for (int i = KEY_LEN - 1; i >= 4; i--) {
		key[i] = (char)('0' + number % 10);
		number /= 10;
	}
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t random_next(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(*state);
}

uint64_t random_below(uint64_t *state, uint64_t n)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)random_next(state) * n >> 64);
}

void value_fill(void *value, size_t len)
{
	uint8_t *to = value;
	uint64_t state = 1;

	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)random_next(&state);
}

void value_stamp(void *value, uint64_t number)
{
	uint64_t stamp = mix(number + 1);

	memcpy(value, &stamp, KEY_STAMP_LEN);
}

bool value_is(const void *value, uint64_t number)
{
	uint64_t stamp = mix(number + 1);

	return memcmp(value, &stamp, KEY_STAMP_LEN) == 0;
}

/* A prime above every N is coprime to it. */
uint64_t key_shuffled(uint64_t i, uint64_t n)
{
	__extension__ typedef unsigned __int128 wide;
	static const uint64_t prime = UINT64_C(11400714819323198393);

	return (uint64_t)((wide)i * (prime % n) % n);
}
