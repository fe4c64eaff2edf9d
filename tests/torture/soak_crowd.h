/*
 * soak_crowd: processes that overwrite, delete and let expire what makes up
 * most of the store, check what they read, and are killed at any time.
 *
 * Keys "s/N" are overwritten only, so each is there from soak_crowd_fill on,
 * but for a clear.  Keys "b/N" come and go.
 */
#ifndef GETME_TESTS_TORTURE_SOAK_CROWD_H
#define GETME_TESTS_TORTURE_SOAK_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/getme.h"

enum {
	SOAK_STAYING = 256,
	SOAK_COMING = 2000,
	SOAK_CROWD = 2, /* processes */
};

struct soak_crowd {
	const char *socket;
	uint64_t random; /* not 0 */
	pid_t pids[SOAK_CROWD];
	unsigned int n_killed;
};

/* What the program does as `soak crowd SOCKET SEED`; its exit status. */
int soak_crowd_main(const char *socket, uint64_t seed);

void soak_crowd_start(struct soak_crowd *crowd);
/* One is killed, and another started in its place. */
void soak_crowd_replace(struct soak_crowd *crowd);
/* All are killed; a fault if one has read what nobody wrote. */
void soak_crowd_end(struct soak_crowd *crowd);

/* Puts the keys that stay, durably; a result of getme.h. */
int soak_crowd_fill(struct getme *handle, uint64_t *random);

/* Whether NAME is a key that stays; then which. */
bool soak_crowd_parse(const struct getme_bytes *name, unsigned int *number);

/* Whether VALUE is a whole one of NAME, any key of the crowd's. */
bool soak_crowd_is_good(const struct getme_bytes *name,
			const struct getme_value *value);

#endif
