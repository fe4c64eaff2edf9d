#include "tests/torture/soak_crowd.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/torture/soak.h"

enum {
	NAME_LEN = 16,
	SEED_LEN = 16, /* hex digits that a value begins with */
	VALUE_MAX = 20000,
	WINDOW = 32,  /* requests under way */
	PAUSE_MS = 4, /* at most, between windows */
	EXPIRY_MS = 500,
	EXIT_BAD_VALUE = 3,
};

/* ---- keys and values ---- */

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* A value follows from its key and the seed that it begins with. */
static size_t make_value(const char *name, size_t name_len, uint64_t seed,
			 char *out)
{
	size_t len =
		SEED_LEN +
		mix(seed) % (mix(seed + 1) % 50 ? 400 : VALUE_MAX - SEED_LEN);
	uint64_t stream = seed;

	for (size_t i = 0; i < name_len; i++)
		stream = mix(stream ^ (uint8_t)name[i]);
	snprintf(out, SEED_LEN + 1, "%016" PRIx64, seed);
	for (size_t at = SEED_LEN; at < len; at++) {
		if (at % 8 == 0)
			stream = mix(stream);
		out[at] = (char)(stream >> at % 8 * 8);
	}
	return len;
}

bool soak_crowd_is_good(const struct getme_bytes *name,
			const struct getme_value *value)
{
	char expected[VALUE_MAX + 1];
	char seed[SEED_LEN + 1] = "";
	size_t len;

	if (value->len < SEED_LEN || value->len > VALUE_MAX)
		return false;
	memcpy(seed, value->data, SEED_LEN);
	len = make_value(name->data, name->len, strtoull(seed, NULL, 16),
			 expected);
	return len == value->len && memcmp(expected, value->data, len) == 0;
}

bool soak_crowd_parse(const struct getme_bytes *name, unsigned int *number)
{
	char text[NAME_LEN] = "";
	char *rest;

	if (name->len >= sizeof(text) || memcmp(name->data, "s/", 2) != 0)
		return false;
	memcpy(text, name->data, name->len);
	*number = (unsigned int)strtoul(text + 2, &rest, 10);
	return *rest == 0 && *number < SOAK_STAYING;
}

int soak_crowd_fill(struct getme *handle, uint64_t *random)
{
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	char value[VALUE_MAX + 1];
	char name[NAME_LEN];
	int result = 0;

	options.durability = GETME_INTERVAL;
	for (unsigned int i = 0; result == 0 && i < SOAK_STAYING; i++) {
		size_t name_len = (size_t)sprintf(name, "s/%u", i);
		size_t len =
			make_value(name, name_len, mix(*random + i), value);

		result = getme_put(handle, name, name_len, value, len, &options,
				   NULL);
	}
	*random = mix(*random) | 1;
	return result;
}

/* ---- a process ---- */

static size_t choose_key(uint64_t *random, char *name)
{
	if (soak_random(random, 4) == 0)
		return (size_t)sprintf(
			name, "s/%u",
			(unsigned int)soak_random(random, SOAK_STAYING));
	return (size_t)sprintf(name, "b/%u",
			       (unsigned int)soak_random(random, SOAK_COMING));
}

/* What a get is for is told by its tag, 1 + the key's number. */
static int submit_one(struct getme *handle, uint64_t *random)
{
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	char value[VALUE_MAX + 1];
	char name[NAME_LEN];
	size_t name_len = choose_key(random, name);
	uint64_t dice = soak_random(random, 100);
	size_t len;

	options.durability =
		(enum getme_durability)soak_random(random, GETME_INTERVAL + 1);
	if (dice < 20 && name[0] == 's')
		return getme_submit_get(
			handle, name, name_len,
			(void *)(uintptr_t)(strtoul(name + 2, NULL, 10) + 1));
	if (dice < 20)
		return getme_submit_delete(handle, name, name_len, &options,
					   NULL);
	if (dice < 40 && name[0] == 'b')
		options.ttl_ms = 1 + (int64_t)soak_random(random, EXPIRY_MS);
	len = make_value(name, name_len, mix(*random), value);
	return getme_submit_put(handle, name, name_len, value, len, &options,
				NULL);
}

static bool is_answer_good(const struct getme_answer *answer)
{
	char name[NAME_LEN];
	struct getme_bytes key = { name, 0 };

	if (answer->tag && answer->result == 0) {
		key.len = (size_t)sprintf(
			name, "s/%u", (unsigned int)(uintptr_t)answer->tag - 1);
		return soak_crowd_is_good(&key, &answer->value);
	}
	return answer->result != GETME_E_CORRUPT;
}

int soak_crowd_main(const char *socket, uint64_t seed)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme_answer answer;
	uint64_t random = seed | 1;
	struct getme *handle;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	options.socket = socket;
	options.timeout_ms = SOAK_TIMEOUT_MS;
	if (getme_open(&options, &handle, NULL, 0) != 0)
		return 0;
	for (;;) {
		for (int i = 0; i < WINDOW; i++)
			if (submit_one(handle, &random) != 0)
				return 0;
		while (getme_pending(handle) > 0) {
			if (getme_collect(handle, 1, &answer) != 0)
				return 0;
			if (!is_answer_good(&answer))
				return EXIT_BAD_VALUE;
		}
		soak_pause_ms(soak_random(&random, PAUSE_MS));
	}
}

/* ---- its parent ---- */

static pid_t start_one(struct soak_crowd *crowd)
{
	char seed[32];
	pid_t pid;

	snprintf(seed, sizeof(seed), "%" PRIu64,
		 soak_random(&crowd->random, UINT32_MAX));
	pid = fork();
	if (pid < 0)
		soak_die("fork");
	if (pid > 0)
		return pid;
	execl("/proc/self/exe", "soak", "crowd", crowd->socket, seed,
	      (char *)NULL);
	_exit(127);
}

static void end_one(struct soak_crowd *crowd, unsigned int i)
{
	int status = 0;

	kill(crowd->pids[i], SIGKILL);
	waitpid(crowd->pids[i], &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		soak_fault(SOAK_STATE,
			   "a process read what nobody wrote, status %d",
			   WEXITSTATUS(status));
	crowd->n_killed += WIFSIGNALED(status);
}

void soak_crowd_start(struct soak_crowd *crowd)
{
	for (unsigned int i = 0; i < SOAK_CROWD; i++)
		crowd->pids[i] = start_one(crowd);
}

void soak_crowd_replace(struct soak_crowd *crowd)
{
	unsigned int i = (unsigned int)soak_random(&crowd->random, SOAK_CROWD);

	end_one(crowd, i);
	crowd->pids[i] = start_one(crowd);
}

void soak_crowd_end(struct soak_crowd *crowd)
{
	for (unsigned int i = 0; i < SOAK_CROWD; i++)
		end_one(crowd, i);
}
