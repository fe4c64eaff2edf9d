/*
 * message_decode: what the decoders of requests and of replies share: the
 * step from bytes to msgpack objects, typed access to them, error texts.
 *
 * Private to the message codec.  Every function that takes a scope returns
 * 0, or -EPROTO with the scope's error filled in, or -ENOMEM.
 */
#ifndef GETME_PROTO_MESSAGE_DECODE_H
#define GETME_PROTO_MESSAGE_DECODE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

struct message_decoder {
	/* Holds the objects of one message; keeps its first chunk. */
	msgpack_zone *zone;
	void *list; /* the last request's keys or operations */
	size_t list_cap;
};

/* Where in a message the decoder is: the beginning of every error text. */
struct message_scope {
	const char *where; /* "put"; NULL: the message itself */
	bool is_reply;	   /* "reply to put" */
	const char *list;  /* "ops": in its element INDEX; NULL: in none */
	size_t index;
	unsigned int param; /* 1 and up: what is named is this parameter */
	struct message_error *error;
};

enum {
	MESSAGE_QUOTE_MAX = 40, /* bytes of a peer's name in our text */
	MESSAGE_QUOTE_SIZE = MESSAGE_QUOTE_MAX + sizeof("..."),
	MESSAGE_KEY_MAX = 65535,
};

/*
 * Checks and unpacks a body.  OBJECT lives in the decoder's zone until
 * message_decode_end(); its bytes are the body's.
 */
int message_decode_begin(struct message_decoder *decoder,
			 const struct message_scope *scope, const void *body,
			 size_t body_len, msgpack_object *object);
void message_decode_end(struct message_decoder *decoder);

/* Fills in the error and returns -EPROTO. */
int message_fail(const struct message_scope *scope,
		 enum message_error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "NAME must be EXPECTED, not a map" */
int message_fail_type(const struct message_scope *scope, const char *name,
		      const char *expected, const msgpack_object *object);

/* A name from a peer, made safe to print: ASCII, cut.  Returns QUOTE. */
const char *message_quote(char quote[MESSAGE_QUOTE_SIZE],
			  const struct message_bytes *bytes);

bool message_is_nil(const msgpack_object *object);

/* Is OBJECT a str, and this one? */
bool message_is_str(const msgpack_object *object, const char *text);

/* The bytes of a bin or a str; false: it is neither, BYTES is untouched. */
bool message_to_bytes(const msgpack_object *object,
		      struct message_bytes *bytes);

/* Typed access, with the error that names what came instead. */
int message_get_bytes(const struct message_scope *scope, const char *name,
		      const msgpack_object *object,
		      struct message_bytes *bytes);
int message_get_str(const struct message_scope *scope, const char *name,
		    const msgpack_object *object, struct message_bytes *bytes);
int message_get_uint(const struct message_scope *scope, const char *name,
		     const msgpack_object *object, uint64_t min, uint64_t max,
		     uint64_t *number);
int message_get_int(const struct message_scope *scope, const char *name,
		    const msgpack_object *object, int64_t *number);
int message_get_durability(const struct message_scope *scope, const char *name,
			   const msgpack_object *object,
			   enum message_durability *durability);

/* A bin of 1 to MESSAGE_KEY_MAX bytes. */
int message_get_key(const struct message_scope *scope, const char *name,
		    const msgpack_object *object, struct message_bytes *key);

/* 1 and up: 0 is never a version. */
int message_get_version(const struct message_scope *scope,
			const msgpack_object *object, uint64_t *version);

/* OBJECT's elements if it is an array of N; NULL with the error else. */
const msgpack_object *message_get_tuple(const struct message_scope *scope,
					const msgpack_object *object,
					uint32_t n);

/* The length of an array of up to MAX. */
int message_get_list(const struct message_scope *scope,
		     const msgpack_object *object, uint32_t max, size_t *n);

/* [code, name, text]; the name is left out: it follows from the code. */
int message_get_error(const struct message_scope *scope,
		      const msgpack_object *object, unsigned int *code,
		      struct message_bytes *text);

/*
 * N zeroed elements of SIZE bytes in the decoder's one list, until the next
 * request; not NULL when N is 0.  NULL: no memory.
 */
void *message_request_list(struct message_decoder *decoder, size_t n,
			   size_t size);

/* The same, malloc'ed, for a reply. */
void *message_new_list(size_t n, size_t size);

#endif
