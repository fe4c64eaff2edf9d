#include "proto/message.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/message_check.h"
#include "proto/message_decode.h"

enum {
	/*
	 * The zone's first chunk, which it keeps: room for every message but
	 * those with long lists.
	 */
	DECODER_CHUNK_LEN = 8192,
	/* Bytes of the list that are kept: some 300 operations. */
	DECODER_LIST_KEEP = 64 << 10,
};

const char *message_error_name(unsigned int code)
{
	switch (code) {
#define ERROR_NAME(number, symbol, name)                                       \
	case number:                                                           \
		return name;
		MESSAGE_ERROR_TABLE(ERROR_NAME)
#undef ERROR_NAME
	default:
		return "unknown";
	}
}

struct message_decoder *message_decoder_new(void)
{
	struct message_decoder *decoder;

	decoder = calloc(1, sizeof(*decoder));
	if (!decoder)
		return NULL;
	decoder->zone = msgpack_zone_new(DECODER_CHUNK_LEN);
	if (!decoder->zone) {
		free(decoder);
		return NULL;
	}
	return decoder;
}

void message_decoder_free(struct message_decoder *decoder)
{
	if (!decoder)
		return;
	msgpack_zone_free(decoder->zone);
	free(decoder->list);
	free(decoder);
}

void message_decoder_trim(struct message_decoder *decoder)
{
	if (decoder->list_cap <= DECODER_LIST_KEEP)
		return;
	free(decoder->list);
	decoder->list = NULL;
	decoder->list_cap = 0;
}

void message_reply_deinit(struct message_reply *reply)
{
	free(reply->items);
	free(reply->versions);
	free(reply->stats);
	free(reply->limits);
	free(reply->capabilities);
	reply->items = NULL;
	reply->versions = NULL;
	reply->stats = NULL;
	reply->limits = NULL;
	reply->capabilities = NULL;
	reply->n_items = 0;
	reply->n_versions = 0;
	reply->n_stats = 0;
	reply->n_limits = 0;
	reply->n_capabilities = 0;
}

int message_peek_reply_id(const void *body, size_t body_len, uint32_t *id)
{
	uint64_t type;
	uint32_t number;

	if (message_check_peek(body, body_len, &type, &number) || type != 1)
		return -EPROTO;
	*id = number;
	return 0;
}
