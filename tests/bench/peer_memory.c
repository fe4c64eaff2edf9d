/*
 * peer_memory: no store but a limit: one read at a place of shared memory that
 * follows from the key, in as many bytes as an index of all keys has.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/bench/peer.h"
#include "tests/bench/stopwatch.h"

enum { SLOT_LEN = 32 };

struct peer {
	uint8_t *slots;
	uint64_t n_keys;
	size_t value_len;
	uint8_t copies[PEER_MANY][KEY_STAMP_LEN];
};

static struct peer only;

struct peer *peer_open(const struct peer_setting *setting)
{
	const size_t len = setting->n_keys * SLOT_LEN;
	int fd = memfd_create("memory", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		die("memfd");
	only.slots = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, fd, 0);
	if (only.slots == MAP_FAILED)
		die("mmap");
	close(fd);
	only.n_keys = setting->n_keys;
	only.value_len = setting->value_len;
	for (uint64_t i = 0; i < only.n_keys; i++)
		value_stamp(only.slots +
				    key_shuffled(i, only.n_keys) * SLOT_LEN,
			    i);
	return &only;
}

static const void *get(struct peer *peer, size_t i, const char *key)
{
	uint64_t number = 0;

	for (size_t at = 4; at < KEY_LEN; at++)
		number = number * 10 + (uint64_t)(key[at] - '0');
	memcpy(peer->copies[i],
	       peer->slots + key_shuffled(number, peer->n_keys) * SLOT_LEN,
	       KEY_STAMP_LEN);
	return peer->copies[i];
}

const void *peer_get(struct peer *peer, const char key[KEY_LEN], size_t *len)
{
	*len = peer->value_len;
	return get(peer, 0, key);
}

void peer_get_many(struct peer *peer, const char (*keys)[KEY_LEN],
		   const void **values)
{
	for (size_t i = 0; i < PEER_MANY; i++)
		values[i] = get(peer, i, keys[i]);
}

void peer_put(struct peer *peer, const struct peer_put *puts, size_t n)
{
	(void)peer;
	(void)puts;
	(void)n;
	errno = 0;
	die("it is only read");
}

void peer_settle(struct peer *peer)
{
	(void)peer;
}

void peer_close(struct peer *peer)
{
	munmap(peer->slots, peer->n_keys * SLOT_LEN);
}
