/*
 * daemon_rig: the daemon's service over socketpairs, with the fake engine
 * behind it and clients in the same thread.
 *
 * Nothing sleeps: what one side wrote is there when the other looks, so
 * everything is done by running rounds of the loop until nothing moves.
 * Whatever cannot happen aborts.
 */
#ifndef GETME_TESTS_DAEMON_RIG_H
#define GETME_TESTS_DAEMON_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/connection.h"
#include "daemon/limits.h"
#include "daemon/loop.h"
#include "daemon/service.h"
#include "proto/buffer.h"
#include "proto/message.h"
#include "tests/support/fake_engine.h"

struct daemon_rig {
	struct fake_behaviour behaviour; /* of the engine to come */
	struct limits limits;
	struct loop *loop;
	struct engine *engine;
	struct service service;
};

/* Well-behaved defaults, to be changed before daemon_rig_open. */
void daemon_rig_init(struct daemon_rig *rig);
void daemon_rig_open(struct daemon_rig *rig);
void daemon_rig_close(struct daemon_rig *rig);

/* Runs rounds until nothing moves any more. */
void daemon_rig_spin(struct daemon_rig *rig);

struct client {
	struct loop *loop; /* NULL: the daemon runs elsewhere */
	struct message_decoder *decoder;
	struct buffer in;
	struct connection *connection; /* the daemon's side; may be gone */
	int fd;
	uint32_t last_id;
};

void client_open(struct client *client, struct daemon_rig *rig);
/* Over FD, a connected socket, to a daemon that LOOP runs (NULL: elsewhere). */
void client_adopt(struct client *client, int fd, struct loop *loop);
/* Connects to the socket at PATH.  0 or -errno. */
int client_connect(struct client *client, const char *path, struct loop *loop);
void client_close(struct client *client);

/* Sends bytes; runs the loop while the socket is full. */
void client_send_bytes(struct client *client, const void *data, size_t len);
/* As much as the socket takes, running nothing.  Returns how much. */
size_t client_push_bytes(struct client *client, const void *data, size_t len);

/* Fills in the id and sends; returns the id. */
uint32_t client_send(struct client *client, struct message_request *request);

/* The shorter ways. */
struct message_bytes text_bytes(const char *text);
uint32_t client_send_plain(struct client *client, enum method_id method);
uint32_t client_send_get(struct client *client, const char *key);
uint32_t client_send_put(struct client *client, const char *key,
			 const char *value);
uint32_t client_send_put_bytes(struct client *client, const char *key,
			       const void *value, size_t len);

/*
 * Waits for the next frame.  False: the daemon closed the connection.
 * CLIENT's input begins with the frame until client_drop_frame.
 */
bool client_wait_frame(struct client *client, const uint8_t **body,
		       size_t *body_len);
void client_drop_frame(struct client *client);

/* Is there a whole frame, or the end, without waiting? */
bool client_has_frame(struct client *client);

/*
 * Waits for the next reply, which must be that to ID, and decodes it.  What
 * it points to stays until client_drop_frame; client_end_reply does both.
 */
void client_wait_reply(struct client *client, uint32_t id,
		       enum method_id method, struct message_reply *reply);
void client_end_reply(struct client *client, struct message_reply *reply);

/* Waits for the reply to ID, and returns its error code (0: none). */
unsigned int client_wait_code(struct client *client, uint32_t id,
			      enum method_id method);
/* Is there one error frame with id 0 and PART in its text, then the end? */
bool client_was_refused(struct client *client, const char *part);
/* Is the reply to a get this value (NULL: missing)? */
bool client_wait_value(struct client *client, uint32_t id, const char *value);

#endif
