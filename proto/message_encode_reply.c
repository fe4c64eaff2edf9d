#include "proto/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message_info.h"
#include "proto/message_writer.h"

enum {
	/* Heads, id and a small result. */
	REPLY_OVERHEAD = 64,
	/* Of an item: its heads, version, expiry. */
	ITEM_OVERHEAD = 32,
};

static size_t reply_len_hint(const struct message_reply *reply,
			     const struct message_parts *parts)
{
	size_t len = REPLY_OVERHEAD;
	size_t i;

	for (i = 0; i < reply->n_items; i++) {
		const struct message_item *item = &reply->items[i];

		len += ITEM_OVERHEAD + item->key.len;
		if (!parts || !item->is_apart)
			len += item->value.len;
	}
	return len;
}

static void encode_expiry(struct message_writer *writer, uint64_t expires_at_ms)
{
	if (expires_at_ms == 0)
		message_writer_nil(writer);
	else
		message_writer_uint(writer, expires_at_ms);
}

static void encode_error(struct message_writer *writer, unsigned int code,
			 const struct message_bytes *text)
{
	message_writer_array(writer, 3);
	message_writer_uint(writer, code);
	message_writer_text(writer, message_error_name(code));
	message_writer_str(writer, text);
}

static void encode_hello(struct message_writer *writer, enum method_id method,
			 const struct message_reply *reply)
{
	size_t i;

	(void)method;
	message_writer_map(writer, 4);
	message_writer_text(writer, "protocol");
	message_writer_uint(writer, reply->protocol);
	message_writer_text(writer, "server");
	message_writer_str(writer, &reply->server);
	message_writer_text(writer, "limits");
	message_writer_map(writer, reply->n_limits);
	for (i = 0; i < reply->n_limits; i++) {
		message_writer_str(writer, &reply->limits[i].name);
		message_writer_uint(writer, reply->limits[i].value);
	}
	message_writer_text(writer, "capabilities");
	message_writer_array(writer, reply->n_capabilities);
	for (i = 0; i < reply->n_capabilities; i++)
		message_writer_str(writer, &reply->capabilities[i]);
}

static void encode_nothing(struct message_writer *writer, enum method_id method,
			   const struct message_reply *reply)
{
	(void)method;
	(void)reply;
	message_writer_nil(writer);
}

static void encode_value(struct message_writer *writer,
			 const struct message_item *item)
{
	if (item->is_apart)
		message_writer_bin_apart(writer, &item->value);
	else
		message_writer_bin(writer, &item->value);
}

static void encode_item(struct message_writer *writer, enum method_id method,
			const struct message_item *item)
{
	if (item->kind == MESSAGE_ITEM_MISSING) {
		message_writer_nil(writer);
		return;
	}
	if (item->kind == MESSAGE_ITEM_ERROR) {
		encode_error(writer, item->error_code, &item->error_text);
		return;
	}
	message_writer_array(writer, 3);
	if (method == METHOD_STAT)
		message_writer_uint(writer, item->size);
	else
		encode_value(writer, item);
	message_writer_uint(writer, item->version);
	encode_expiry(writer, item->expires_at_ms);
}

static void encode_get(struct message_writer *writer, enum method_id method,
		       const struct message_reply *reply)
{
	if (reply->missing)
		message_writer_nil(writer);
	else if (reply->n_items == 1 &&
		 reply->items[0].kind != MESSAGE_ITEM_ERROR)
		encode_item(writer, method, &reply->items[0]);
	else
		message_writer_fail(writer, -EINVAL);
}

static void encode_get_many(struct message_writer *writer,
			    enum method_id method,
			    const struct message_reply *reply)
{
	size_t i;

	message_writer_array(writer, reply->n_items);
	for (i = 0; i < reply->n_items; i++)
		encode_item(writer, method, &reply->items[i]);
}

static void encode_written(struct message_writer *writer, enum method_id method,
			   const struct message_reply *reply)
{
	if (reply->missing) {
		message_writer_nil(writer);
		return;
	}
	message_writer_array(writer, 2);
	message_writer_uint(writer, method == METHOD_DELETE ? reply->count
							    : reply->version);
	message_writer_durability(writer, reply->durability);
}

static void encode_batch(struct message_writer *writer, enum method_id method,
			 const struct message_reply *reply)
{
	size_t i;

	(void)method;
	if (reply->condition_failed) {
		message_writer_uint(writer, reply->failed_index);
		return;
	}
	message_writer_array(writer, 2);
	message_writer_array(writer, reply->n_versions);
	for (i = 0; i < reply->n_versions; i++)
		message_writer_uint(writer, reply->versions[i]);
	message_writer_durability(writer, reply->durability);
}

static void encode_incr(struct message_writer *writer, enum method_id method,
			const struct message_reply *reply)
{
	(void)method;
	message_writer_array(writer, 3);
	message_writer_int(writer, reply->number);
	message_writer_uint(writer, reply->version);
	message_writer_durability(writer, reply->durability);
}

static void encode_count(struct message_writer *writer, enum method_id method,
			 const struct message_reply *reply)
{
	(void)method;
	message_writer_uint(writer, reply->count);
}

static void encode_attach(struct message_writer *writer, enum method_id method,
			  const struct message_reply *reply)
{
	(void)method;
	if (reply->missing) {
		message_writer_nil(writer);
		return;
	}
	message_writer_array(writer, 3);
	message_writer_uint(writer, reply->index);
	message_writer_uint(writer, reply->count);
	message_writer_uint(writer, reply->segment);
}

static void encode_scan_item(struct message_writer *writer, bool with_values,
			     const struct message_item *item)
{
	message_writer_array(
		writer,
		with_values || item->kind == MESSAGE_ITEM_ERROR ? 4 : 3);
	message_writer_bin(writer, &item->key);
	message_writer_uint(writer, item->version);
	encode_expiry(writer, item->expires_at_ms);
	if (item->kind == MESSAGE_ITEM_ERROR)
		encode_error(writer, item->error_code, &item->error_text);
	else if (with_values)
		encode_value(writer, item);
}

static void encode_scan(struct message_writer *writer, enum method_id method,
			const struct message_reply *reply)
{
	size_t i;

	(void)method;
	message_writer_array(writer, 2);
	if (reply->cursor.len == 0)
		message_writer_nil(writer);
	else
		message_writer_bin(writer, &reply->cursor);
	message_writer_array(writer, reply->n_items);
	for (i = 0; i < reply->n_items; i++)
		encode_scan_item(writer, reply->with_values, &reply->items[i]);
}

static void encode_stat(struct message_writer *writer,
			const struct message_stat *stat)
{
	const char *kind = message_info_kind_name(stat->kind);

	if (!kind) {
		message_writer_fail(writer, -EINVAL);
		return;
	}
	message_writer_array(writer, 4);
	message_writer_str(writer, &stat->name);
	message_writer_text(writer, kind);
	if (stat->kind == MESSAGE_STAT_TEXT)
		message_writer_str(writer, &stat->text);
	else
		message_writer_uint(writer, stat->value);
	message_writer_str(writer, &stat->help);
}

static void encode_stats(struct message_writer *writer, enum method_id method,
			 const struct message_reply *reply)
{
	size_t i;

	(void)method;
	message_writer_array(writer, reply->n_stats);
	for (i = 0; i < reply->n_stats; i++)
		encode_stat(writer, &reply->stats[i]);
}

static void (*const encoders[METHOD_COUNT_OF])(struct message_writer *,
					       enum method_id,
					       const struct message_reply *) = {
	[METHOD_HELLO] = encode_hello,	     [METHOD_PING] = encode_nothing,
	[METHOD_GET] = encode_get,	     [METHOD_STAT] = encode_get,
	[METHOD_GET_MANY] = encode_get_many, [METHOD_PUT] = encode_written,
	[METHOD_DELETE] = encode_written,    [METHOD_BATCH] = encode_batch,
	[METHOD_INCR] = encode_incr,	     [METHOD_TOUCH] = encode_written,
	[METHOD_CLEAR] = encode_nothing,     [METHOD_COUNT] = encode_count,
	[METHOD_SCAN] = encode_scan,	     [METHOD_SYNC] = encode_nothing,
	[METHOD_STATS] = encode_stats,	     [METHOD_COMPACT] = encode_nothing,
	[METHOD_BACKUP] = encode_nothing,    [METHOD_ATTACH] = encode_attach,
};

void message_parts_deinit(struct message_parts *parts)
{
	free(parts->parts);
	memset(parts, 0, sizeof(*parts));
}

int message_encode_apart(struct buffer *out, size_t body_max,
			 enum method_id method,
			 const struct message_reply *reply,
			 struct message_parts *parts)
{
	struct message_writer writer;

	if (reply->error.code != MESSAGE_ERROR_NONE)
		return message_encode_error(out, reply->id, &reply->error);
	message_writer_begin(&writer, out, body_max,
			     reply_len_hint(reply, parts));
	writer.parts = parts;
	message_writer_array(&writer, 4);
	message_writer_uint(&writer, 1);
	message_writer_uint(&writer, reply->id);
	message_writer_nil(&writer);
	encoders[method](&writer, method, reply);
	return message_writer_end(&writer);
}

int message_encode_reply(struct buffer *out, size_t body_max,
			 enum method_id method,
			 const struct message_reply *reply)
{
	return message_encode_apart(out, body_max, method, reply, NULL);
}

int message_encode_error(struct buffer *out, uint32_t id,
			 const struct message_error *error)
{
	struct message_bytes text = {
		error->text, strnlen(error->text, sizeof(error->text))
	};
	struct message_writer writer;

	message_writer_begin(&writer, out, UINT32_MAX,
			     REPLY_OVERHEAD + text.len);
	message_writer_array(&writer, 4);
	message_writer_uint(&writer, 1);
	message_writer_uint(&writer, id);
	encode_error(&writer, error->code, &text);
	message_writer_nil(&writer);
	return message_writer_end(&writer);
}
