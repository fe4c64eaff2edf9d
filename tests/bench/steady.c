/*
 * steady: puts in bulk, and gets and puts at a fixed rate, over one daemon's
 * socket; 16-byte keys, 100-byte values.
 *
 *	steady SOCKET KEYS order N	N puts in the order of the keys
 *	steady SOCKET KEYS random N	N puts of keys drawn uniformly
 *	steady SOCKET KEYS peak SECONDS	as many gets and puts as there can be
 *	steady SOCKET KEYS rate SECONDS RATE
 *
 * The first three print operations a second.  The last sends half gets, half
 * puts, each at its own time whatever the answers do, so that who is held up
 * is counted with those behind him; it prints, in microseconds from the time
 * at which each should have been sent, p50, p99 and p99.9 of the gets and then
 * of the puts.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "client/getme.h"

enum {
	KEY_LEN = 16,
	VALUE_LEN = 100,
	WINDOW = 512,	 /* requests of a connection under way, in bulk */
	CONNECTIONS = 8, /* half of them get, half put */
	TIMEOUT_MS = 60000,
	WARM_UP = 20, /* of the operations at a rate 1/20 does not count */
};

static const uint64_t second_ns = 1000000000;

struct connection {
	struct getme *handle;
	bool puts;
};

/* Latencies, in ns. */
struct samples {
	uint32_t *ns;
	size_t n;
};

struct steady {
	struct connection connections[CONNECTIONS];
	uint64_t n_keys;
	uint64_t random;
	struct samples gets;
	struct samples puts;
	uint64_t begun_ns;
	uint64_t counted_ns; /* what was due before does not count */
};

static void die(const char *what, int result)
{
	fprintf(stderr, "steady: %s: %s\n", what, getme_strerror(result));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

/* xorshift64. */
static uint64_t draw(struct steady *steady)
{
	steady->random ^= steady->random << 13;
	steady->random ^= steady->random >> 7;
	steady->random ^= steady->random << 17;
	return (steady->random >> 11) % steady->n_keys;
}

static void open_all(struct steady *steady, const char *socket)
{
	struct getme_options options = GETME_OPTIONS_INIT;

	options.socket = socket;
	options.timeout_ms = TIMEOUT_MS;
	for (int i = 0; i < CONNECTIONS; i++) {
		struct connection *connection = &steady->connections[i];
		int result = getme_open(&options, &connection->handle, NULL, 0);

		if (result != 0)
			die(socket, result);
		connection->puts = i % 2 == 1;
	}
}

static void submit(struct connection *connection, bool put, uint64_t key,
		   void *tag)
{
	static const char value[VALUE_LEN] = "a value";
	char name[KEY_LEN + 16];
	int result;

	snprintf(name, sizeof(name), "key:%012" PRIu64, key);
	if (put)
		result = getme_submit_put(connection->handle, name, KEY_LEN,
					  value, sizeof(value), NULL, tag);
	else
		result = getme_submit_get(connection->handle, name, KEY_LEN,
					  tag);
	if (result != 0)
		die("a request", result);
}

static void check_answer(int result, const struct getme_answer *answer)
{
	if (result == 0)
		result = answer->result;
	if (result != 0)
		die("an answer", result);
}

/* ---- in bulk ---- */

static void collect_down_to(struct connection *connection, size_t n)
{
	struct getme_answer answer;

	while (getme_pending(connection->handle) > n)
		check_answer(getme_collect(connection->handle, 1, &answer),
			     &answer);
}

static void collect_all(struct steady *steady)
{
	for (int i = 0; i < CONNECTIONS; i++)
		collect_down_to(&steady->connections[i], 0);
}

static double put_bulk(struct steady *steady, bool in_order, uint64_t n)
{
	uint64_t begun = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		struct connection *connection =
			&steady->connections[i / WINDOW % CONNECTIONS];

		if (i % WINDOW == 0)
			collect_down_to(connection, 0);
		submit(connection, true,
		       in_order ? i % steady->n_keys : draw(steady), NULL);
	}
	collect_all(steady);
	return (double)n * 1e9 / (double)(now_ns() - begun);
}

static double find_peak(struct steady *steady, uint64_t seconds)
{
	uint64_t begun = now_ns();
	uint64_t n = 0;

	for (; now_ns() - begun < seconds * second_ns; n += WINDOW) {
		struct connection *connection =
			&steady->connections[n / WINDOW % CONNECTIONS];

		collect_down_to(connection, 0);
		for (int i = 0; i < WINDOW; i++)
			submit(connection, connection->puts, draw(steady),
			       NULL);
	}
	collect_all(steady);
	return (double)n * 1e9 / (double)(now_ns() - begun);
}

/* ---- at a rate ---- */

static void take_answers(struct steady *steady, struct connection *connection)
{
	struct samples *samples =
		connection->puts ? &steady->puts : &steady->gets;
	struct getme_answer answer;
	int result;

	while ((result = getme_collect(connection->handle, 0, &answer)) !=
		       -EAGAIN &&
	       result != GETME_END) {
		uint64_t due = (uint64_t)(uintptr_t)answer.tag;
		uint64_t ns = now_ns() - due;

		check_answer(result, &answer);
		if (due >= steady->counted_ns)
			samples->ns[samples->n++] =
				ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
	}
}

/* Until something arrives, or UNTIL_NS. */
static void await(struct steady *steady, uint64_t until_ns)
{
	struct pollfd fds[CONNECTIONS];
	struct timespec timeout = { .tv_nsec = 0 };
	uint64_t now = now_ns();

	for (int i = 0; i < CONNECTIONS; i++) {
		struct getme *handle = steady->connections[i].handle;

		fds[i].fd = getme_fd(handle);
		fds[i].events = (short)getme_events(handle);
		fds[i].revents = 0;
	}
	if (until_ns > now)
		timeout.tv_nsec = (long)(until_ns - now);
	ppoll(fds, CONNECTIONS, &timeout, NULL);
	for (int i = 0; i < CONNECTIONS; i++)
		if (fds[i].revents != 0)
			take_answers(steady, &steady->connections[i]);
}

static void send_at_rate(struct steady *steady, uint64_t n, uint64_t rate)
{
	for (uint64_t i = 0; i < n; i++) {
		struct connection *connection =
			&steady->connections[i % CONNECTIONS];
		uint64_t due = steady->begun_ns + i * second_ns / rate;

		while (now_ns() < due)
			await(steady, due);
		submit(connection, connection->puts, draw(steady),
		       (void *)(uintptr_t)due);
		take_answers(steady, connection);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_percentiles(struct samples *samples)
{
	static const double shares[] = { 0.5, 0.99, 0.999 };

	qsort(samples->ns, samples->n, sizeof(*samples->ns), compare);
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		size_t at = (size_t)(shares[i] * (double)samples->n);

		printf("%.1f ", samples->ns[at] / 1e3);
	}
	free(samples->ns);
}

static void run_at_rate(struct steady *steady, uint64_t seconds, uint64_t rate)
{
	uint64_t n = seconds * rate;

	prctl(PR_SET_TIMERSLACK, 1);
	steady->gets.ns = calloc(n, sizeof(uint32_t));
	steady->puts.ns = calloc(n, sizeof(uint32_t));
	if (!steady->gets.ns || !steady->puts.ns || n < CONNECTIONS)
		die("samples", -ENOMEM);
	steady->begun_ns = now_ns();
	steady->counted_ns = steady->begun_ns + seconds * second_ns / WARM_UP;
	send_at_rate(steady, n, rate);
	for (int i = 0; i < CONNECTIONS; i++)
		while (getme_pending(steady->connections[i].handle) > 0)
			await(steady, now_ns() + second_ns / 1000);
	print_percentiles(&steady->gets);
	print_percentiles(&steady->puts);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct steady steady = { .random = 88172645463325252ULL };
	uint64_t n = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;

	if (argc > 2)
		steady.n_keys = strtoull(argv[2], NULL, 10);
	if (n == 0 || steady.n_keys == 0) {
		fprintf(stderr, "usage: steady SOCKET KEYS "
				"order|random|peak|rate N [RATE]\n");
		return 2;
	}
	open_all(&steady, argv[1]);
	steady.random ^= now_ns() << 1;
	if (strcmp(argv[3], "rate") == 0 && argc > 5)
		run_at_rate(&steady, n, strtoull(argv[5], NULL, 10));
	else if (strcmp(argv[3], "peak") == 0)
		printf("%.0f\n", find_peak(&steady, n));
	else
		printf("%.0f\n",
		       put_bulk(&steady, strcmp(argv[3], "order") == 0, n));
	for (int i = 0; i < CONNECTIONS; i++)
		getme_close(steady.connections[i].handle);
	return 0;
}
