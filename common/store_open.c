#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/folder.h"
#include "common/recovery.h"
#include "common/store_internal.h"

static int fail(struct store_error *error, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct store_error *error, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return result;
}

/* ---- opening ---- */

/* Refuses what is not a store, before anything is touched. */
static int check_folder(struct io *io, const char *dir,
			struct store_error *error)
{
	struct folder_view view;
	int result = folder_look(io, dir, &view);

	if (result == -ENOENT)
		return 0;
	if (result == -ENOTDIR)
		return fail(error, result,
			    "%s is not a folder: choose another --store", dir);
	if (result == -EACCES || result == -EPERM)
		return fail(error, result,
			    "%s: not allowed to read this folder: run as its "
			    "owner, or choose another --store",
			    dir);
	if (result < 0)
		return fail(error, result, "%s: %s", dir, strerror(-result));
	if (view.manifest)
		return 0;
	if (view.segments)
		return fail(error, -EUCLEAN,
			    "%s holds segments but no manifest: 'getmectl "
			    "repair %s NEWDIR' rebuilds the store from them",
			    dir, dir);
	if (view.foreign)
		return fail(error, -ENOTEMPTY,
			    "%s holds other things than a store (%s): choose "
			    "an empty or a new folder",
			    dir, view.foreign_name);
	return 0;
}

static int lock_folder(struct store *store, struct lock_report *report,
		       struct store_error *error)
{
	int result = lock_take(store->io, store->dir, report);

	if (result == -EWOULDBLOCK && report->holder > 0)
		return fail(error, result,
			    "%s is in use by process %ld: stop that one, or "
			    "choose another --store",
			    store->dir, report->holder);
	if (result == -EWOULDBLOCK)
		return fail(error, result,
			    "%s is in use by another process: stop that one, "
			    "or choose another --store",
			    store->dir);
	if (result < 0)
		return fail(error, result,
			    "%s/LOCK: %s: run as the store's owner, or as root "
			    "give all of it to who runs getmed (chown -R)",
			    store->dir, strerror(-result));
	store->lock_fd = result;
	if (report->sync_failed)
		lock_note_sync_failed(store->io, store->lock_fd);
	else
		lock_note_open(store->io, store->lock_fd);
	return 0;
}

static void keep_report(struct store *store, const struct recovery *recovery)
{
	struct store_stats *opened = &store->opened;

	opened->hint_bytes_read = recovery->hint_bytes_read;
	opened->segment_bytes_read = recovery->segment_bytes_read;
	opened->hints_rebuilt = recovery->hints_rebuilt;
	opened->damaged_entries = recovery->damaged_entries;
	opened->quarantined_bytes = recovery->quarantined_bytes;
	store->live_bytes = recovery->live_bytes;
}

static void sum_dead(void *ctx, struct segment *segment)
{
	uint64_t *dead = ctx;

	*dead += segment->dead_bytes;
}

static int recover(struct store *store, const struct store_options *options,
		   bool sync_failed, struct store_error *error)
{
	struct recovery recovery = {
		.io = store->io,
		.dir = store->dir,
		.sync_failed = sync_failed,
		.private_index = store->private_index,
		.secret = store->secret,
		.events = &store->events,
		.progress = options->progress,
		.progress_ctx = options->progress_ctx,
	};
	struct upkeep_options upkeep = {
		.io = store->io,
		.dir = store->dir,
		.segment_size = options->segment_size,
		.hold_reserve = options->hold_reserve,
		.changed = options->changed,
		.ctx = options->changed_ctx,
	};
	int result = recovery_run(&recovery, error);
	size_t i;

	if (result != 0)
		return result;
	upkeep.segments = recovery.segments;
	memcpy(store->store_id, recovery.manifest.store_id,
	       sizeof(store->store_id));
	result = upkeep_new(&upkeep, &recovery.manifest, &store->upkeep);
	if (result < 0) {
		recovery_deinit(&recovery);
		return fail(error, result, "out of memory");
	}
	store->segments = recovery.segments;
	store->index = recovery.index;
	atomic_store(&store->map, index_map(recovery.index));
	store->visible_sequence = recovery.next_sequence - 1;
	keep_report(store, &recovery);
	segments_each(store->segments, sum_dead, &store->dead_bytes);
	for (i = 0; i < recovery.n_unhinted; i++)
		upkeep_want_hint(store->upkeep, recovery.unhinted[i]);
	free(recovery.unhinted);
	log_init(&store->log, store->io, store->upkeep, recovery.next_sequence,
		 store->lock_fd);
	lock_note_open(store->io, store->lock_fd);
	return 0;
}

static void free_segment(void *ctx, struct segment *segment)
{
	segment_free(ctx, segment);
}

static void release_segment(void *ctx, struct segment *segment)
{
	struct store *store = ctx;

	if (store->abandoned)
		segment_free(store->io, segment);
	else
		upkeep_discard(store->upkeep, segment);
}

static void release_index(void *ctx, struct index *index)
{
	(void)ctx;
	index_free(index);
}

/* Everything but the upkeep, which ends in one way or the other before. */
static void release(struct store *store)
{
	log_deinit(&store->log);
	index_free(store->index);
	if (store->segments)
		segments_each(store->segments, free_segment, store->io);
	segments_free(store->segments);
	view_buffer_deinit(&store->buffer);
	if (store->lock_fd >= 0)
		store->io->close(store->io, store->lock_fd);
	events_deinit(&store->events);
	free(store);
}

static struct store *new_store(const struct store_options *options)
{
	struct store *store = calloc(1, sizeof(*store));
	struct retire_ops ops = {
		.release_segment = release_segment,
		.release_index = release_index,
		.ctx = store,
	};

	if (!store)
		return NULL;
	retire_init(&store->retire, &ops);
	/* Its length was checked. */
	if (path_copy(store->dir, options->dir) < 0) {
		free(store);
		return NULL;
	}
	store->io = options->io ? options->io : io_system();
	mapped_init(&store->mapped, store->io);
	store->lock_fd = -1;
	store->private_index = options->private_index;
	events_init(&store->events);
	return store;
}

/*
 * A folder that was made for a start that failed goes again, unless somebody
 * else has taken it meanwhile.
 */
static void undo_folder(const struct store *store, unsigned int made,
			int result)
{
	static const char *const names[] = { "LOCK", "MANIFEST.0",
					     "MANIFEST.1" };
	size_t n = store->lock_fd >= 0 ? sizeof(names) / sizeof(names[0]) : 1;
	char path[PATH_LEN_MAX];
	size_t i;

	if (made == 0 || result == -EWOULDBLOCK)
		return;
	for (i = 0; i < n; i++) {
		if (path_join(path, store->dir, names[i]) == 0)
			store->io->unlink(store->io, path);
	}
	folder_unmake(store->io, store->dir, made);
}

static int open_steps(struct store *store, const struct store_options *options,
		      unsigned int *made, struct store_error *error)
{
	struct lock_report report;
	int result = check_folder(store->io, store->dir, error);

	if (result != 0)
		return result;
	result = digest_new_secret(store->secret);
	if (result < 0)
		return fail(error, result, "no random bytes: %s",
			    strerror(-result));
	result = folder_make(store->io, store->dir, made);
	if (result < 0)
		return fail(error, result, "%s: cannot make the folder: %s",
			    store->dir, strerror(-result));
	result = lock_folder(store, &report, error);
	/* Once more: someone may have been faster. */
	if (result == 0)
		result = check_folder(store->io, store->dir, error);
	if (result == 0)
		result = recover(store, options, report.sync_failed, error);
	return result;
}

int store_open(const struct store_options *options, struct store **out,
	       struct store_error *error)
{
	struct store *store;
	unsigned int made = 0;
	int result;

	if (!options->dir || !*options->dir ||
	    strlen(options->dir) >= PATH_LEN_MAX - 64)
		return fail(error, -ENAMETOOLONG,
			    "the store's path is empty or too long");
	store = new_store(options);
	if (!store)
		return fail(error, -ENOMEM, "out of memory");
	result = open_steps(store, options, &made, error);
	if (result != 0) {
		undo_folder(store, made, result);
		release(store);
		return result;
	}
	*out = store;
	return 0;
}

int store_close(struct store *store)
{
	enum upkeep_end end = UPKEEP_FINISH;
	int result;
	int last;

	if (!store)
		return 0;
	result = log_sync(&store->log);
	if (result == 0 && store->log.active) {
		upkeep_fill(store->upkeep, store->log.active);
		store->log.active = NULL;
	}
	if (result != 0)
		end = UPKEEP_ABANDON;
	store_compact_close(store);
	retire_deinit(&store->retire);
	last = upkeep_free(store->upkeep, end);
	if (result == 0 && last == 0)
		lock_note_closed(store->io, store->lock_fd);
	release(store);
	return result != 0 ? -EIO : last;
}

void store_abandon(struct store *store)
{
	if (!store)
		return;
	store->abandoned = true;
	store_compact_abandon(store);
	retire_deinit(&store->retire);
	upkeep_free(store->upkeep, UPKEEP_ABANDON);
	release(store);
}
