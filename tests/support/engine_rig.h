/*
 * engine_rig: an engine over a store in a temporary folder, driven by a test.
 *
 * Calls wait for their answer; the _begin forms do not, and rig_wait takes
 * the answers in.
 */
#ifndef GETME_TESTS_SUPPORT_ENGINE_RIG_H
#define GETME_TESTS_SUPPORT_ENGINE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/engine.h"
#include "tests/support/hook_io.h"

struct engine_rig {
	struct engine *engine;
	struct engine_local_options options;
	struct hook_io hook;
	char dir[256];
	int wake_fd;
};

/* A copy of one answer; of a value as much as there is room for. */
struct rig_item {
	int result;
	char key[32];
	char value[32];
};

/* One request with room for what it points to. */
struct rig_request {
	struct engine_request request;
	struct engine_mutation mutations[8];
	struct engine_bytes keys[8];
	bool done;
	unsigned int order;	  /* the how-manieth answer it was */
	char value[256];	  /* of get, a copy with an end mark */
	struct rig_item items[8]; /* of the first answers */
	uint64_t value_len;
	uint64_t version;
	uint64_t expires_at_ms;
	char text[512]; /* of a failure, a copy; empty: there was none */
};

void rig_open(struct engine_rig *rig);
/* Opens again what the test has closed by engine_close. */
void rig_start(struct engine_rig *rig);
/* Closes and opens again. */
void rig_reopen(struct engine_rig *rig);
/* Closes and removes the folder. */
void rig_close(struct engine_rig *rig);

void rig_begin(struct engine_rig *rig, struct rig_request *request);
void rig_turn(struct engine_rig *rig);
/* Waits until the engine wants a turn, and gives it one. */
void rig_step(struct engine_rig *rig);
int rig_wait(struct engine_rig *rig, struct rig_request *request);
/* The same for a request of another kind, whose done sets *DONE. */
void rig_await(struct engine_rig *rig, const bool *done);

void rig_fill_put(struct rig_request *request, const char *key,
		  const char *value, enum engine_durability durability);
void rig_fill_get(struct rig_request *request, const char *key);
void rig_fill_delete(struct rig_request *request, const char *key);

int rig_put(struct engine_rig *rig, const char *key, const char *value);
/* The result; *VALUE is good until the next call. */
int rig_get(struct engine_rig *rig, const char *key, const char **value);
int rig_delete(struct engine_rig *rig, const char *key, bool *existed);
int rig_simple(struct engine_rig *rig, enum engine_op op);
uint64_t rig_count(struct engine_rig *rig);
uint64_t rig_stat(struct engine_rig *rig, const char *name);
/* The file that is written to. */
uint32_t rig_active_segment(struct engine_rig *rig);

/* Waits until the upkeep thread has nothing to do; it syncs files, too. */
void rig_settle(struct engine_rig *rig);

#endif
