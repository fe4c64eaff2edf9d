/*
 * ask: what callers give, checked and turned into a message.
 *
 * Every function returns 0 or the call's result, with its text: -EINVAL, or
 * GETME_E_TOO_LARGE for what is over a limit that holds everywhere.  What a
 * request points to is borrowed from the caller.
 */
#ifndef GETME_CLIENT_ASK_H
#define GETME_CLIENT_ASK_H

#include "client/handle.h"

enum {
	ASK_KEY_MAX = 65535, /* bytes */
};

void ask_init(struct message_request *request, enum method_id method);

/* 0, -EINVAL (no key, an empty one) or GETME_E_TOO_LARGE. */
int ask_check_key(const void *key, size_t key_len);

/* -EINVAL when there is no value where its length says that there is. */
int ask_check_value(const void *value, size_t value_len);

int ask_key(struct getme *handle, struct message_request *request,
	    const void *key, size_t key_len);

/* The options that REQUEST's method takes. */
int ask_options(struct getme *handle, struct message_request *request,
		const struct getme_write_options *options);

int ask_put(struct getme *handle, struct message_request *request,
	    const void *key, size_t key_len, const void *value,
	    size_t value_len, const struct getme_write_options *options);

/* ONE is the list of keys and lives as long as REQUEST. */
int ask_delete(struct getme *handle, struct message_request *request,
	       struct message_bytes *one, const void *key, size_t key_len,
	       const struct getme_write_options *options);

/* A whole call: of a METHOD that has neither parameters nor a result. */
int ask_plain(struct getme *handle, enum method_id method);

/* Calls, and turns the reply into WRITTEN (may be NULL). */
int ask_write(struct getme *handle, struct message_request *request, size_t n,
	      struct getme_written *written);

#endif
