/*
 * put_rate: how many puts a second some connections get, each doing one a
 * round trip, with values of some 800 bytes.
 *
 *	put_rate SOCKET CONNECTIONS MS
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/getme.h"

enum {
	CONNECTIONS_MAX = 64,
	VALUE_LEN = 800,
};

static const char *socket_path;
static atomic_bool over;
static _Atomic uint64_t n_puts;
static atomic_bool failed;

/* CTX is the connection's number. */
static void *put_all(void *ctx)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	const unsigned long *number = ctx;
	char value[VALUE_LEN];
	struct getme *handle;
	char key[64];

	options.socket = socket_path;
	options.timeout_ms = 30000;
	memset(value, 'v', sizeof(value));
	if (getme_open(&options, &handle, NULL, 0) != 0) {
		failed = true;
		return NULL;
	}
	for (uint64_t i = 0; !over && !failed; i++) {
		size_t len = (size_t)snprintf(key, sizeof(key),
					      "rate-%lu-%" PRIu64, *number, i);

		if (getme_put(handle, key, len, value, sizeof(value), NULL,
			      NULL) == 0)
			n_puts++;
		else
			failed = true;
	}
	getme_close(handle);
	return NULL;
}

int main(int argc, char **argv)
{
	static unsigned long numbers[CONNECTIONS_MAX];
	pthread_t threads[CONNECTIONS_MAX];
	unsigned long n = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long ms = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	struct timespec time = { .tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000 * 1000000) };

	if (n == 0 || n > CONNECTIONS_MAX || ms == 0)
		return 2;
	socket_path = argv[1];
	for (unsigned long i = 0; i < n; i++) {
		numbers[i] = i;
		if (pthread_create(&threads[i], NULL, put_all, &numbers[i]))
			return 1;
	}
	nanosleep(&time, NULL);
	over = true;
	for (unsigned long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("%" PRIu64 "\n", n_puts * 1000 / ms);
	return failed;
}
