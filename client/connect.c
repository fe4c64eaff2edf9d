#include "client/connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/answer.h"
#include "client/session.h"

enum {
	/* Requests under way where the daemon names no limit. */
	IN_FLIGHT_DEFAULT = 1024,
	IN_FLIGHT_MAX = 65536,
};

static const struct limits no_limits = {
	.value_max = UINT32_MAX,
	.request_max = UINT32_MAX,
	.in_flight_max = IN_FLIGHT_DEFAULT,
};

static void set_limit(struct limits *limits, const struct message_limit *limit)
{
	static const char *const names[] = { "value_max", "frame_max",
					     "pipeline" };
	uint64_t value = limit->value;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (limit->name.len == strlen(names[i]) &&
		    memcmp(limit->name.data, names[i], limit->name.len) == 0)
			break;
	if (i == 0)
		limits->value_max = value;
	else if (i == 1 && value < UINT32_MAX)
		limits->request_max = value;
	else if (i == 2 && value > 0)
		limits->in_flight_max =
			value < IN_FLIGHT_MAX ? (size_t)value : IN_FLIGHT_MAX;
}

static bool can_attach(const struct message_reply *reply)
{
	const char *name = method_get(METHOD_ATTACH)->name;
	size_t i;

	for (i = 0; i < reply->n_capabilities; i++)
		if (reply->capabilities[i].len == strlen(name) &&
		    memcmp(reply->capabilities[i].data, name, strlen(name)) ==
			    0)
			return true;
	return false;
}

static int learn(struct getme *handle, const struct message_reply *reply)
{
	size_t i;

	if (reply->protocol != MESSAGE_PROTOCOL)
		return session_lose(
			handle, GETME_E_VERSION,
			"the daemon at %s speaks protocol %llu, this library %d: update the older one",
			handle->path.text, (unsigned long long)reply->protocol,
			MESSAGE_PROTOCOL);
	handle->limits = no_limits;
	for (i = 0; i < reply->n_limits; i++)
		set_limit(&handle->limits, &reply->limits[i]);
	handle->may_attach = can_attach(reply);
	handle->n_connections++;
	return 0;
}

/* A connection that failed before hello was answered. */
static int fail_hello(struct getme *handle, int result)
{
	if (handle->transport.fd >= 0)
		session_lose(handle, result, "%s", handle->error);
	if (result == GETME_E_DISCONNECTED)
		return handle_fail(
			handle, GETME_E_NO_DAEMON,
			"no daemon: who listens at %s closes the connection at once",
			handle->path.text);
	return handle_fail(handle, result, "%s", handle->lost);
}

int connect_hello(struct getme *handle, int64_t deadline_ms)
{
	char name[64];
	struct message_request request;
	struct message_reply reply;
	struct ticket ticket;
	int r;

	memset(&request, 0, sizeof(request));
	snprintf(name, sizeof(name), "libgetme-client/%s", getme_version());
	request.method = METHOD_HELLO;
	request.options.present = OPT_PROTOCOL | OPT_CLIENT;
	request.options.protocol = MESSAGE_PROTOCOL;
	request.options.client.data = name;
	request.options.client.len = strlen(name);
	handle->limits = no_limits;
	session_exchange(handle, &request, 0, deadline_ms, &ticket);
	r = answer_decode(handle, &ticket, &reply);
	if (r != 0)
		return fail_hello(handle, r);
	r = learn(handle, &reply);
	message_reply_deinit(&reply);
	return r;
}

static int explain(struct getme *handle, int error)
{
	const char *path = handle->path.text;
	const char *why = getme_strerror(error);

	switch (error) {
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS:
		return handle_fail(handle, error, "cannot connect to %s: %s",
				   path, why);
	case -ETIMEDOUT:
		return handle_fail(
			handle, GETME_E_TIMEOUT,
			"the daemon at %s did not accept the connection in time",
			path);
	case -EACCES:
	case -EPERM:
		if (socket_path_check(&handle->path) == -EACCES)
			return handle_fail(
				handle, GETME_E_NOT_ALLOWED,
				"not allowed: the folder of %s must be yours alone: remove it, or chmod it to 0700",
				path);
		return handle_fail(
			handle, GETME_E_NOT_ALLOWED,
			"not allowed to connect to %s: %s: does the socket's group or mode let you in?",
			path, why);
	default:
		return handle_fail(
			handle, GETME_E_NO_DAEMON,
			"no daemon at %s: %s: is getmed running? (GETME_SOCKET names another socket)",
			path, why);
	}
}

int connect_ready(struct getme *handle, int64_t deadline_ms)
{
	int r;

	if (handle->transport.fd >= 0)
		return 0;
	r = transport_connect(&handle->transport, &handle->path, deadline_ms);
	if (r < 0)
		return explain(handle, r);
	return connect_hello(handle, deadline_ms);
}

void connect_drop_stale(struct getme *handle)
{
	if (handle->transport.fd < 0 || tickets_next(&handle->tickets))
		return;
	if (transport_is_stale(&handle->transport))
		session_lose(handle, GETME_E_DISCONNECTED,
			     "the daemon at %s closed the connection",
			     handle->path.text);
}
