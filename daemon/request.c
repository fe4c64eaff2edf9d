#include "daemon/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/service.h"

void request_drop_values(struct request *request)
{
	size_t i;

	for (i = 0; i < request->n_values; i++)
		discard_buffer(&request->service->discard,
			       &request->values[i].bytes);
	free(request->values);
	request->values = NULL;
	request->n_values = 0;
	request->values_len = 0;
}

void request_take_fd(struct request *request)
{
	const struct engine_request *engine = &request->engine;

	if (engine->op != ENGINE_SHARE || engine->result != 0)
		return;
	request->fd = engine->share.fd;
	request->has_fd = true;
}

void request_drop_fd(struct request *request)
{
	if (request->has_fd)
		close(request->fd);
	request->has_fd = false;
}

static void destroy(struct request *request)
{
	buffer_deinit(&request->frame);
	buffer_deinit(&request->reply);
	free(request);
}

void request_pool_deinit(struct request_pool *pool)
{
	while (pool->free) {
		struct request *request = pool->free;

		pool->free = request->next;
		destroy(request);
	}
	pool->n_free = 0;
}

struct request *request_new(struct service *service)
{
	struct request_pool *pool = &service->pool;
	struct request *request = pool->free;

	if (!request) {
		request = calloc(1, sizeof(*request));
		if (request)
			request->service = service;
		return request;
	}
	pool->free = request->next;
	pool->n_free--;
	/* Whoever freed it has dropped all else. */
	request->next = NULL;
	request->connection = NULL;
	request->state = REQUEST_HELD;
	request->kind = REQUEST_LOCAL;
	request->id = 0;
	request->dependent = false;
	request->arrived_us = 0;
	request->input_len = 0;
	request->body_off = 0;
	return request;
}

static void empty(struct request *request, struct buffer *buffer)
{
	buffer_clear(buffer);
	if (buffer->cap > LIMITS_RECORD_KEEP)
		discard_buffer(&request->service->discard, buffer);
}

void *request_new_list(struct request *request, size_t n, size_t size)
{
	struct buffer *list = &request->list;

	if (discard_reserve(&request->service->discard, list, n * size) < 0)
		return NULL;
	memset(list->data, 0, n * size);
	return list->data;
}

void request_drop_input(struct request *request)
{
	if (request->list.data) {
		request->keys = NULL;
		request->mutations = NULL;
		discard_buffer(&request->service->discard, &request->list);
	}
	empty(request, &request->frame);
	free(request->path);
	request->path = NULL;
}

void request_free(struct request *request)
{
	struct request_pool *pool;

	if (!request)
		return;
	pool = &request->service->pool;
	request_drop_input(request);
	request_drop_values(request);
	request_drop_fd(request);
	empty(request, &request->reply);
	if (pool->n_free >= LIMITS_RECORDS_FREE) {
		destroy(request);
		return;
	}
	request->next = pool->free;
	pool->free = request;
	pool->n_free++;
}

int request_copy_body(struct request *request, const void *body, size_t len)
{
	struct discard *discard = &request->service->discard;

	empty(request, &request->frame);
	request->body_off = 0;
	if (discard_reserve(discard, &request->frame, len) < 0)
		return -ENOMEM;
	return buffer_append(&request->frame, body, len);
}

void request_take_frame(struct request *request, struct buffer *frame,
			size_t body_off)
{
	buffer_deinit(&request->frame);
	request->frame = *frame;
	request->body_off = body_off;
	buffer_init(frame);
}
