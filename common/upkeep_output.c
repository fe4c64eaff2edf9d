#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/upkeep_internal.h"

enum {
	/* a reserve this many times too large is made again: after a clear */
	RESERVE_TOO_LARGE = 4,
};

/* ---- the room that is held back ---- */

bool upkeep_drop_reserve(struct upkeep *upkeep)
{
	struct segment *reserve;

	lock(upkeep);
	reserve = upkeep->reserve;
	upkeep->reserve = NULL;
	unlock(upkeep);
	segment_drop_output(upkeep->io, upkeep->dir, reserve);
	return reserve != NULL;
}

static int make_output(struct upkeep *upkeep, uint64_t capacity,
		       struct segment **output)
{
	uint32_t id;
	int result = upkeep_new_id(upkeep, &id);

	if (result < 0)
		return result;
	return segment_create_output(upkeep->io, upkeep->dir, id, capacity,
				     output);
}

/* The store has grown: so does what is held back. */
static int enlarge(struct upkeep *upkeep, struct segment *reserve,
		   uint64_t capacity)
{
	int result = upkeep->io->allocate(upkeep->io, reserve->fd, 0, capacity);

	if (result < 0 && result != -EOPNOTSUPP)
		return result;
	reserve->capacity = capacity;
	return 0;
}

int upkeep_round_reserve(struct upkeep *upkeep)
{
	uint64_t capacity = upkeep_automatic_size(upkeep);
	struct segment *reserve;
	bool wanted;
	int result = 0;

	lock(upkeep);
	wanted = upkeep->hold_reserve && !upkeep->output_out;
	reserve = upkeep->reserve;
	if (wanted)
		upkeep->reserve = NULL; /* ours for now */
	unlock(upkeep);
	if (!wanted)
		return 0;
	if (reserve && reserve->capacity / RESERVE_TOO_LARGE > capacity) {
		segment_drop_output(upkeep->io, upkeep->dir, reserve);
		reserve = NULL;
	}
	if (!reserve)
		result = make_output(upkeep, capacity, &reserve);
	else if (reserve->capacity < capacity)
		result = enlarge(upkeep, reserve, capacity);
	lock(upkeep);
	upkeep->reserve = reserve;
	unlock(upkeep);
	return result;
}

int upkeep_take_output(struct upkeep *upkeep, uint64_t len,
		       struct segment **output)
{
	struct segment *reserve;

	lock(upkeep);
	upkeep->output_out = true;
	reserve = upkeep->reserve;
	if (reserve && reserve->capacity < len)
		reserve = NULL;
	if (reserve)
		upkeep->reserve = NULL;
	unlock(upkeep);
	if (reserve) {
		*output = reserve;
		return 0;
	}
	return make_output(upkeep, len, output);
}

void upkeep_end_output(struct upkeep *upkeep)
{
	lock(upkeep);
	upkeep->output_out = false;
	unlock(upkeep);
}

uint64_t upkeep_segment_size(const struct upkeep *upkeep)
{
	return upkeep_automatic_size(upkeep);
}

/* ---- the manifest of a run ---- */

/* 0, UPKEEP_STALE, -ENOMEM. */
static int replace_rows(struct manifest *manifest,
			const struct install_request *install)
{
	const struct segment *output = install->output;
	struct manifest_segment *row;
	size_t i;
	int result;

	for (i = 0; i < install->n_inputs; i++) {
		row = manifest_find(manifest, install->inputs[i]->id);
		if (!row || row->state != MANIFEST_SEALED)
			return UPKEEP_STALE;
		row->state = MANIFEST_REPLACED;
	}
	if (!output)
		return 0;
	result = manifest_add(manifest, output->id, MANIFEST_SEALED);
	if (result < 0)
		return result;
	row = manifest_find(manifest, output->id);
	row->len = output->len;
	row->last_sequence = output->last_sequence;
	if (output->id >= manifest->next_segment)
		manifest->next_segment = output->id + 1;
	return 0;
}

static void mark_inputs(struct upkeep *upkeep, struct segment *const *inputs,
			size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		/* Unless a clear did meanwhile. */
		if (!atomic_exchange(&inputs[i]->replaced, true))
			upkeep->bytes_sealed -= inputs[i]->len;
	}
}

static int write_install(struct upkeep *upkeep,
			 const struct install_request *install)
{
	struct manifest next;
	int result;

	if (upkeep->frozen)
		return -EROFS;
	result = manifest_copy(&next, &upkeep->manifest);
	if (result < 0)
		return result;
	result = replace_rows(&next, install);
	if (result == 0) {
		result = upkeep_store_manifest(upkeep, &next);
		upkeep->manifest.generation = next.generation;
		if (result == MANIFEST_UNKNOWN)
			result = UPKEEP_UNKNOWN;
	}
	if (result != 0 && result != UPKEEP_UNKNOWN) {
		manifest_deinit(&next);
		return result;
	}
	manifest_deinit(&upkeep->manifest);
	upkeep->manifest = next;
	upkeep->dirty = result != 0;
	if (install->output)
		upkeep->bytes_sealed += install->output->len;
	if (result == 0)
		mark_inputs(upkeep, install->inputs, install->n_inputs);
	return result;
}

void upkeep_run_install(struct upkeep *upkeep)
{
	struct install_request install;
	int result;

	lock(upkeep);
	install = upkeep->install;
	/* What a snapshot is to show comes first. */
	if (upkeep->snapshot.state == REQUEST_PENDING)
		install.state = REQUEST_NONE;
	unlock(upkeep);
	if (install.state != REQUEST_PENDING)
		return;
	result = write_install(upkeep, &install);
	lock(upkeep);
	upkeep->install.result = result;
	upkeep->install.state = REQUEST_DONE;
	pthread_cond_broadcast(&upkeep->done);
	unlock(upkeep);
}

int upkeep_install(struct upkeep *upkeep, struct segment *output,
		   struct segment *const *inputs, size_t n)
{
	int result;

	lock(upkeep);
	upkeep->install = (struct install_request){ .state = REQUEST_PENDING,
						    .output = output,
						    .inputs = inputs,
						    .n_inputs = n };
	upkeep_go(upkeep);
	while (upkeep->install.state == REQUEST_PENDING)
		pthread_cond_wait(&upkeep->done, &upkeep->lock);
	result = upkeep->install.result;
	upkeep->install.state = REQUEST_NONE;
	unlock(upkeep);
	return result;
}

int upkeep_settle_install(struct upkeep *upkeep, struct segment *const *inputs,
			  size_t n)
{
	int result = upkeep_flush(upkeep);

	if (result == 0)
		mark_inputs(upkeep, inputs, n);
	return result;
}
