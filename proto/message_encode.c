#include "proto/message.h"

#include <errno.h>
#include <string.h>

#include "proto/message_option.h"
#include "proto/message_writer.h"

enum {
	/* Heads, id, method name and the usual options of a request. */
	REQUEST_OVERHEAD = 128,
	/* Of a key or an operation in a list. */
	ELEMENT_OVERHEAD = 32,
};

static size_t request_len_hint(const struct message_request *request)
{
	size_t len = REQUEST_OVERHEAD + request->key.len + request->value.len +
		     request->path.len;
	size_t i;

	for (i = 0; i < request->n_keys; i++)
		len += ELEMENT_OVERHEAD + request->keys[i].len;
	for (i = 0; i < request->n_ops; i++)
		len += ELEMENT_OVERHEAD + request->ops[i].key.len +
		       request->ops[i].value.len;
	return len;
}

static void encode_keys(struct message_writer *writer,
			const struct message_request *request)
{
	size_t i;

	message_writer_array(writer, request->n_keys);
	for (i = 0; i < request->n_keys; i++)
		message_writer_bin(writer, &request->keys[i]);
}

static void encode_op(struct message_writer *writer,
		      const struct message_op *op)
{
	size_t n = (op->is_delete ? 2 : 3) + (op->options.present != 0);

	message_writer_array(writer, n);
	message_writer_text(writer, op->is_delete ? "delete" : "put");
	message_writer_bin(writer, &op->key);
	if (!op->is_delete)
		message_writer_bin(writer, &op->value);
	if (op->options.present)
		message_option_encode(writer, &op->options);
}

static void encode_ops(struct message_writer *writer,
		       const struct message_request *request)
{
	size_t i;

	message_writer_array(writer, request->n_ops);
	for (i = 0; i < request->n_ops; i++)
		encode_op(writer, &request->ops[i]);
}

static void encode_param(struct message_writer *writer, char letter,
			 const struct message_request *request)
{
	switch (letter) {
	case 'k':
		message_writer_bin(writer, &request->key);
		return;
	case 'v':
		message_writer_bin(writer, &request->value);
		return;
	case 'K':
		encode_keys(writer, request);
		return;
	case 'O':
		encode_ops(writer, request);
		return;
	case 'i':
		message_writer_int(writer, request->by);
		return;
	case 'c':
		message_writer_bin(writer, &request->cursor);
		return;
	case 'p':
		message_writer_bin(writer, &request->path);
		return;
	default:
		message_writer_fail(writer, -EINVAL);
	}
}

int message_encode_request(struct buffer *out, size_t body_max,
			   const struct message_request *request)
{
	const struct method *method = method_get(request->method);
	struct message_writer writer;
	const char *letter;

	message_writer_begin(&writer, out, body_max, request_len_hint(request));
	message_writer_array(&writer, 4);
	message_writer_uint(&writer, 0);
	message_writer_uint(&writer, request->id);
	message_writer_text(&writer, method->name);
	message_writer_array(&writer, strlen(method->params) + 1);
	for (letter = method->params; *letter; letter++)
		encode_param(&writer, *letter, request);
	message_option_encode(&writer, &request->options);
	return message_writer_end(&writer);
}
