/*
 * dispatch_methods: dispatch's own table, one row a method.
 *
 * prepare checks what the codec does not know (the store's limits and what it
 * can do; the codec has checked keys, counts and which options go together)
 * and fills in request->engine.  It returns 0; or -EINVAL, having called
 * dispatch_fail; or -ENOMEM.  Engine and mutation are zero before, but of
 * methods with an encode: there it sets what its request needs.
 * reply fills in a reply from request->engine, whose result is 0 or
 * nil_result; items or versions lie in memory of dispatch_new_list, other
 * arrays are allocated, and freed by dispatch_finish.  It returns 0 or
 * -ENOMEM.
 * encode, of the most frequent methods, appends a small reply to OUT without
 * any of that.  It returns 0, -ENOMEM, -EMSGSIZE, or DISPATCH_OTHERWISE: this
 * answer takes the general way.
 */
#ifndef GETME_DAEMON_DISPATCH_METHODS_H
#define GETME_DAEMON_DISPATCH_METHODS_H

#include "daemon/request.h"
#include "proto/message.h"

enum {
	DISPATCH_OTHERWISE = 1,
};

struct dispatch_method {
	int (*prepare)(struct request *request);
	int (*reply)(struct request *request, struct message_reply *reply);
	enum request_kind kind;
	int nil_result; /* of the engine: an answer, no error; 0: none */
	int (*encode)(const struct request *request, struct buffer *out);
};

/* The one list of a reply: N zeroed elements of SIZE bytes.  NULL: no memory. */
void *dispatch_new_list(struct request *request, size_t n, size_t size);

int dispatch_prepare_get(struct request *request);
int dispatch_prepare_stat(struct request *request);
int dispatch_prepare_get_many(struct request *request);
int dispatch_prepare_scan(struct request *request);
int dispatch_prepare_count(struct request *request);
int dispatch_prepare_sync(struct request *request);
int dispatch_reply_get(struct request *request, struct message_reply *reply);
int dispatch_encode_get(const struct request *request, struct buffer *out);
int dispatch_reply_get_many(struct request *request,
			    struct message_reply *reply);
int dispatch_reply_scan(struct request *request, struct message_reply *reply);
int dispatch_reply_count(struct request *request, struct message_reply *reply);

int dispatch_prepare_put(struct request *request);
int dispatch_prepare_delete(struct request *request);
int dispatch_prepare_batch(struct request *request);
int dispatch_prepare_incr(struct request *request);
int dispatch_prepare_touch(struct request *request);
int dispatch_prepare_clear(struct request *request);
int dispatch_reply_version(struct request *request,
			   struct message_reply *reply);
int dispatch_encode_put(const struct request *request, struct buffer *out);
int dispatch_reply_delete(struct request *request, struct message_reply *reply);
int dispatch_reply_batch(struct request *request, struct message_reply *reply);

int dispatch_prepare_hello(struct request *request);
int dispatch_prepare_stats(struct request *request);
int dispatch_prepare_compact(struct request *request);
int dispatch_prepare_backup(struct request *request);
int dispatch_prepare_attach(struct request *request);
int dispatch_reply_attach(struct request *request, struct message_reply *reply);
int dispatch_reply_hello(struct request *request, struct message_reply *reply);
int dispatch_reply_nothing(struct request *request,
			   struct message_reply *reply);
int dispatch_reply_stats(struct request *request, struct message_reply *reply);
#endif
