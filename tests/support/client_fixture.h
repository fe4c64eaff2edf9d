/*
 * client_fixture: a fake server and a handle on it, for each test.
 */
#ifndef GETME_TESTS_SUPPORT_CLIENT_FIXTURE_H
#define GETME_TESTS_SUPPORT_CLIENT_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/getme.h"
#include "tests/support/fake_server.h"

enum {
	/* A deadline that passes, and one that is not meant to. */
	FIXTURE_SHORT_MS = 30,
	FIXTURE_LONG_MS = 20000,
};

struct client_fixture {
	struct fake_server *server;
	struct getme *handle; /* its deadline is FIXTURE_LONG_MS */
};

/* cmocka's setup and teardown; STATE becomes the fixture. */
int client_fixture_setup(void **state);
int client_fixture_teardown(void **state);

/* Another handle on SERVER.  Fails the test when it cannot be had. */
struct getme *client_fixture_open(struct fake_server *server,
				  int64_t timeout_ms);

/* Calls with strings for keys and values, without options. */
int fixture_put(struct getme *handle, const char *key, const char *value);
int fixture_get(struct getme *handle, const char *key,
		struct getme_value *value);

/* Whether VALUE is this string. */
bool fixture_is(const struct getme_value *value, const char *text);

/* Whether KEY has this string; NULL: whether it is not there. */
bool fixture_has(struct getme *handle, const char *key, const char *text);

/* Makes the socket of HANDLE take as little as it can. */
void fixture_shrink_socket(const struct getme *handle);

#endif
