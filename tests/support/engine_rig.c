#include "tests/support/engine_rig.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/engine_internal.h"
#include "tests/support/tempdir.h"

static _Atomic unsigned int n_done;

static void rig_die(const char *what)
{
	fprintf(stderr, "rig: %s\n", what);
	abort();
}

static void wake(void *ctx)
{
	const struct engine_rig *rig = ctx;

	if (eventfd_write(rig->wake_fd, 1) < 0)
		rig_die("eventfd");
}

void rig_start(struct engine_rig *rig)
{
	struct engine_host host = { .wake = wake, .ctx = rig };
	struct engine_local_error error;

	rig->options.dir = rig->dir;
	rig->options.io = &rig->hook.io;
	if (engine_local_open(&rig->options, &host, &rig->engine, &error) < 0)
		rig_die(error.text);
}

void rig_open(struct engine_rig *rig)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(rig->dir, sizeof(rig->dir), "%s/engine-XXXXXX",
		 tmp ? tmp : "/tmp");
	if (!mkdtemp(rig->dir))
		rig_die("mkdtemp");
	rig->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hook_io_init(&rig->hook);
	rig_start(rig);
}

void rig_reopen(struct engine_rig *rig)
{
	engine_close(rig->engine);
	rig_start(rig);
}

void rig_close(struct engine_rig *rig)
{
	engine_close(rig->engine);
	close(rig->wake_fd);
	hook_io_deinit(&rig->hook);
	tempdir_remove(rig->dir);
}

static void copy_text(char *to, size_t size, const struct engine_bytes *from)
{
	size_t len = from->len < size ? from->len : size - 1;

	if (len > 0)
		memcpy(to, from->data, len);
	to[len] = 0;
}

static void copy_items(struct rig_request *request)
{
	const struct engine_request *from = &request->request;
	size_t i;

	for (i = 0; i < from->n_items && i < 8; i++) {
		const struct engine_item *item = &from->items[i];
		struct rig_item *to = &request->items[i];

		to->result = item->result;
		copy_text(to->key, sizeof(to->key), &item->key);
		copy_text(to->value, sizeof(to->value), &item->value);
	}
}

static void rig_done(struct engine_request *engine_request)
{
	struct rig_request *request = engine_request->user;

	request->done = true;
	request->order = ++n_done;
	snprintf(request->text, sizeof(request->text), "%s",
		 engine_request->text ? engine_request->text : "");
	if (engine_request->result == 0 && engine_request->n_items > 0 &&
	    engine_request->items) {
		const struct engine_item *item = &engine_request->items[0];

		copy_items(request);
		copy_text(request->value, sizeof(request->value), &item->value);
		request->value_len = item->value_len;
		request->version = item->version;
		request->expires_at_ms = item->expires_at_ms;
	}
}

void rig_begin(struct engine_rig *rig, struct rig_request *request)
{
	request->request.done = rig_done;
	request->request.user = request;
	request->done = false;
	engine_submit(rig->engine, &request->request);
}

void rig_turn(struct engine_rig *rig)
{
	eventfd_t count;

	(void)eventfd_read(rig->wake_fd, &count);
	engine_turn(rig->engine);
}

void rig_step(struct engine_rig *rig)
{
	struct pollfd poll_fd = { .fd = rig->wake_fd, .events = POLLIN };
	int ms = engine_next_timeout_ms(rig->engine);

	if (poll(&poll_fd, 1, ms < 0 ? 20000 : ms) == 0 && ms < 0)
		rig_die("nothing happened for 20 s");
	rig_turn(rig);
}

void rig_await(struct engine_rig *rig, const bool *done)
{
	time_t end = time(NULL) + 60;

	rig_turn(rig);
	while (!*done) {
		rig_step(rig);
		if (time(NULL) > end)
			rig_die("no answer in a minute");
	}
}

int rig_wait(struct engine_rig *rig, struct rig_request *request)
{
	rig_await(rig, &request->done);
	return request->request.result;
}

static struct engine_bytes bytes_of(const char *text)
{
	struct engine_bytes bytes = { .data = text, .len = strlen(text) };

	return bytes;
}

void rig_fill_put(struct rig_request *request, const char *key,
		  const char *value, enum engine_durability durability)
{
	memset(request, 0, sizeof(*request));
	request->request.op = ENGINE_WRITE;
	request->request.durability = durability;
	request->request.mutations = request->mutations;
	request->request.n_mutations = 1;
	request->mutations[0].kind = ENGINE_PUT;
	request->mutations[0].key = bytes_of(key);
	request->mutations[0].value = bytes_of(value);
}

void rig_fill_delete(struct rig_request *request, const char *key)
{
	rig_fill_put(request, key, "", ENGINE_DEFAULT);
	request->mutations[0].kind = ENGINE_DELETE;
}

void rig_fill_get(struct rig_request *request, const char *key)
{
	memset(request, 0, sizeof(*request));
	request->request.op = ENGINE_GET;
	request->keys[0] = bytes_of(key);
	request->request.keys = request->keys;
	request->request.n_keys = 1;
}

int rig_put(struct engine_rig *rig, const char *key, const char *value)
{
	struct rig_request request;

	rig_fill_put(&request, key, value, ENGINE_DEFAULT);
	rig_begin(rig, &request);
	return rig_wait(rig, &request);
}

int rig_get(struct engine_rig *rig, const char *key, const char **value)
{
	static struct rig_request request;

	rig_fill_get(&request, key);
	rig_begin(rig, &request);
	rig_wait(rig, &request);
	if (value)
		*value = request.value;
	return request.request.result;
}

int rig_delete(struct engine_rig *rig, const char *key, bool *existed)
{
	struct rig_request request;

	rig_fill_delete(&request, key);
	rig_begin(rig, &request);
	rig_wait(rig, &request);
	if (existed)
		*existed = request.mutations[0].existed;
	return request.request.result;
}

int rig_simple(struct engine_rig *rig, enum engine_op op)
{
	struct rig_request request = { .request.op = op };

	rig_begin(rig, &request);
	return rig_wait(rig, &request);
}

uint64_t rig_count(struct engine_rig *rig)
{
	struct rig_request request = { .request.op = ENGINE_COUNT };

	rig_begin(rig, &request);
	rig_wait(rig, &request);
	return request.request.count;
}

uint64_t rig_stat(struct engine_rig *rig, const char *name)
{
	struct rig_request request = { .request.op = ENGINE_STATS };
	size_t i;

	rig_begin(rig, &request);
	rig_wait(rig, &request);
	/* The rows stay as they are until the next stats. */
	for (i = 0; i < request.request.n_stats; i++) {
		if (strcmp(request.request.stats[i].name, name) == 0)
			return request.request.stats[i].value;
	}
	rig_die(name);
	return 0;
}

void rig_settle(struct engine_rig *rig)
{
	const struct local *local = (struct local *)(void *)rig->engine;

	upkeep_settle(local->store->upkeep);
}

uint32_t rig_active_segment(struct engine_rig *rig)
{
	const struct local *local = (struct local *)(void *)rig->engine;

	return local->store->log.active->id;
}
