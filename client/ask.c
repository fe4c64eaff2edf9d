#include "client/ask.h"

#include <errno.h>
#include <string.h>

#include "client/answer.h"
#include "client/call.h"
#include "client/option_struct.h"

void ask_init(struct message_request *request, enum method_id method)
{
	memset(request, 0, sizeof(*request));
	request->method = method;
}

int ask_check_key(const void *key, size_t key_len)
{
	if (!key || key_len == 0)
		return -EINVAL;
	return key_len > ASK_KEY_MAX ? GETME_E_TOO_LARGE : 0;
}

int ask_check_value(const void *value, size_t value_len)
{
	return !value && value_len > 0 ? -EINVAL : 0;
}

static int check_key(struct getme *handle, const void *key, size_t key_len)
{
	int r = ask_check_key(key, key_len);

	if (r != 0)
		return handle_fail(handle, r, "a key has 1 to %d bytes",
				   ASK_KEY_MAX);
	return 0;
}

int ask_key(struct getme *handle, struct message_request *request,
	    const void *key, size_t key_len)
{
	request->key.data = key;
	request->key.len = key_len;
	return check_key(handle, key, key_len);
}

int ask_options(struct getme *handle, struct message_request *request,
		const struct getme_write_options *options)
{
	const struct method *method = method_get(request->method);
	int r;

	r = option_struct_write(options, method->options, &request->options);
	if (r < 0)
		return handle_fail(
			handle, r,
			"an option of %s is out of range, or not one of its options",
			method->name);
	return 0;
}

int ask_put(struct getme *handle, struct message_request *request,
	    const void *key, size_t key_len, const void *value,
	    size_t value_len, const struct getme_write_options *options)
{
	int r;

	ask_init(request, METHOD_PUT);
	r = ask_key(handle, request, key, key_len);
	if (r != 0)
		return r;
	if (ask_check_value(value, value_len) < 0)
		return handle_fail(handle, -EINVAL, "no value but a length");
	request->value.data = value;
	request->value.len = value_len;
	return ask_options(handle, request, options);
}

int ask_delete(struct getme *handle, struct message_request *request,
	       struct message_bytes *one, const void *key, size_t key_len,
	       const struct getme_write_options *options)
{
	int r;

	ask_init(request, METHOD_DELETE);
	r = check_key(handle, key, key_len);
	if (r != 0)
		return r;
	one->data = key;
	one->len = key_len;
	request->keys = one;
	request->n_keys = 1;
	return ask_options(handle, request, options);
}

int ask_plain(struct getme *handle, enum method_id method)
{
	struct message_request request;
	struct message_reply reply;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	ask_init(&request, method);
	r = call(handle, &request, 0, &reply);
	if (r == 0)
		message_reply_deinit(&reply);
	return r;
}

int ask_write(struct getme *handle, struct message_request *request, size_t n,
	      struct getme_written *written)
{
	struct message_reply reply;
	int r;

	r = call(handle, request, n, &reply);
	if (r != 0)
		return r;
	r = answer_written(request->method, &reply, written);
	message_reply_deinit(&reply);
	return handle_result(handle, r);
}
