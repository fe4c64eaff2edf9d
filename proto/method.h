/*
 * method: the one table of what can be asked over the wire.
 *
 * The daemon's dispatch, the client's encoder and getme-protocol(7) follow
 * it.  A request is [0, id, name, [param...]]; its parameters are those
 * listed, in order, and last a map of the options listed.  Unknown options
 * are an error: a client learns from hello what a server can do.
 *
 * Parameter letters: k key (bin), v value (bin), K array of keys,
 * O array of batch operations, i signed 64-bit integer, c cursor (bin),
 * p absolute path (bin).
 */
#ifndef GETME_PROTO_METHOD_H
#define GETME_PROTO_METHOD_H

#include <stddef.h>
#include <stdint.h>

/*        symbol    name        params options */
#define METHOD_TABLE(X)                                                        \
	X(HELLO, "hello", "", OPT_PROTOCOL | OPT_CLIENT)                       \
	X(PING, "ping", "", 0)                                                 \
	X(GET, "get", "k", 0)                                                  \
	X(STAT, "stat", "k", 0)                                                \
	X(GET_MANY, "get_many", "K", 0)                                        \
	X(PUT, "put", "kv",                                                    \
	  OPT_TTL | OPT_EXPIRES_AT | OPT_IF_ABSENT | OPT_IF_VERSION |          \
		  OPT_DURABILITY)                                              \
	X(DELETE, "delete", "K", OPT_IF_VERSION | OPT_DURABILITY)              \
	X(BATCH, "batch", "O", OPT_DURABILITY)                                 \
	X(INCR, "incr", "ki", OPT_DURABILITY)                                  \
	X(TOUCH, "touch", "k",                                                 \
	  OPT_TTL | OPT_EXPIRES_AT | OPT_PERSIST | OPT_DURABILITY)             \
	X(CLEAR, "clear", "", 0)                                               \
	X(COUNT, "count", "", 0)                                               \
	X(SCAN, "scan", "c", OPT_PREFIX | OPT_LIMIT | OPT_VALUES)              \
	X(SYNC, "sync", "", 0)                                                 \
	X(STATS, "stats", "", 0)                                               \
	X(COMPACT, "compact", "", 0)                                           \
	X(BACKUP, "backup", "p", 0)                                            \
	X(ATTACH, "attach", "",                                                \
	  OPT_INDEX | OPT_PRIMARY | OPT_OVERFLOW | OPT_SEGMENT)

/* Options of requests: name on the wire, msgpack type. */
enum method_option {
	OPT_PROTOCOL = 1 << 0,	 /* "protocol"   uint, hello */
	OPT_CLIENT = 1 << 1,	 /* "client"     str, hello: name and version */
	OPT_TTL = 1 << 2,	 /* "ttl"        uint ms, 1 or more */
	OPT_EXPIRES_AT = 1 << 3, /* "expires_at" uint ms since 1970 */
	OPT_PERSIST = 1 << 4,	 /* "persist"    true: no expiry */
	OPT_IF_ABSENT = 1 << 5,	 /* "if_absent"  true */
	OPT_IF_VERSION = 1 << 6, /* "if_version" uint */
	OPT_DURABILITY = 1 << 7, /* "durability" str: always interval none */
	OPT_PREFIX = 1 << 8,	 /* "prefix"     bin */
	OPT_LIMIT = 1 << 9,	 /* "limit"      uint */
	OPT_VALUES = 1 << 10,	 /* "values"     bool */
	OPT_INDEX = 1 << 11,	 /* "index"      uint: which one is meant */
	OPT_PRIMARY = 1 << 12,	 /* "primary"    uint: a chunk's number */
	OPT_OVERFLOW = 1 << 13,	 /* "overflow"   uint: a chunk's number */
	OPT_SEGMENT = 1 << 14,	 /* "segment"    uint: its id's low 24 bits */
};

enum method_id {
#define METHOD_ENUM(symbol, name, params, options) METHOD_##symbol,
	METHOD_TABLE(METHOD_ENUM)
#undef METHOD_ENUM
		METHOD_COUNT_OF
};

struct method {
	const char *name;
	const char *params;
	unsigned int options; /* enum method_option, ored */
};

/* The row of ID (below METHOD_COUNT_OF). */
const struct method *method_get(enum method_id id);

/* The method called NAME, or -1. */
int method_find(const char *name, size_t len);

#endif
