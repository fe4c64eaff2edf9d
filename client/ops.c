/*
 * ops: the calls on one key, and those on the store that are as simple.
 */
#include <errno.h>
#include <string.h>

#include "client/answer.h"
#include "client/call.h"
#include "client/ask.h"
#include "client/direct.h"

int getme_ping(struct getme *handle)
{
	return ask_plain(handle, METHOD_PING);
}

int getme_clear(struct getme *handle)
{
	return ask_plain(handle, METHOD_CLEAR);
}

int getme_sync(struct getme *handle)
{
	return ask_plain(handle, METHOD_SYNC);
}

int getme_count(struct getme *handle, uint64_t *count)
{
	struct message_request request;
	struct message_reply reply;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	if (!count)
		return handle_fail(handle, -EINVAL, "no place for the count");
	ask_init(&request, METHOD_COUNT);
	r = call(handle, &request, 0, &reply);
	if (r != 0)
		return r;
	*count = reply.count;
	message_reply_deinit(&reply);
	return 0;
}

/* get, stat: by this process itself, or by the daemon. */
static int read_key(struct getme *handle, enum method_id method,
		    const void *key, size_t key_len, struct getme_value *value)
{
	struct message_request request;
	struct message_reply reply;
	int r;

	if (ask_check_key(key, key_len) == 0) {
		r = direct_get(handle, method, key, key_len, value);
		if (r != DIRECT_ELSEWHERE)
			return r;
	}
	ask_init(&request, method);
	r = ask_key(handle, &request, key, key_len);
	if (r == 0)
		r = call(handle, &request, 1, &reply);
	if (r != 0)
		return r;
	r = answer_get(method, &reply, value);
	message_reply_deinit(&reply);
	return handle_result(handle, r);
}

int getme_get(struct getme *handle, const void *key, size_t key_len,
	      struct getme_value *value)
{
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	if (!value)
		return handle_fail(handle, -EINVAL, "no place for the value");
	return read_key(handle, METHOD_GET, key, key_len, value);
}

int getme_stat(struct getme *handle, const void *key, size_t key_len,
	       struct getme_value *value)
{
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	if (!value)
		return handle_fail(handle, -EINVAL, "no place for the answer");
	return read_key(handle, METHOD_STAT, key, key_len, value);
}

int getme_exists(struct getme *handle, const void *key, size_t key_len)
{
	struct getme_value ignored;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	return read_key(handle, METHOD_STAT, key, key_len, &ignored);
}

int getme_put(struct getme *handle, const void *key, size_t key_len,
	      const void *value, size_t value_len,
	      const struct getme_write_options *options,
	      struct getme_written *written)
{
	struct message_request request;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	r = ask_put(handle, &request, key, key_len, value, value_len, options);
	return r == 0 ? ask_write(handle, &request, 1, written) : r;
}

int getme_delete(struct getme *handle, const void *key, size_t key_len,
		 const struct getme_write_options *options,
		 struct getme_written *written)
{
	struct message_request request;
	struct message_bytes one;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	r = ask_delete(handle, &request, &one, key, key_len, options);
	return r == 0 ? ask_write(handle, &request, 1, written) : r;
}

int getme_incr(struct getme *handle, const void *key, size_t key_len,
	       int64_t by, const struct getme_write_options *options,
	       struct getme_written *written)
{
	struct message_request request;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	ask_init(&request, METHOD_INCR);
	request.by = by;
	r = ask_key(handle, &request, key, key_len);
	if (r == 0)
		r = ask_options(handle, &request, options);
	return r == 0 ? ask_write(handle, &request, 1, written) : r;
}

int getme_touch(struct getme *handle, const void *key, size_t key_len,
		const struct getme_write_options *options,
		struct getme_written *written)
{
	struct message_request request;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	ask_init(&request, METHOD_TOUCH);
	r = ask_key(handle, &request, key, key_len);
	if (r == 0)
		r = ask_options(handle, &request, options);
	if (r != 0)
		return r;
	if (!(request.options.present & (OPT_TTL | OPT_EXPIRES_AT)))
		request.options.present |= OPT_PERSIST;
	return ask_write(handle, &request, 1, written);
}
