/*
 * A server's input: any bytes as a stream of frames, each body decoded as a
 * request, and as one body without a head, since a changed length seldom fits.
 * What decodes is encoded and decoded again, and must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/message.h"
#include "tests/support/message_equal.h"

enum {
	BODY_MAX = 1 << 20,
};

static struct message_decoder *decoder, *second;

static void check(int ok)
{
	if (!ok)
		abort();
}

static void encode_again(const struct message_request *request)
{
	struct buffer buffer = { 0 };
	struct message_request again;
	struct message_error error;

	check(message_encode_request(&buffer, BODY_MAX, request) == 0);
	check(message_decode_request(second, buffer.data + FRAME_HEAD_LEN,
				     buffer.len - FRAME_HEAD_LEN, &again,
				     &error) == 0);
	check(message_equal_requests(request, &again));
	buffer_deinit(&buffer);
}

/* From a block of exactly the body's size, so that ASan sees its end. */
static void decode(const uint8_t *body, size_t len)
{
	uint8_t *copy = malloc(len);
	struct message_request request;
	struct message_error error = { 0 };

	check(copy != NULL);
	memcpy(copy, body, len);
	if (message_decode_request(decoder, copy, len, &request, &error) == 0) {
		encode_again(&request);
	} else {
		check(error.code != 0 && error.text[0] != '\0' &&
		      strlen(error.text) < sizeof(error.text));
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *body;
	size_t body_len;
	size_t need;

	/* What one has decoded ends with its next. */
	if (!decoder) {
		decoder = message_decoder_new();
		second = message_decoder_new();
	}
	check(decoder != NULL && second != NULL);
	decode(data, len);
	while (frame_parse(data, len, BODY_MAX, &body, &body_len, &need) == 0) {
		check(body_len >= 1 && body_len <= len - FRAME_HEAD_LEN);
		decode(body, body_len);
		data += FRAME_HEAD_LEN + body_len;
		len -= FRAME_HEAD_LEN + body_len;
	}
	return 0;
}
