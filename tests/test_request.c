/*
 * Records and their pool, linked with --wrap: what is allocated is counted,
 * and fails on command.
 */
#include "daemon/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/limits.h"
#include "daemon/service.h"

static struct service service;
static size_t n_allocations;
static bool no_memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
	n_allocations++;
	return no_memory ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	n_allocations++;
	return no_memory ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	n_allocations++;
	return no_memory ? NULL : __real_realloc(memory, size);
}

static int begin(void **state)
{
	(void)state;
	memset(&service, 0, sizeof(service));
	return 0;
}

static int end(void **state)
{
	(void)state;
	no_memory = false;
	request_pool_deinit(&service.pool);
	discard_deinit(&service.discard);
	return 0;
}

static struct request *make(void)
{
	struct request *request = request_new(&service);

	assert_non_null(request);
	return request;
}

static void fill(struct buffer *buffer, size_t len)
{
	assert_int_equal(buffer_reserve(buffer, len), 0);
	memset(buffer->data, 'x', len);
	buffer->len = len;
}

static void test_small_requests_allocate_nothing(void **state)
{
	size_t before = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct request *request = make();

		assert_int_equal(request_copy_body(request, "body", 4), 0);
		fill(&request->reply, 100);
		request_free(request);
		if (i == 0)
			before = n_allocations;
	}
	assert_int_equal(n_allocations, before);
	assert_int_equal(service.pool.n_free, 1);
}

static void test_a_used_record_owns_nothing(void **state)
{
	struct request *request = make();

	(void)state;
	assert_int_equal(request_copy_body(request, "body", 4), 0);
	fill(&request->reply, 100);
	request->id = 7;
	request->state = REQUEST_DONE;
	request->kind = REQUEST_WRITE;
	request->dependent = true;
	request->body_off = 4;
	request->input_len = 4;
	request->arrived_us = 5;
	request->mutations =
		request_new_list(request, 3, sizeof(*request->mutations));
	request->path = calloc(1, 10);
	request->has_fd = true;
	request->fd = dup(0);
	request->values = calloc(1, sizeof(*request->values));
	fill(&request->values[0].bytes, 50);
	request->n_values = 1;
	request->values_len = 50;
	assert_int_equal(request_reply_len(request), 150);
	request_free(request);
	assert_ptr_equal(make(), request);
	assert_ptr_equal(request->service, &service);
	assert_null(request->next);
	assert_null(request->connection);
	assert_int_equal(request->state, REQUEST_HELD);
	assert_int_equal(request->kind, REQUEST_LOCAL);
	assert_int_equal(request->id, 0);
	assert_false(request->dependent);
	assert_false(request->has_fd);
	assert_int_equal(request->arrived_us, 0);
	assert_int_equal(request->input_len, 0);
	assert_int_equal(request->body_off, 0);
	assert_int_equal(request->frame.len, 0);
	assert_int_equal(request_reply_len(request), 0);
	assert_null(request->keys);
	assert_null(request->mutations);
	assert_null(request->list.data);
	assert_null(request->path);
	assert_null(request->values);
	request_free(request);
}

static void test_the_pool_keeps_so_many_records(void **state)
{
	struct request *list = NULL;

	(void)state;
	for (int i = 0; i < LIMITS_RECORDS_FREE + 1; i++) {
		struct request *request = make();

		request->next = list;
		list = request;
	}
	while (list) {
		struct request *next = list->next;

		request_free(list);
		list = next;
	}
	assert_int_equal(service.pool.n_free, LIMITS_RECORDS_FREE);
}

static void test_the_pool_keeps_no_large_buffer(void **state)
{
	struct request *request = make();

	(void)state;
	fill(&request->frame, LIMITS_RECORD_KEEP + 1);
	fill(&request->reply, LIMITS_RECORD_KEEP + 1);
	request_free(request);
	assert_null(request->frame.data);
	assert_null(request->reply.data);
	request = make();
	fill(&request->frame, LIMITS_RECORD_KEEP);
	fill(&request->reply, LIMITS_RECORD_KEEP);
	request_free(request);
	assert_non_null(request->frame.data);
	assert_non_null(request->reply.data);
}

static void test_an_emptied_pool_can_be_used_again(void **state)
{
	(void)state;
	request_free(make());
	request_pool_deinit(&service.pool);
	assert_null(service.pool.free);
	assert_int_equal(service.pool.n_free, 0);
	request_pool_deinit(&service.pool);
	request_free(make());
	assert_int_equal(service.pool.n_free, 1);
}

/* Leaks and double frees of it are the sanitizers' to find. */
static void test_a_half_built_request_is_freed(void **state)
{
	struct request *request = make();

	(void)state;
	request_free(NULL);
	request_free(request);
	request = make();
	request->keys = request_new_list(request, 2, sizeof(*request->keys));
	request_free(request);
	assert_null(request->keys);
	assert_null(request->list.data);
}

static void test_dropping_the_input_keeps_the_reply(void **state)
{
	struct request *request = make();

	(void)state;
	assert_int_equal(request_copy_body(request, "body", 4), 0);
	request->keys = request_new_list(request, 2, sizeof(*request->keys));
	fill(&request->reply, 5);
	request_drop_input(request);
	assert_int_equal(request->frame.len, 0);
	assert_null(request->keys);
	assert_int_equal(request->reply.len, 5);
	request_drop_input(request);
	request_free(request);
}

static void test_a_copy_replaces_what_was_there(void **state)
{
	struct request *request = make();

	(void)state;
	assert_int_equal(request_copy_body(request, "first body", 10), 0);
	request->body_off = 4;
	assert_int_equal(request_copy_body(request, "second", 6), 0);
	assert_int_equal(request->body_off, 0);
	assert_int_equal(request->frame.len, 6);
	assert_memory_equal(request->frame.data, "second", 6);
	request_free(request);
}

static void test_a_frame_is_taken_over_without_a_copy(void **state)
{
	struct request *request = make();
	struct buffer frame;
	uint8_t *data;

	(void)state;
	assert_int_equal(request_copy_body(request, "before", 6), 0);
	buffer_init(&frame);
	fill(&frame, 100);
	data = frame.data;
	request_take_frame(request, &frame, 4);
	assert_ptr_equal(request->frame.data, data);
	assert_int_equal(request->frame.len, 100);
	assert_int_equal(request->body_off, 4);
	assert_null(frame.data);
	assert_int_equal(frame.len, 0);
	request_free(request);
}

static void test_without_memory_there_is_no_record(void **state)
{
	struct request *request = make();

	(void)state;
	no_memory = true;
	assert_null(request_new(&service));
	assert_int_equal(request_copy_body(request, "body", 4), -ENOMEM);
	assert_int_equal(request->frame.len, 0);
	request_free(request);
	assert_ptr_equal(request_new(&service), request);
	request_free(request);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_small_requests_allocate_nothing),
		EACH(test_a_used_record_owns_nothing),
		EACH(test_the_pool_keeps_so_many_records),
		EACH(test_the_pool_keeps_no_large_buffer),
		EACH(test_an_emptied_pool_can_be_used_again),
		EACH(test_a_half_built_request_is_freed),
		EACH(test_dropping_the_input_keeps_the_reply),
		EACH(test_a_copy_replaces_what_was_there),
		EACH(test_a_frame_is_taken_over_without_a_copy),
		EACH(test_without_memory_there_is_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
