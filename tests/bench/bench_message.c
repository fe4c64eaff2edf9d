/*
 * Nanoseconds to encode and to decode the commonest messages: the best of
 * some runs, since other programs only make it slower.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/frame.h"
#include "proto/message.h"

enum {
	RUNS = 20,
	ROUNDS = 50000,
	BODY_MAX = 64 << 20,
};

static struct message_decoder *decoder;
static struct buffer buffer;

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void check(int result)
{
	if (result) {
		fprintf(stderr, "bench_message: result %d\n", result);
		exit(1);
	}
}

static double encode_request_ns(const struct message_request *request)
{
	double start = now_ns();
	int i;

	for (i = 0; i < ROUNDS; i++) {
		buffer.len = 0;
		check(message_encode_request(&buffer, BODY_MAX, request));
	}
	return (now_ns() - start) / ROUNDS;
}

static double decode_request_ns(void)
{
	struct message_request decoded;
	struct message_error error;
	double start = now_ns();
	int i;

	for (i = 0; i < ROUNDS; i++) {
		check(message_decode_request(
			decoder, buffer.data + FRAME_HEAD_LEN,
			buffer.len - FRAME_HEAD_LEN, &decoded, &error));
	}
	return (now_ns() - start) / ROUNDS;
}

static double encode_reply_ns(enum method_id method,
			      const struct message_reply *reply)
{
	double start = now_ns();
	int i;

	for (i = 0; i < ROUNDS; i++) {
		buffer.len = 0;
		check(message_encode_reply(&buffer, BODY_MAX, method, reply));
	}
	return (now_ns() - start) / ROUNDS;
}

static double decode_reply_ns(enum method_id method)
{
	struct message_reply decoded;
	struct message_error error;
	double start = now_ns();
	int i;

	for (i = 0; i < ROUNDS; i++) {
		check(message_decode_reply(
			decoder, method, buffer.data + FRAME_HEAD_LEN,
			buffer.len - FRAME_HEAD_LEN, &decoded, &error));
		message_reply_deinit(&decoded);
	}
	return (now_ns() - start) / ROUNDS;
}

static double lesser(double a, double b)
{
	return a < b ? a : b;
}

static void print_row(const char *name, double encode, double decode)
{
	printf("%-22s encode %6.1f ns  decode %6.1f ns\n", name, encode,
	       decode);
}

static void bench_request(const char *name,
			  const struct message_request *request)
{
	double encode = 1e9;
	double decode = 1e9;
	int i;

	for (i = 0; i < RUNS; i++) {
		encode = lesser(encode, encode_request_ns(request));
		decode = lesser(decode, decode_request_ns());
	}
	print_row(name, encode, decode);
}

static void bench_reply(const char *name, enum method_id method,
			const struct message_reply *reply)
{
	double encode = 1e9;
	double decode = 1e9;
	int i;

	for (i = 0; i < RUNS; i++) {
		encode = lesser(encode, encode_reply_ns(method, reply));
		decode = lesser(decode, decode_reply_ns(method));
	}
	print_row(name, encode, decode);
}

int main(void)
{
	static char value[1024];
	const struct message_bytes key = { "user:0000000042", 15 };
	struct message_item item = { .value = { value, 100 },
				     .version = 123456789 };
	struct message_request request = { .id = 7, .key = key };
	struct message_reply reply = { .id = 7, .items = &item, .n_items = 1 };

	decoder = message_decoder_new();
	check(decoder == NULL);
	request.method = METHOD_GET;
	bench_request("get request", &request);
	bench_reply("get reply, 100 B", METHOD_GET, &reply);
	item.value.len = sizeof(value);
	bench_reply("get reply, 1 KiB", METHOD_GET, &reply);
	request.method = METHOD_PUT;
	request.value = (struct message_bytes){ value, 100 };
	bench_request("put request, 100 B", &request);
	request.options.present = OPT_TTL | OPT_DURABILITY;
	request.options.ttl_ms = 60000;
	request.options.durability = MESSAGE_DURABILITY_NONE;
	bench_request("put request, options", &request);
	reply = (struct message_reply){ .id = 7,
					.version = 123456789,
					.durability =
						MESSAGE_DURABILITY_ALWAYS };
	bench_reply("put reply", METHOD_PUT, &reply);
	message_decoder_free(decoder);
	buffer_deinit(&buffer);
	return 0;
}
