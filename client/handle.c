#include "client/handle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/connect.h"
#include "client/direct.h"
#include "client/session.h"
#include "client/deadline.h"
#include "client/option_struct.h"

enum {
	TIMEOUT_DEFAULT_MS = 5000,
};

static int check_timeout(int64_t *timeout_ms)
{
	if (*timeout_ms < -1)
		return -EINVAL;
	if (*timeout_ms == 0)
		*timeout_ms = TIMEOUT_DEFAULT_MS;
	return 0;
}

static int read_options(const struct getme_options *given,
			struct getme_options *options, struct socket_path *path)
{
	const struct getme_options defaults = GETME_OPTIONS_INIT;
	int r;

	*options = defaults;
	r = option_struct_read(given, options, sizeof(*options));
	if (r == 0)
		r = check_timeout(&options->timeout_ms);
	if (r == 0 && (unsigned int)options->direct > GETME_DIRECT_PREAD)
		r = -EINVAL;
	if (r == 0)
		r = socket_path_choose(options->socket, options->where, path);
	return r;
}

struct getme *handle_new(const struct socket_path *path, int64_t timeout_ms)
{
	struct getme *handle;

	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return NULL;
	handle->path = *path;
	handle->timeout_ms = timeout_ms;
	transport_init(&handle->transport);
	handle->decoder = message_decoder_new();
	if (!handle->decoder) {
		free(handle);
		return NULL;
	}
	fork_mark_init(&handle->mark);
	return handle;
}

static int refuse(int result, const char *text, char *error_text,
		  size_t error_len)
{
	if (error_text && error_len > 0)
		snprintf(error_text, error_len, "%s", text);
	return result;
}

static const char *option_fault(int result)
{
	if (result == -ENAMETOOLONG)
		return "the socket's path is too long: at most 107 bytes";
	return "an option of getme_open is out of range";
}

int getme_open(const struct getme_options *options, struct getme **handle,
	       char *error_text, size_t error_len)
{
	struct getme_options read;
	struct socket_path path;
	struct getme *made;
	int r;

	if (!handle)
		return refuse(-EINVAL, "no place for the handle", error_text,
			      error_len);
	r = read_options(options, &read, &path);
	if (r < 0)
		return refuse(r, option_fault(r), error_text, error_len);
	made = handle_new(&path, read.timeout_ms);
	if (!made)
		return refuse(-ENOMEM, getme_strerror(-ENOMEM), error_text,
			      error_len);
	if (read.direct != GETME_DIRECT_OFF)
		made->direct = direct_new(read.direct);
	r = connect_ready(made, handle_deadline(made));
	if (r != 0) {
		refuse(r, made->error, error_text, error_len);
		getme_close(made);
		return r;
	}
	*handle = made;
	return 0;
}

void getme_close(struct getme *handle)
{
	if (!handle)
		return;
	direct_free(handle->direct);
	transport_deinit(&handle->transport);
	fork_mark_deinit(&handle->mark);
	tickets_deinit(&handle->tickets);
	message_decoder_free(handle->decoder);
	free(handle->stats_rows);
	free(handle);
}

const char *getme_socket_path(const struct getme *handle)
{
	return handle ? handle->path.text : "";
}

const char *getme_last_error(const struct getme *handle)
{
	return handle ? handle->error : "";
}

int getme_set_timeout(struct getme *handle, int64_t timeout_ms)
{
	int r;

	if (!handle)
		return -EINVAL;
	r = check_timeout(&timeout_ms);
	if (r < 0)
		return handle_fail(handle, r, "a timeout is -1 or more");
	handle->timeout_ms = timeout_ms;
	handle->deadline_ms = 0;
	return 0;
}

int handle_begin(struct getme *handle)
{
	if (!handle)
		return -EINVAL;
	if (!handle_is_ours(handle)) {
		session_forget(handle);
		direct_detach(handle->direct);
		fork_mark_renew(&handle->mark);
	}
	handle->deadline_ms = 0;
	if (handle->stats_rows) {
		free(handle->stats_rows);
		handle->stats_rows = NULL;
	}
	session_reclaim(handle);
	return 0;
}

bool handle_is_ours(const struct getme *handle)
{
	return fork_mark_is_ours(&handle->mark);
}

int64_t handle_deadline(struct getme *handle)
{
	if (handle->deadline_ms == 0)
		handle->deadline_ms = deadline_after(handle->timeout_ms);
	return handle->deadline_ms;
}

/* A daemon's text may hold anything; what we show is one line. */
static void make_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

int handle_fail(struct getme *handle, int result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(handle->error, sizeof(handle->error), format, arguments);
	va_end(arguments);
	make_one_line(handle->error);
	return result;
}

int handle_fail_plain(struct getme *handle, int result)
{
	return handle_fail(handle, result, "%s", getme_strerror(result));
}

int handle_result(struct getme *handle, int result)
{
	return result < 0 ? handle_fail_plain(handle, result) : result;
}
