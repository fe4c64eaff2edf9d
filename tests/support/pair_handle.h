/*
 * pair_handle: a client's handle on one end of a socketpair, whose other end
 * the test plays itself, without a thread: what the library has sent lies in
 * the socket, what the test answers is there when the library looks.
 */
#ifndef GETME_TESTS_SUPPORT_PAIR_HANDLE_H
#define GETME_TESTS_SUPPORT_PAIR_HANDLE_H

#include "client/handle.h"

struct pair_handle {
	struct getme *handle; /* hello is behind it, no limit is near */
	int peer;	      /* non-blocking */
};

/* cmocka's setup and teardown; STATE becomes the pair. */
int pair_handle_setup(void **state);
int pair_handle_teardown(void **state);

/* A request to METHOD for the key "k", with the value "v". */
struct message_request pair_handle_request(enum method_id method);

/* Answers request REPLY->id (they are counted from 1), a METHOD. */
void pair_handle_answer(struct pair_handle *pair, enum method_id method,
			const struct message_reply *reply);

#endif
