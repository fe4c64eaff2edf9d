/*
 * fuzz_connection: a connection's state machine over a socketpair, with the
 * fake engine behind it.
 *
 * The input is a script: a byte says how many of the following bytes are
 * sent at once, some values of it do something else.  Whatever comes, every
 * byte that comes back must be whole frames, and nothing may be left over.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "proto/frame.h"
#include "tests/support/daemon_rig.h"

enum {
	STEP_ROUND = 250,      /* a round of the loop */
	STEP_HOLD = 251,       /* the engine stops answering, or goes on */
	STEP_HALF_CLOSE = 252, /* the client says that it is done */
	STEP_DRAIN = 253,      /* the daemon stops */
	STEP_READ = 254,       /* the client takes its replies */
	STEP_FRAME = 255,      /* the next bytes get a right head */
};

static void check_frames(struct client *client)
{
	const uint8_t *body;
	size_t body_len, need;

	while (frame_parse(client->in.data, client->in.len, SIZE_MAX / 4, &body,
			   &body_len, &need) == 0)
		buffer_consume(&client->in, FRAME_HEAD_LEN + body_len);
}

static void take_replies(struct client *client)
{
	(void)client_has_frame(client);
	check_frames(client);
}

static size_t send_some(struct client *client, const uint8_t *data, size_t len,
			size_t want)
{
	size_t n = want < len ? want : len;

	client_push_bytes(client, data, n);
	return n;
}

static size_t send_frame(struct client *client, const uint8_t *data, size_t len)
{
	size_t n = len < 200 ? len : 200;
	uint8_t head[FRAME_HEAD_LEN];

	frame_put_head(head, n);
	client_push_bytes(client, head, sizeof(head));
	client_push_bytes(client, data, n);
	return n;
}

static void drain_all(struct daemon_rig *rig)
{
	for (struct connection *at = rig->service.connections; at;
	     at = at->next)
		connection_drain(at, clock_monotonic_ms() + 60000);
}

/* Returns how many bytes of the script it took besides the first. */
static size_t step(struct daemon_rig *rig, struct client *client, uint8_t what,
		   const uint8_t *data, size_t len)
{
	struct fake_behaviour *behaviour = fake_engine_behaviour(rig->engine);

	switch (what) {
	case STEP_ROUND:
		loop_once(rig->loop, false);
		return 0;
	case STEP_HOLD:
		behaviour->hold = !behaviour->hold;
		loop_wake(rig->loop);
		return 0;
	case STEP_HALF_CLOSE:
		shutdown(client->fd, SHUT_WR);
		return 0;
	case STEP_DRAIN:
		drain_all(rig);
		return 0;
	case STEP_READ:
		take_replies(client);
		return 0;
	case STEP_FRAME:
		return send_frame(client, data, len);
	default:
		return send_some(client, data, len, what);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct daemon_rig rig;
	struct client client;

	daemon_rig_init(&rig);
	rig.behaviour.seed = len;
	rig.behaviour.delay_turns = len % 4;
	rig.behaviour.reorder = true;
	rig.limits.max_pipeline = 4;
	rig.limits.max_output = 4096;
	rig.limits.max_input = 4096;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	while (len > 0) {
		size_t n = step(&rig, &client, data[0], data + 1, len - 1);

		data += 1 + n;
		len -= 1 + n;
	}
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	shutdown(client.fd, SHUT_WR);
	while (rig.service.connections) {
		daemon_rig_spin(&rig);
		take_replies(&client);
	}
	take_replies(&client);
	if (client.in.len > 0)
		abort();
	client_close(&client);
	daemon_rig_close(&rig);
	return 0;
}
