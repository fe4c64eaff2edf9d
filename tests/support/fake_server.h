/*
 * fake_server: a getMe daemon in a thread of the test, on a real socket in a
 * folder of its own, that misbehaves as it is told.
 *
 * Rules are looked at in the order they were added; the first that names the
 * request's method and is not used up says what happens to it.  Without one
 * the request is answered from a fake_store.  All functions may be called
 * while the server runs, and abort() when the system fails them.
 */
#ifndef GETME_TESTS_SUPPORT_FAKE_SERVER_H
#define GETME_TESTS_SUPPORT_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"
#include "tests/support/fake_store.h"

struct fake_server;

enum fake_act {
	FAKE_ANSWER,	  /* as without a rule */
	FAKE_ERROR,	  /* CODE and TEXT, nothing else */
	FAKE_LOSE,	  /* carried out; the connection closes instead */
	FAKE_CUT,	  /* carried out; AT bytes of the reply, then closed */
	FAKE_SILENT,	  /* carried out; this connection never speaks again */
	FAKE_HOLD,	  /* nothing goes on before fake_server_release */
	FAKE_WRONG_ID,	  /* the reply of another request */
	FAKE_TWICE,	  /* the same reply two times */
	FAKE_WRONG_SHAPE, /* a result that no method has */
	FAKE_NO_RPC,	  /* a frame that is no message */
	FAKE_NOTIFY,	  /* a notification */
	FAKE_HUGE,	  /* a length of 4 GiB - 1 */
	FAKE_EMPTY,	  /* a length of 0 */
	FAKE_REFUSE,	  /* an error without a request, then closed */
	FAKE_REPLY,	  /* REPLY, encoded as METHOD's, with the right id */
	FAKE_DRIP,	  /* the reply one byte at a time */
	FAKE_REPLY_CUT,	  /* AT bytes of what FAKE_REPLY says, then closed */
	FAKE_REPLY_DRIP,  /* what FAKE_REPLY says, one byte at a time */
	FAKE_RESULT, /* the result that TEXT says, as msgpack_text has it */
};

enum {
	FAKE_ANY = -1,
	FAKE_FDS_MAX = 16,
};

struct fake_rule {
	int method; /* enum method_id, or FAKE_ANY (but never hello) */
	enum fake_act act;
	unsigned int skip;  /* requests that pass first */
	unsigned int times; /* how often; 0: always */
	size_t at;
	unsigned int code; /* enum message_error_code */
	const char *text;
	struct message_reply reply;
	/* Descriptors, the test's, that go with byte FDS_AT of the reply. */
	int fds[FAKE_FDS_MAX];
	unsigned int n_fds;
	size_t fds_at;
};

struct fake_server *fake_server_start(void);
void fake_server_stop(struct fake_server *server);

const char *fake_server_path(const struct fake_server *server);

void fake_server_rule(struct fake_server *server, struct fake_rule rule);
void fake_server_forget_rules(struct fake_server *server);

/* What hello tells from the next connection on. */
void fake_server_set_hello(struct fake_server *server, struct fake_hello hello);

/* Whoever reads this key is told that its entry is damaged. */
void fake_server_damage(struct fake_server *server, const char *key);

/* Ends all holds, and those to come are none: a rule holds once. */
void fake_server_release(struct fake_server *server);

/* No more than this many bytes at a time, either way; 0: any. */
void fake_server_slow(struct fake_server *server, size_t chunk);

/*
 * The next connection that has said hello is closed when AT more bytes have
 * come: what they hold is thrown away.
 */
void fake_server_cut_input(struct fake_server *server, size_t at);

/* Reads nothing while on: sockets fill. */
void fake_server_stop_reading(struct fake_server *server, bool on);

/* Closes all connections, and waits until that is done. */
void fake_server_drop(struct fake_server *server);

/* Closes the listener too and removes its file; or makes it again. */
void fake_server_down(struct fake_server *server);
void fake_server_up(struct fake_server *server);

/* How many requests of METHOD (FAKE_ANY: all but hello) have come. */
unsigned int fake_server_seen(struct fake_server *server, int method);

/* Waits until there were N. */
void fake_server_await(struct fake_server *server, int method, unsigned int n);

/* Waits until a connection has been closed by its client. */
void fake_server_await_closed(struct fake_server *server, unsigned int n);

/* How many connections were made so far. */
unsigned int fake_server_connections(struct fake_server *server);

#endif
