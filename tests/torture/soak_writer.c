#include "tests/torture/soak_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/torture/soak.h"

enum {
	WINDOW = 96,	 /* requests under way */
	SOON_MS = 200,	 /* what expires soon does so before, */
	LATE_MS = 60000, /* and what does not, later */
};

/* What an answer must be; it travels as the request's tag. */
enum tag {
	TAG_CONDITION = 1, /* a condition is not met */
	TAG_DELETED = 2,   /* the key was there */
	TAG_ANY_COUNT = 4, /* that depends on the time */
};

void soak_writer_init(struct soak_writer *writer, unsigned int number,
		      uint64_t seed)
{
	memset(writer, 0, sizeof(*writer));
	model_init(&writer->model, number);
	writer->random = seed | 1;
	writer->value = malloc(MODEL_VALUE_MAX);
	if (!writer->value || getme_batch_new(&writer->batch) != 0)
		soak_die("memory");
}

void soak_writer_deinit(struct soak_writer *writer)
{
	model_deinit(&writer->model);
	getme_batch_free(writer->batch);
	free(writer->value);
}

static unsigned int choose(struct soak_writer *writer, unsigned int n)
{
	return (unsigned int)soak_random(&writer->random, n);
}

static void choose_options(struct soak_writer *writer,
			   struct getme_write_options *options)
{
	static const enum getme_durability levels[] = {
		GETME_DEFAULT, GETME_NONE, GETME_INTERVAL, GETME_ALWAYS
	};

	*options = (struct getme_write_options)GETME_WRITE_OPTIONS_INIT;
	options->durability = levels[choose(writer, 4)];
}

/* ---- answers ---- */

/* The connection is gone, as it should be when the daemon is. */
static void lose(struct soak_writer *writer, int result)
{
	if (!soak_ending)
		soak_fault(SOAK_REPLY, "w%u: %s: %s", writer->model.writer,
			   getme_strerror(result),
			   getme_last_error(writer->handle));
	writer->lost = true;
}

static bool is_expected(uintptr_t tag, int result, uint64_t deleted)
{
	if (result != (tag & TAG_CONDITION ? GETME_CONDITION : 0))
		return false;
	return tag & TAG_ANY_COUNT || deleted == (tag & TAG_DELETED ? 1 : 0);
}

/* An answer to the operation that is next to be collected. */
static void take_result(struct soak_writer *writer, int result, uintptr_t tag,
			const struct getme_written *written)
{
	struct writer_model *model = &writer->model;
	size_t i = writer->n_collected++;

	if (result == GETME_E_CLOSING && model->n_limit > i)
		model->n_limit = i;
	if (result < 0) {
		lose(writer, result);
		return;
	}
	if (model->n_acked != i) {
		soak_fault(SOAK_REPLY, "w%u: an answer behind a lost one",
			   model->writer);
		return;
	}
	model->ops[i].answered_ns = soak_now_ns();
	writer->n_answered = ++model->n_acked;
	if (!is_expected(tag, result, written->deleted))
		soak_fault(SOAK_REPLY,
			   "w%u: number %" PRId64 " of %zu changes, the first "
			   "of key %u: result %d, tag %d, deleted %" PRIu64,
			   model->writer, model->first + (int64_t)i,
			   model->ops[i].n, model->ops[i].changes[0].key,
			   result, (int)tag, written->deleted);
}

static bool collect_one(struct soak_writer *writer)
{
	struct getme_answer answer;
	int result = getme_collect(writer->handle, 1, &answer);

	if (result != 0) {
		if (result != GETME_END)
			lose(writer, result);
		return false;
	}
	take_result(writer, answer.result, (uintptr_t)answer.tag,
		    &answer.written);
	return true;
}

static void collect_down_to(struct soak_writer *writer, size_t n)
{
	while (getme_pending(writer->handle) > n && collect_one(writer))
		;
}

/* ---- requests ---- */

static void about_to_send(struct soak_writer *writer, struct model_op *op)
{
	op->sent_ns = soak_now_ns();
	writer->n_sent = writer->model.n_ops + 1;
}

/* What was not sent is not part of the model. */
static void submitted(struct soak_writer *writer, int result,
		      const struct model_op *op)
{
	if (result == 0 || result == GETME_E_UNKNOWN_OUTCOME)
		model_add(&writer->model, op);
	if (result != 0)
		lose(writer, result);
}

static void put(struct soak_writer *writer, unsigned int key, bool if_absent,
		int64_t expires_at_ms)
{
	struct writer_model *model = &writer->model;
	struct model_op op = { .n = 0 };
	struct getme_write_options options;
	char name[MODEL_KEY_MAX];
	size_t name_len = model_key(model->writer, key, name);
	bool met = !if_absent || !model->last[key].present;
	size_t len = model_value(model->writer, key, model_next(model),
				 writer->value);
	int result;

	choose_options(writer, &options);
	options.if_absent = if_absent;
	options.expires_at_ms = expires_at_ms;
	if (met) {
		op.n = 1;
		op.changes[0].key = key;
		op.changes[0].state =
			(struct model_state){ true, model_next(model),
					      expires_at_ms };
	}
	about_to_send(writer, &op);
	result = getme_submit_put(writer->handle, name, name_len, writer->value,
				  len, &options,
				  (void *)(uintptr_t)(met ? 0 : TAG_CONDITION));
	submitted(writer, result, &op);
}

static void delete_key(struct soak_writer *writer, unsigned int key)
{
	struct writer_model *model = &writer->model;
	struct model_state last = model->last[key];
	struct model_op op = { .n = 1, .changes = { { .key = key } } };
	struct getme_write_options options;
	char name[MODEL_KEY_MAX];
	size_t name_len = model_key(model->writer, key, name);
	uintptr_t tag = last.present ? TAG_DELETED : 0;
	int result;

	if (last.present && last.expires_at_ms > 0)
		tag = TAG_ANY_COUNT;
	choose_options(writer, &options);
	about_to_send(writer, &op);
	result = getme_submit_delete(writer->handle, name, name_len, &options,
				     (void *)tag);
	submitted(writer, result, &op);
}

/* Of keys that expire some do so while this runs, or have before. */
static int64_t choose_end(struct soak_writer *writer)
{
	if (choose(writer, 3) == 0)
		return soak_wall_ms() + LATE_MS;
	return soak_wall_ms() + choose(writer, SOON_MS) - SOON_MS / 10;
}

static void change_expiring(struct soak_writer *writer, unsigned int key)
{
	key = MODEL_FIRST_EXPIRING + key % MODEL_EXPIRING;
	if (choose(writer, 4) == 0)
		delete_key(writer, key);
	else
		put(writer, key, false, choose_end(writer));
}

/* ---- batches ---- */

static void add_to_batch(struct soak_writer *writer, struct model_op *op,
			 unsigned int key, struct model_state state)
{
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	unsigned int nr = writer->model.writer;
	char name[MODEL_KEY_MAX];
	size_t name_len = model_key(nr, key, name);
	size_t len;

	op->changes[op->n++] = (struct model_change){ key, state };
	if (!state.present) {
		getme_batch_delete(writer->batch, name, name_len, NULL);
		return;
	}
	options.expires_at_ms = state.expires_at_ms;
	len = model_value(nr, key, state.number, writer->value);
	getme_batch_put(writer->batch, name, name_len, writer->value, len,
			&options);
}

static void submit_batch(struct soak_writer *writer, struct model_op *op)
{
	struct getme_write_options options;
	int result;

	choose_options(writer, &options);
	about_to_send(writer, op);
	result = getme_submit_batch(writer->handle, writer->batch, &options,
				    NULL);
	submitted(writer, result, op);
	getme_batch_reset(writer->batch);
}

static void batch_group(struct soak_writer *writer)
{
	struct model_op op = { .n = 0 };
	struct model_state state = { choose(writer, 4) > 0,
				     model_next(&writer->model), 0 };

	for (unsigned int i = 0; i < MODEL_GROUP; i++)
		add_to_batch(writer, &op, MODEL_FIRST_GROUP + i, state);
	submit_batch(writer, &op);
}

/* Neighbours, one of them deleted, one that expires, and a counter. */
static void batch_mixed(struct soak_writer *writer)
{
	unsigned int key = choose(writer, MODEL_PLAIN - 3);
	struct model_state state = { true, model_next(&writer->model), 0 };
	struct model_state number = { true, choose(writer, 1000), 0 };
	struct model_state gone = { .present = false };
	struct model_op op = { .n = 0 };

	add_to_batch(writer, &op, key, state);
	add_to_batch(writer, &op, key + 1, gone);
	add_to_batch(writer, &op, key + 2, state);
	add_to_batch(writer, &op, MODEL_FIRST_COUNTER + key % MODEL_COUNTERS,
		     number);
	state.expires_at_ms = choose_end(writer);
	add_to_batch(writer, &op, MODEL_FIRST_EXPIRING + key % MODEL_EXPIRING,
		     state);
	submit_batch(writer, &op);
}

/* ---- additions ---- */

/* Synchronous: it waits behind all that was submitted. */
static void add(struct soak_writer *writer, unsigned int key)
{
	struct writer_model *model = &writer->model;
	const struct model_state *last = &model->last[key];
	int64_t by = (int64_t)choose(writer, 2000) - 1000;
	int64_t sum = by + (last->present ? last->number : 0);
	struct model_op op = { .n = 1,
			       .changes = { { key, { true, sum, 0 } } } };
	struct getme_written written = { .version = 0 };
	struct getme_write_options options;
	char name[MODEL_KEY_MAX];
	size_t name_len = model_key(model->writer, key, name);
	int result;

	choose_options(writer, &options);
	about_to_send(writer, &op);
	result = getme_incr(writer->handle, name, name_len, by, &options,
			    &written);
	if (result == 0 || result == GETME_E_UNKNOWN_OUTCOME)
		model_add(model, &op);
	collect_down_to(writer, 0);
	if (result != 0) {
		lose(writer, result);
		return;
	}
	take_result(writer, 0, 0, &written);
	if (written.number != sum)
		soak_fault(SOAK_REPLY,
			   "w%u/%u: the sum is %" PRId64 ", not %" PRId64,
			   model->writer, key, written.number, sum);
}

/* ---- the thread ---- */

static void write_something(struct soak_writer *writer)
{
	unsigned int dice = choose(writer, 100);
	unsigned int key = choose(writer, MODEL_PLAIN);
	unsigned int counter = MODEL_FIRST_COUNTER + key % MODEL_COUNTERS;

	if (dice < 45)
		put(writer, key, false, 0);
	else if (dice < 53)
		put(writer, key, true, 0);
	else if (dice < 68)
		delete_key(writer, key);
	else if (dice < 76)
		change_expiring(writer, key);
	else if (dice < 86)
		batch_group(writer);
	else if (dice < 94)
		batch_mixed(writer);
	else if (dice < 98)
		add(writer, counter);
	else
		delete_key(writer, counter);
}

void soak_writer_begin(struct soak_writer *writer)
{
	writer->n_collected = 0;
	writer->n_sent = 0;
	writer->n_answered = 0;
}

static void stand_at_gate(struct soak_writer *writer)
{
	collect_down_to(writer, 0);
	if (!writer->lost)
		soak_gate_pass(writer->gate);
}

void *soak_writer_run(void *arg)
{
	struct soak_writer *writer = arg;

	writer->handle = soak_daemon_need(writer->daemon);
	writer->lost = writer->handle == NULL;
	while (!writer->lost) {
		size_t window = choose(writer, WINDOW);

		if (writer->gate->closed)
			stand_at_gate(writer);
		while (!writer->lost && getme_pending(writer->handle) <= window)
			write_something(writer);
		if (!writer->lost)
			collect_down_to(writer, window / 2);
	}
	soak_gate_leave(writer->gate);
	/* Answers that arrived before the end still count. */
	while (writer->handle && collect_one(writer))
		;
	getme_close(writer->handle);
	return NULL;
}

void soak_writer_cleared(struct soak_writer *writer, int result,
			 uint64_t sent_ns)
{
	struct model_op op = { .clears = true, .sent_ns = sent_ns };
	struct writer_model *model = &writer->model;

	writer->n_sent = model->n_ops + 1;
	model_add(model, &op);
	if (result != 0) {
		if (result == GETME_E_CLOSING)
			model->n_limit = writer->n_collected;
		return;
	}
	model->ops[writer->n_collected++].answered_ns = soak_now_ns();
	writer->n_answered = ++model->n_acked;
}
