#include "tests/support/client_fixture.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct getme *client_fixture_open(struct fake_server *server,
				  int64_t timeout_ms)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle = NULL;
	char text[256] = "";
	int r;

	options.socket = fake_server_path(server);
	options.timeout_ms = timeout_ms;
	r = getme_open(&options, &handle, text, sizeof(text));
	if (r != 0)
		print_error("getme_open: %d: %s\n", r, text);
	assert_int_equal(r, 0);
	assert_non_null(handle);
	return handle;
}

int client_fixture_setup(void **state)
{
	struct client_fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		return -1;
	fixture->server = fake_server_start();
	fixture->handle = client_fixture_open(fixture->server, FIXTURE_LONG_MS);
	*state = fixture;
	return 0;
}

int client_fixture_teardown(void **state)
{
	struct client_fixture *fixture = *state;

	getme_close(fixture->handle);
	fake_server_stop(fixture->server);
	free(fixture);
	return 0;
}

int fixture_put(struct getme *handle, const char *key, const char *value)
{
	return getme_put(handle, key, strlen(key), value, strlen(value), NULL,
			 NULL);
}

int fixture_get(struct getme *handle, const char *key,
		struct getme_value *value)
{
	return getme_get(handle, key, strlen(key), value);
}

bool fixture_is(const struct getme_value *value, const char *text)
{
	return value->len == strlen(text) &&
	       (value->len == 0 || memcmp(value->data, text, value->len) == 0);
}

bool fixture_has(struct getme *handle, const char *key, const char *text)
{
	struct getme_value value;
	int r = fixture_get(handle, key, &value);

	if (!text)
		return r == GETME_NOT_FOUND;
	return r == 0 && fixture_is(&value, text);
}

void fixture_shrink_socket(const struct getme *handle)
{
	int size = 1;

	assert_int_equal(setsockopt(getme_fd(handle), SOL_SOCKET, SO_SNDBUF,
				    &size, sizeof(size)),
			 0);
}
