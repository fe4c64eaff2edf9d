#include "daemon/lane.h"

#include <assert.h>
#include <string.h>

#include "common/engine.h"
#include "daemon/dispatch.h"
#include "daemon/results.h"
#include "daemon/service.h"

static bool may_start(const struct lane *lane, const struct request *request)
{
	if (request->kind != REQUEST_WRITE)
		return lane->n_running[REQUEST_WRITE] == 0;
	return lane->n_running[REQUEST_READ] == 0 &&
	       lane->n_running[REQUEST_TASK] == 0 && lane->n_dependent == 0;
}

static void start(struct lane *lane, struct request *request)
{
	lane->n_running[request->kind]++;
	lane->n_dependent += request->dependent;
	request->state = REQUEST_RUNNING;
	service_submit(request->service, &request->engine);
}

void lane_add(struct lane *lane, struct request *request)
{
	assert(!lane->held);
	request->next = NULL;
	if (lane->tail)
		lane->tail->next = request;
	else
		lane->head = request;
	lane->tail = request;
	lane->n++;
	if (request->state == REQUEST_DONE) {
		lane->replies_len += request_reply_len(request);
		return;
	}
	lane->input_len += request->input_len;
	lane->held = request;
	lane_release(lane);
}

void lane_release(struct lane *lane)
{
	struct request *request = lane->held;

	if (!request || !may_start(lane, request))
		return;
	lane->held = NULL;
	start(lane, request);
}

/* *AT, which the engine has, makes room for ANSWER. */
static void replace(struct lane *lane, struct request **at,
		    struct request *answer)
{
	struct request *task = *at;

	lane->n_running[REQUEST_TASK]--;
	lane->input_len -= task->input_len;
	lane->replies_len += answer->reply.len;
	answer->next = task->next;
	*at = answer;
	if (lane->tail == task)
		lane->tail = answer;
	task->connection = NULL;
}

void lane_stop_tasks(struct lane *lane)
{
	struct request **at;

	for (at = &lane->head; *at; at = &(*at)->next) {
		const struct request *task = *at;
		struct request *answer;

		if (task->kind != REQUEST_TASK ||
		    task->state != REQUEST_RUNNING)
			continue;
		answer = request_new(task->service);
		if (!answer)
			return;
		answer->id = task->id;
		answer->connection = task->connection;
		dispatch_fail(answer, results_code(ENGINE_CLOSED), "%s",
			      results_text(ENGINE_CLOSED));
		replace(lane, at, answer);
	}
}

void lane_done(struct lane *lane, struct request *request)
{
	lane->n_running[request->kind]--;
	lane->n_dependent -= request->dependent;
	lane->input_len -= request->input_len;
	lane->replies_len += request_reply_len(request);
	request->state = REQUEST_DONE;
	request->input_len = 0;
	request_drop_input(request);
}

void lane_postpone(struct request *request, size_t expected_len)
{
	assert(request->kind == REQUEST_READ);
	request->state = REQUEST_AGAIN;
	request->expected_len = expected_len;
}

void lane_repeat(struct request *request)
{
	assert(request->state == REQUEST_AGAIN);
	request->state = REQUEST_RUNNING;
	service_submit(request->service, &request->engine);
}

struct request *lane_take(struct lane *lane)
{
	struct request *request = lane->head;

	if (!request || request->state != REQUEST_DONE)
		return NULL;
	lane->head = request->next;
	if (!lane->head)
		lane->tail = NULL;
	lane->n--;
	lane->replies_len -= request_reply_len(request);
	return request;
}

void lane_abandon(struct lane *lane)
{
	struct request *request = lane->head;

	while (request) {
		struct request *next = request->next;

		if (request->state == REQUEST_RUNNING)
			request->connection = NULL;
		else
			request_free(request);
		request = next;
	}
	memset(lane, 0, sizeof(*lane));
}
