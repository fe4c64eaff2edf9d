/*
 * many: calls that name several keys.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/answer.h"
#include "client/call.h"
#include "client/ask.h"
#include "client/direct.h"

static int check_keys(struct getme *handle, const struct getme_bytes *keys,
		      size_t n)
{
	size_t i;
	int r;

	if (n > MESSAGE_KEYS_MAX)
		return handle_fail(handle, GETME_E_TOO_LARGE,
				   "too large: at most %d keys",
				   MESSAGE_KEYS_MAX);
	for (i = 0; i < n; i++) {
		r = ask_check_key(keys[i].data, keys[i].len);
		if (r != 0)
			return handle_fail(handle, r,
					   "key %zu: a key has 1 to %d bytes",
					   i, ASK_KEY_MAX);
	}
	return 0;
}

/* The caller frees request->keys. */
static int set_keys(struct getme *handle, struct message_request *request,
		    const struct getme_bytes *keys, size_t n)
{
	size_t i;

	request->keys = calloc(n, sizeof(*request->keys));
	if (!request->keys)
		return handle_fail_plain(handle, -ENOMEM);
	for (i = 0; i < n; i++) {
		request->keys[i].data = keys[i].data;
		request->keys[i].len = keys[i].len;
	}
	request->n_keys = n;
	return 0;
}

static void fill(const struct message_reply *reply,
		 const struct getme_bytes *keys, struct getme_item *items)
{
	size_t i;

	for (i = 0; i < reply->n_items; i++) {
		memset(&items[i], 0, sizeof(items[i]));
		items[i].key = keys[i];
		items[i].result =
			answer_value(&reply->items[i], &items[i].value);
	}
}

int getme_get_many(struct getme *handle, const struct getme_bytes *keys,
		   size_t n, struct getme_item *items)
{
	struct message_request request;
	struct message_reply reply;
	int r;

	r = handle_begin(handle);
	if (r < 0 || n == 0)
		return r;
	if (!keys || !items)
		return handle_fail(handle, -EINVAL, "no keys, or no items");
	r = check_keys(handle, keys, n);
	if (r != 0)
		return r;
	r = direct_get_many(handle, keys, n, items);
	if (r != DIRECT_ELSEWHERE)
		return r;
	ask_init(&request, METHOD_GET_MANY);
	r = set_keys(handle, &request, keys, n);
	if (r != 0)
		return r;
	r = call(handle, &request, n, &reply);
	if (r == 0) {
		fill(&reply, keys, items);
		message_reply_deinit(&reply);
	}
	free(request.keys);
	return r;
}

int getme_delete_many(struct getme *handle, const struct getme_bytes *keys,
		      size_t n, const struct getme_write_options *options,
		      struct getme_written *written)
{
	struct message_request request;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	if (!keys || n == 0)
		return handle_fail(handle, -EINVAL, "no keys");
	ask_init(&request, METHOD_DELETE);
	r = ask_options(handle, &request, options);
	if (r != 0)
		return r;
	if (n > 1 && (request.options.present & OPT_IF_VERSION))
		return handle_fail(handle, -EINVAL,
				   "if_version goes with one key");
	r = check_keys(handle, keys, n);
	if (r == 0)
		r = set_keys(handle, &request, keys, n);
	if (r == 0)
		r = ask_write(handle, &request, n, written);
	free(request.keys);
	return r;
}
