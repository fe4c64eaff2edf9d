/*
 * limits: every limit of the daemon, with its unit and its reason.
 *
 * Those in struct limits are options too (daemon/options.h); the enum has
 * what nobody needs to turn.
 */
#ifndef GETME_DAEMON_LIMITS_H
#define GETME_DAEMON_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "common/engine.h"

/* What a connection, a user and all together may take. */
struct limits {
	uint64_t max_connections;	  /* of all users */
	uint64_t max_connections_per_uid; /* of one user */
	uint64_t max_pipeline; /* requests of a connection under way */
	uint64_t max_input;    /* bytes of a connection's requests under way */
	uint64_t max_output;   /* bytes of replies that wait for their peer */
	uint64_t drain_timeout_ms;
	bool direct_reads; /* clients may attach */
	uint64_t threads;  /* that serve clients; at least 1 */
};

enum {
	/* Some 40 KiB of kernel and daemon memory each, when idle. */
	LIMITS_CONNECTIONS = 4096,
	/* A quarter is left for the others when one user runs wild. */
	LIMITS_CONNECTIONS_PER_UID = 3072,
	/* Enough to keep one sync busy; a record is some 800 bytes. */
	LIMITS_PIPELINE = 1024,
	/*
	 * Reading stops above it, so a connection holds this much and one
	 * frame.  A few times what a socket buffers.
	 */
	LIMITS_INPUT = 8 << 20,
	/* Parsing stops above it; the same, with one reply. */
	LIMITS_OUTPUT = 8 << 20,
	/* What the contract gives peers that do not take their replies. */
	LIMITS_DRAIN_MS = 5000,
	/* One does for what a machine's processes ask for over a socket. */
	LIMITS_THREADS = 1,
	LIMITS_THREADS_MAX = 64,

	LIMITS_VALUE_MAX = 64 << 20,	/* bytes, the default */
	LIMITS_VALUE_MAX_MAX = 1 << 30, /* bytes, the highest to ask for */
	LIMITS_SEGMENT_MIN = 64 << 10,	/* bytes */
	LIMITS_SEGMENT_MAX = 128 << 20, /* bytes */
	LIMITS_SYNC_INTERVAL_MS = 1000, /* the default */
	LIMITS_SOCKET_MODE = 0660,

	/*
	 * One recv at most; a frame that does not fit is gathered in memory
	 * of its own.  About what the kernel hands over at once.
	 */
	LIMITS_SCRATCH = 64 << 10,
	/* Bytes read for one connection before the others have their turn. */
	LIMITS_READ_ROUND = 128 << 10,
	/* Bytes written to it, likewise. */
	LIMITS_WRITE_ROUND = 128 << 10,
	/* One recv of a large frame: a peer that keeps up ends none. */
	LIMITS_READ_PIECE = 64 << 10,
	/*
	 * Bytes of memory given back in a round; as many again for each
	 * LIMITS_DISCARD_SHARE that wait, so that they cannot get ever more.
	 */
	LIMITS_DISCARD_ROUND = 1 << 20,
	LIMITS_DISCARD_SHARE = 128 << 20,
	/* A reply this large is queued as it is instead of being copied. */
	LIMITS_REPLY_MOVE = 16 << 10,
	/* Descriptors sent to a client that may not have taken them yet. */
	LIMITS_LENT_AHEAD = 8,
	/* Bytes of buffers that an idle connection or record keeps. */
	LIMITS_OUTPUT_KEEP = 4 << 10,
	/*
	 * Reads that a connection begins at once before it is known how large
	 * its replies are; twice as many with each small reply, so many again
	 * after a large one.
	 */
	LIMITS_READ_WINDOW = 8,
	LIMITS_REPLY_SMALL = 16 << 10, /* bytes */
	/*
	 * Requests that are worth a turn of the engine before the round ends:
	 * more would push each other's memory out of the caches.  With writes
	 * among them it takes more, since their group costs a system call.
	 */
	LIMITS_EARLY_READS = 64,
	LIMITS_EARLY_WRITES = 256,
	LIMITS_RECORD_KEEP = 4 << 10,
	/* Free records kept: four full pipelines. */
	LIMITS_RECORDS_FREE = 4096,
	/* Free chunks of output kept, 64 bytes each. */
	LIMITS_CHUNKS_FREE = 1024,

	/*
	 * What a frame may have besides keys and values: for each operation
	 * of the largest batch its name, heads and options (80 bytes), one
	 * key, and the request around it.
	 */
	LIMITS_FRAME_EXTRA = 2 << 20,
	/* Connections taken in one round of the loop. */
	LIMITS_ACCEPT_ROUND = 64,
	/* Pause of accepting when descriptors have run out. */
	LIMITS_ACCEPT_PAUSE_MS = 100,
	/* Descriptors that the engine, the log and the loop need. */
	LIMITS_DESCRIPTORS_RESERVED = 256,
	/* How often connections that drain are looked at. */
	LIMITS_SWEEP_MS = 100,
	/* The log's rate: lines of one kind in one window. */
	LIMITS_LOG_BURST = 10,
	LIMITS_LOG_WINDOW_MS = 10000,
};

static inline void limits_default(struct limits *limits)
{
	limits->max_connections = LIMITS_CONNECTIONS;
	limits->max_connections_per_uid = LIMITS_CONNECTIONS_PER_UID;
	limits->max_pipeline = LIMITS_PIPELINE;
	limits->max_input = LIMITS_INPUT;
	limits->max_output = LIMITS_OUTPUT;
	limits->drain_timeout_ms = LIMITS_DRAIN_MS;
	limits->direct_reads = true;
	limits->threads = LIMITS_THREADS;
}

/* The largest body of a frame, either way: the largest value, or batch. */
static inline size_t limits_frame_max(uint64_t value_max)
{
	uint64_t most = value_max;

	if (most < ENGINE_BATCH_BYTES)
		most = ENGINE_BATCH_BYTES;
	if (most < ENGINE_REPLY_BYTES)
		most = ENGINE_REPLY_BYTES;
	return (size_t)most + LIMITS_FRAME_EXTRA;
}

#endif
