/*
 * message: what a frame's body says, both ways, for both sides.
 *
 * Shapes (MessagePack-RPC's):
 *   request       [0, id, method, [param..., {option: value}]]
 *   reply         [1, id, error, result]     one of the two is nil
 *   notification  [2, method, params]        reserved; a server refuses it
 * id is an unsigned integer of up to 32 bits, chosen by the client, echoed.
 * An error is [code, name, text].  Keys and values are bin; str is accepted
 * for them too, since many languages' strings arrive so.
 *
 * Results by method:
 *   hello     {"protocol": n, "server": str, "limits": {name: n},
 *              "capabilities": [str]}
 *   ping, clear, sync, compact, backup   nil
 *   get       nil, or [value, version, expires_at or nil]
 *   stat      nil, or [size, version, expires_at or nil]
 *   get_many  an array, one for each key: nil, [value, version, expires_at
 *             or nil], or an error [code, name, text]
 *   put       nil when the condition was not met, else [version, durability]
 *   delete    nil when the condition was not met, else [deleted, durability]
 *   batch     [[version...], durability] (0 for a delete), or the index of
 *             the operation whose condition was not met
 *   incr      [number, version, durability]
 *   touch     nil when the key is not there, else [version, durability]
 *   count     n
 *   scan      [cursor or nil when it is over, [item...]], an item being
 *             [key, version, expires_at or nil] or, with values, [key,
 *             version, expires_at or nil, value]; of a damaged entry [key,
 *             version, expires_at or nil, error] (key empty and version 0
 *             where they are not known)
 *   stats     [[name, kind, value, help]...], kind "counter", "gauge" (the
 *             value a number) or "text" (the value a str)
 *   attach    nil when that is not there (any more), else [index, len, id]
 *             and, with the frame's first byte, one descriptor (SCM_RIGHTS): of
 *             the index' header, or of the chunk or segment that an option
 *             names, of which LEN bytes may be mapped; index is the number
 *             of the index that is current
 * A batch operation is ["put", key, value, {ttl, expires_at, if_absent,
 * if_version}] or ["delete", key, {if_version}]; the map may be left out.
 *
 * Invariants
 *  1. A decoder reads only inside the body that it is given, allocates no
 *     more than a small multiple of the body's length, refuses more than
 *     MESSAGE_DEPTH_MAX levels and any byte behind the value.
 *  2. What a decoded message points to lies in the body (borrowed), or in
 *     arrays: a reply's are its own, and message_reply_deinit frees them; a
 *     request's are the decoder's, until it decodes the next one.
 *  3. Encoders append one whole frame, head included, or nothing.
 */
#ifndef GETME_PROTO_MESSAGE_H
#define GETME_PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"
#include "proto/method.h"

enum {
	MESSAGE_PROTOCOL = 1,	   /* the version that hello tells */
	MESSAGE_DEPTH_MAX = 8,	   /* levels of arrays and maps */
	MESSAGE_KEYS_MAX = 16384,  /* of get_many and delete */
	MESSAGE_OPS_MAX = 16384,   /* of a batch */
	MESSAGE_ITEMS_MAX = 16384, /* of a scan step */
	MESSAGE_CURSOR_MAX = 32,   /* bytes of a cursor */
	MESSAGE_PATH_MAX = 4095,   /* bytes of a path; at least 1, none 0 */
	MESSAGE_ERROR_TEXT_MAX = 256,
};

/* Codes of errors: stable, listed in getme-protocol(7). */
#define MESSAGE_ERROR_TABLE(X)                                                 \
	X(1, BAD_FRAME, "bad_frame")	 /* then the peer closes */            \
	X(2, BAD_MESSAGE, "bad_message") /* not one of the shapes */           \
	X(3, UNKNOWN_METHOD, "unknown_method")                                 \
	X(4, BAD_PARAMS, "bad_params") /* count, type, range */                \
	X(5, TOO_LARGE, "too_large")   /* key, value, batch, reply */          \
	X(6, VERSION, "unsupported_version")                                   \
	X(7, NOT_ALLOWED, "not_allowed")                                       \
	X(8, BUSY, "busy") /* a limit; try later */                            \
	X(9, DEADLINE, "deadline")                                             \
	X(10, FULL, "disk_full")                                               \
	X(11, READ_ONLY, "read_only")                                          \
	X(12, CORRUPT, "corrupt")                                              \
	X(13, IO, "io_error")                                                  \
	X(14, NO_MEMORY, "no_memory")                                          \
	X(15, UNKNOWN_OUTCOME, "unknown_outcome")                              \
	X(16, NOT_INTEGER, "not_an_integer")                                   \
	X(17, OVERFLOW, "overflow")                                            \
	X(18, BAD_CURSOR, "bad_cursor")                                        \
	X(19, CLOSING, "closing") /* the daemon is stopping */                 \
	X(20, UNSUPPORTED, "unsupported")                                      \
	X(21, INTERNAL, "internal")

enum message_error_code {
	MESSAGE_ERROR_NONE = 0,
#define MESSAGE_ERROR_ENUM(code, symbol, name) MESSAGE_ERROR_##symbol = code,
	MESSAGE_ERROR_TABLE(MESSAGE_ERROR_ENUM)
#undef MESSAGE_ERROR_ENUM
};

/* "bad_params" for a code; "unknown" for one that is not in the table. */
const char *message_error_name(unsigned int code);

struct message_error {
	unsigned int code; /* MESSAGE_ERROR_NONE: no error */
	char text[MESSAGE_ERROR_TEXT_MAX];
};

struct message_bytes {
	const void *data;
	size_t len;
};

/* Order of strength; the strings are "none", "interval", "always". */
enum message_durability {
	MESSAGE_DURABILITY_DEFAULT = 0, /* not on the wire */
	MESSAGE_DURABILITY_NONE,
	MESSAGE_DURABILITY_INTERVAL,
	MESSAGE_DURABILITY_ALWAYS,
};

/* The option map of a request or of a batch operation. */
struct message_options {
	unsigned int present; /* enum method_option, ored */
	uint64_t ttl_ms;
	uint64_t expires_at_ms;
	uint64_t if_version;
	uint64_t limit;
	uint64_t protocol;
	uint64_t index;
	uint64_t primary;
	uint64_t overflow;
	uint64_t segment;
	enum message_durability durability;
	bool values;
	struct message_bytes prefix;
	struct message_bytes client;
};

struct message_op {
	bool is_delete;
	struct message_bytes key;
	struct message_bytes value;
	struct message_options options; /* ttl, expires_at, conditions */
};

struct message_request {
	uint32_t id;
	enum method_id method;
	struct message_bytes key;   /* k */
	struct message_bytes value; /* v */
	struct message_bytes *keys; /* K: n_keys */
	size_t n_keys;
	struct message_op *ops; /* O: n_ops */
	size_t n_ops;
	int64_t by;		     /* i */
	struct message_bytes cursor; /* c */
	struct message_bytes path;   /* p */
	struct message_options options;
};

enum message_item_kind {
	MESSAGE_ITEM_FOUND,
	MESSAGE_ITEM_MISSING,
	MESSAGE_ITEM_ERROR,
};

/* One answer of get, stat, get_many, scan. */
struct message_item {
	enum message_item_kind kind;
	unsigned int error_code; /* MESSAGE_ITEM_ERROR */
	struct message_bytes error_text;
	struct message_bytes key;   /* scan */
	struct message_bytes value; /* not in stat, nor a scan without */
	bool is_apart;		    /* message_encode_apart leaves it out */
	uint64_t size;		    /* stat */
	uint64_t version;
	uint64_t expires_at_ms; /* 0: nil on the wire */
};

enum message_stat_kind {
	MESSAGE_STAT_COUNTER,
	MESSAGE_STAT_GAUGE,
	MESSAGE_STAT_TEXT,
};

struct message_stat {
	struct message_bytes name;
	enum message_stat_kind kind;
	uint64_t value;
	struct message_bytes text;
	struct message_bytes help;
};

struct message_limit {
	struct message_bytes name;
	uint64_t value;
};

/* A reply; which members count follows from the method and the shapes. */
struct message_reply {
	uint32_t id;
	struct message_error error;
	bool missing; /* nil: get, stat, touch, attach; a condition: put, delete */
	struct message_item *items; /* get, stat: 1; get_many, scan: n */
	size_t n_items;
	bool with_values;	     /* scan */
	struct message_bytes cursor; /* scan; len 0: over */
	uint64_t version;	     /* put, incr, touch */
	uint64_t *versions;	     /* batch */
	size_t n_versions;
	bool condition_failed; /* batch */
	uint64_t failed_index; /* batch */
	enum message_durability durability;
	int64_t number;	  /* incr */
	uint64_t count;	  /* count; delete: deleted; attach: len */
	uint64_t index;	  /* attach */
	uint64_t segment; /* attach: its whole id; of what is none, 0 */
	struct message_stat *stats;
	size_t n_stats;
	uint64_t protocol; /* hello */
	struct message_bytes server;
	struct message_limit *limits;
	size_t n_limits;
	struct message_bytes *capabilities;
	size_t n_capabilities;
};

/* Holds what decoding needs again and again.  NULL: no memory. */
struct message_decoder *message_decoder_new(void);
void message_decoder_free(struct message_decoder *decoder);
/* Its last request is not needed any more: gives much memory back. */
void message_decoder_trim(struct message_decoder *decoder);

/*
 * Decodes the body of a request.  0, or -EPROTO with ERROR filled in (code
 * and a text that names the fault: which parameter, which option, what was
 * expected and what came), or -ENOMEM.  On failure REQUEST is zero, but for
 * its id where the body had one.
 */
int message_decode_request(struct message_decoder *decoder, const void *body,
			   size_t body_len, struct message_request *request,
			   struct message_error *error);

/*
 * The id of a reply without decoding it, so that the caller can look up the
 * method that it answers.  0 or -EPROTO.
 */
int message_peek_reply_id(const void *body, size_t body_len, uint32_t *id);

/*
 * Decodes the reply to METHOD.  0, -EPROTO (see ERROR), -ENOMEM.  An error
 * that the server sent is a reply as well: 0, with reply->error set, its text
 * cut, and control bytes in it replaced.  For the nil of get and stat,
 * missing is set and the one item says MESSAGE_ITEM_MISSING.
 */
int message_decode_reply(struct message_decoder *decoder, enum method_id method,
			 const void *body, size_t body_len,
			 struct message_reply *reply,
			 struct message_error *error);
void message_reply_deinit(struct message_reply *reply);

/*
 * Append one frame.  0, -ENOMEM, -EMSGSIZE (body over BODY_MAX), -EINVAL: the
 * wire has no form for it (a durability of MESSAGE_DURABILITY_DEFAULT, a get
 * without its one item).  A reply whose error is set is sent as that error.
 */
int message_encode_request(struct buffer *out, size_t body_max,
			   const struct message_request *request);
int message_encode_reply(struct buffer *out, size_t body_max,
			 enum method_id method,
			 const struct message_reply *reply);

/*
 * The most frequent replies by themselves: message_encode_reply of a get that
 * found ITEM (NULL: missing), and of a put that was done.
 */
int message_encode_value(struct buffer *out, size_t body_max, uint32_t id,
			 const struct message_item *item);
int message_encode_written(struct buffer *out, size_t body_max, uint32_t id,
			   uint64_t version,
			   enum message_durability durability);

/* Bytes that a frame has and its buffer has not: a value that is not copied. */
struct message_part {
	size_t off; /* they belong before the buffer's byte there */
	struct message_bytes bytes; /* borrowed: an item's value */
};

/* All zero is empty. */
struct message_parts {
	struct message_part *parts; /* in order; owned */
	size_t n;
	size_t cap;
	size_t len; /* bytes of all */
};

void message_parts_deinit(struct message_parts *parts);

/*
 * message_encode_reply, but the values of items with is_apart become PARTS
 * (empty before), one each in the order of the items.  PARTS is empty after a
 * failure.
 */
int message_encode_apart(struct buffer *out, size_t body_max,
			 enum method_id method,
			 const struct message_reply *reply,
			 struct message_parts *parts);

/* An error reply; also for a request whose method is not known. */
int message_encode_error(struct buffer *out, uint32_t id,
			 const struct message_error *error);

#endif
