/*
 * wire: the requests of getMe, redis (RESP) and memcached (its meta commands,
 * the cheaper ones for it), encoded once and then only patched; and as much
 * of their replies as tells where they end and whether they are right.
 *
 * The same generator thus loads all of them, and costs the same for each.
 */
#ifndef GETME_TESTS_BENCH_WIRE_H
#define GETME_TESTS_BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

enum {
	WIRE_SLOTS = 128, /* requests in flight on a connection, at most */
};

/* One request as it goes over the wire, and where it is patched. */
struct wire_template {
	uint8_t *data;
	size_t len;
	size_t key_at;
	size_t value_at; /* 0: has none */
	size_t id_at;	 /* of one byte; 0: has none */
};

struct wire_reply {
	size_t len;
	unsigned int slot;    /* when the wire has ids */
	const uint8_t *value; /* of a get that found it; else NULL */
	bool ok;	      /* neither an error nor a miss */
};

struct wire {
	const char *name;
	bool has_ids;
	/* false: more bytes are needed.  Exits at what is no reply. */
	bool (*parse)(const uint8_t *data, size_t len, bool is_get,
		      struct wire_reply *reply);
	struct wire_template get;
	struct wire_template put;
};

/*
 * NAME is getme, redis or memcached; exits when it is none.  DURABILITY is
 * getMe's alone: the others are told when they are started.
 */
void wire_init(struct wire *wire, const char *name, size_t value_len,
	       enum message_durability durability);
void wire_deinit(struct wire *wire);

/* The request about key NUMBER, at TO, which has room for template->len. */
void wire_put(const struct wire_template *template, uint8_t *to,
	      uint64_t number, unsigned int slot);

#endif
