#include "client/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/option_struct.h"
#include "client/ask.h"

enum {
	OPS_FIRST = 16,		    /* room for operations at first */
	BATCH_BYTES_MAX = 64 << 20, /* keys and values */
	PUT_OPTIONS = OPT_TTL | OPT_EXPIRES_AT | OPT_IF_ABSENT | OPT_IF_VERSION,
	DELETE_OPTIONS = OPT_IF_VERSION,
	/* What a reset batch keeps of its memory. */
	KEEP_BYTES = 256 << 10,
};

/* Key and value lie in bytes, one behind the other. */
struct batch_op {
	bool is_delete;
	size_t off;
	size_t key_len;
	size_t value_len;
	struct message_options options;
};

struct getme_batch {
	struct buffer bytes;
	struct batch_op *ops;
	size_t n;
	size_t cap;
};

int getme_batch_new(struct getme_batch **batch)
{
	struct getme_batch *made;

	if (!batch)
		return -EINVAL;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	*batch = made;
	return 0;
}

void getme_batch_free(struct getme_batch *batch)
{
	if (!batch)
		return;
	buffer_deinit(&batch->bytes);
	free(batch->ops);
	free(batch);
}

void getme_batch_reset(struct getme_batch *batch)
{
	if (!batch)
		return;
	buffer_consume(&batch->bytes, batch->bytes.len);
	buffer_trim(&batch->bytes, KEEP_BYTES);
	batch->n = 0;
}

size_t getme_batch_count(const struct getme_batch *batch)
{
	return batch ? batch->n : 0;
}

static int reserve_op(struct getme_batch *batch)
{
	size_t cap = batch->cap ? batch->cap * 2 : OPS_FIRST;
	struct batch_op *ops;

	if (batch->n < batch->cap)
		return 0;
	ops = realloc(batch->ops, cap * sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	batch->ops = ops;
	batch->cap = cap;
	return 0;
}

/* OP says how long key and value (NULL: none) are, and what is to be done. */
static int add(struct getme_batch *batch, struct batch_op *op, const void *key,
	       const void *value)
{
	size_t room = BATCH_BYTES_MAX - batch->bytes.len;
	int r;

	if (batch->n == MESSAGE_OPS_MAX || op->key_len > room ||
	    op->value_len > room - op->key_len)
		return GETME_E_TOO_LARGE;
	r = reserve_op(batch);
	if (r < 0)
		return r;
	op->off = batch->bytes.len;
	r = buffer_reserve(&batch->bytes, op->key_len + op->value_len);
	if (r < 0)
		return r;
	buffer_append(&batch->bytes, key, op->key_len);
	if (value)
		buffer_append(&batch->bytes, value, op->value_len);
	batch->ops[batch->n++] = *op;
	return 0;
}

int getme_batch_put(struct getme_batch *batch, const void *key, size_t key_len,
		    const void *value, size_t value_len,
		    const struct getme_write_options *options)
{
	struct batch_op op = { .is_delete = false,
			       .key_len = key_len,
			       .value_len = value_len };
	int r;

	if (!batch)
		return -EINVAL;
	r = ask_check_key(key, key_len);
	if (r == 0)
		r = ask_check_value(value, value_len);
	if (r == 0)
		r = option_struct_write(options, PUT_OPTIONS, &op.options);
	return r == 0 ? add(batch, &op, key, value) : r;
}

int getme_batch_delete(struct getme_batch *batch, const void *key,
		       size_t key_len,
		       const struct getme_write_options *options)
{
	struct batch_op op = { .is_delete = true, .key_len = key_len };
	int r;

	if (!batch)
		return -EINVAL;
	r = ask_check_key(key, key_len);
	if (r == 0)
		r = option_struct_write(options, DELETE_OPTIONS, &op.options);
	return r == 0 ? add(batch, &op, key, NULL) : r;
}

static void set_op(const struct getme_batch *batch, size_t i,
		   struct message_op *out)
{
	const struct batch_op *op = &batch->ops[i];

	out->is_delete = op->is_delete;
	out->key.data = batch->bytes.data + op->off;
	out->key.len = op->key_len;
	out->value.data = batch->bytes.data + op->off + op->key_len;
	out->value.len = op->value_len;
	out->options = op->options;
}

int batch_ask(struct getme *handle, const struct getme_batch *batch,
	      const struct getme_write_options *options,
	      struct message_request *request)
{
	size_t i;
	int r;

	ask_init(request, METHOD_BATCH);
	if (!batch || batch->n == 0)
		return handle_fail(handle, -EINVAL,
				   "no batch, or one without operations");
	r = ask_options(handle, request, options);
	if (r != 0)
		return r;
	request->ops = calloc(batch->n, sizeof(*request->ops));
	if (!request->ops)
		return handle_fail_plain(handle, -ENOMEM);
	for (i = 0; i < batch->n; i++)
		set_op(batch, i, &request->ops[i]);
	request->n_ops = batch->n;
	return 0;
}

int getme_batch_apply(struct getme *handle, const struct getme_batch *batch,
		      const struct getme_write_options *options,
		      struct getme_written *written)
{
	struct message_request request;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	r = batch_ask(handle, batch, options, &request);
	if (r != 0)
		return r;
	r = ask_write(handle, &request, batch->n, written);
	free(request.ops);
	return r;
}
