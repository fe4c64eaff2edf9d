/*
 * A client's input from a hostile server: the first byte chooses the method,
 * the rest is the body of the reply.  What decodes is encoded and decoded
 * again, and must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/message.h"
#include "tests/support/message_equal.h"

static struct message_decoder *decoder;

static void check(int ok)
{
	if (!ok)
		abort();
}

static void encode_again(enum method_id method,
			 const struct message_reply *reply)
{
	struct buffer buffer = { 0 };
	struct message_reply again;
	struct message_error error;

	check(message_encode_reply(&buffer, UINT32_MAX, method, reply) == 0);
	check(message_decode_reply(
		      decoder, method, buffer.data + FRAME_HEAD_LEN,
		      buffer.len - FRAME_HEAD_LEN, &again, &error) == 0);
	check(message_equal_replies(reply, &again));
	message_reply_deinit(&again);
	buffer_deinit(&buffer);
}

/* BODY is a block of exactly LEN bytes, so that ASan sees its end. */
static void decode(enum method_id method, const uint8_t *body, size_t len)
{
	struct message_reply reply;
	struct message_error error = { 0 };
	uint32_t id;
	int peeked = message_peek_reply_id(body, len, &id);

	if (message_decode_reply(decoder, method, body, len, &reply, &error)) {
		check(error.code != 0 && error.text[0] != '\0' &&
		      strlen(error.text) < sizeof(error.text));
		return;
	}
	check(peeked == 0 && id == reply.id);
	encode_again(method, &reply);
	message_reply_deinit(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *body;

	if (!decoder)
		decoder = message_decoder_new();
	check(decoder != NULL);
	if (len == 0)
		return 0;
	body = malloc(len - 1);
	check(body != NULL);
	memcpy(body, data + 1, len - 1);
	decode((enum method_id)(data[0] % METHOD_COUNT_OF), body, len - 1);
	free(body);
	return 0;
}
