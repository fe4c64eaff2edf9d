#include "common/recovery.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/folder.h"
#include "common/path.h"
#include "common/recovery_internal.h"

int recovery_fail(struct recovery_run_state *run, int result,
		  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(run->error->text, sizeof(run->error->text), format, args);
	va_end(args);
	return result;
}

const char *recovery_advice(int result)
{
	switch (result) {
	case -EACCES:
	case -EPERM:
		return ": it belongs to another user; run as its owner, or as "
		       "root give all of the store to who runs getmed (chown "
		       "-R)";
	case -EROFS:
		return ": mount it for writing";
	case -EIO:
		return ": check the disk; 'getmectl check' tells what can be "
		       "read";
	default:
		return io_is_full(result) ? ": free some room" : "";
	}
}

int recovery_fail_errno(struct recovery_run_state *run, int result,
			const char *what, uint32_t id)
{
	return recovery_fail(run, result, "%s: %s segment %u: %s%s",
			     run->out->dir, what, id, strerror(-result),
			     recovery_advice(result));
}

/* ---- the manifest ---- */

static int new_manifest(struct recovery_run_state *run)
{
	struct recovery *out = run->out;
	struct manifest *manifest = &out->manifest;
	ssize_t n = getrandom(manifest->store_id, SEGMENT_STORE_ID_LEN, 0);

	if (n != SEGMENT_STORE_ID_LEN)
		return recovery_fail(run, -EIO,
				     "no random bytes for a store id");
	manifest->next_sequence = 1;
	manifest->floor = 1;
	manifest->next_segment = 1;
	run->rewrite = true;
	return 0;
}

static int load_manifest(struct recovery_run_state *run)
{
	struct recovery *out = run->out;
	struct manifest_report report;
	int result;

	result = manifest_load(out->io, out->dir, &out->manifest, &report);
	switch (result) {
	case 0:
		run->rewrite = !report.equal;
		if (report.damaged[0] || report.damaged[1])
			events_add(out->events, EVENT_WARNING,
				   "one of the two manifests was damaged; "
				   "written again from the other");
		return 0;
	case MANIFEST_MISSING:
		return new_manifest(run);
	case MANIFEST_NEWER:
		return recovery_fail(
			run, -EPROTONOSUPPORT,
			"%s: the store has a newer format than this "
			"getmed knows; use the newer getmed",
			out->dir);
	case MANIFEST_BAD:
		return recovery_fail(
			run, -EUCLEAN,
			"%s: both manifests are damaged; 'getmectl "
			"repair %s NEWDIR' rebuilds the store from its "
			"segments",
			out->dir, out->dir);
	default:
		return recovery_fail(
			run, result, "%s: cannot read the manifest: %s%s",
			out->dir, strerror(-result), recovery_advice(result));
	}
}

void recovery_unlink(struct recovery *out, const char *name)
{
	char path[PATH_LEN_MAX];

	if (path_join(path, out->dir, name) == 0)
		out->io->unlink(out->io, path);
}

/* ---- the end ---- */

static int write_manifest(struct recovery_run_state *run)
{
	struct recovery *out = run->out;
	int result;

	if (!run->rewrite)
		return 0;
	result = manifest_store(out->io, out->dir, &out->manifest);
	if (result == MANIFEST_UNKNOWN)
		result = -EIO;
	if (result < 0)
		return recovery_fail(
			run, result, "%s: cannot write the manifest: %s%s",
			out->dir, strerror(-result), recovery_advice(result));
	return 0;
}

/* Their rows go too; a manifest that still has them does no harm. */
static void remove_replaced(struct recovery *out)
{
	struct manifest *manifest = &out->manifest;
	uint32_t i = 0;

	while (i < manifest->n_segments) {
		uint32_t id = manifest->segments[i].id;
		char name[SEGMENT_NAME_MAX];

		if (manifest->segments[i].state != MANIFEST_REPLACED) {
			i++;
			continue;
		}
		segment_hint_name(id, name);
		recovery_unlink(out, name);
		segment_name(id, name);
		recovery_unlink(out, name);
		manifest_remove(manifest, id);
	}
}

static int sweep(struct recovery_run_state *run)
{
	struct recovery *out = run->out;
	struct folder_swept swept;
	int result;

	result = folder_sweep(out->io, out->dir, &out->manifest, &swept);
	if (result < 0)
		return recovery_fail(run, result, "%s: cannot tidy up: %s",
				     out->dir, strerror(-result));
	if (swept.n_quarantined > 0)
		events_add(out->events, EVENT_NOTICE,
			   "%llu files that the manifest does not list were "
			   "moved to quarantine",
			   (unsigned long long)swept.n_quarantined);
	return 0;
}

static int make_tables(struct recovery_run_state *run)
{
	struct recovery *out = run->out;
	struct index_options options = { .is_private = out->private_index };
	int result = 0;

	memcpy(options.secret, out->secret, sizeof(options.secret));
	out->segments = segments_new();
	if (!out->segments)
		result = -ENOMEM;
	if (result == 0)
		result = index_new(&options, &out->index);
	if (result == 0)
		result = index_load_begin(out->index);
	if (result < 0)
		return recovery_fail(run, result, "cannot make the index: %s",
				     strerror(-result));
	return 0;
}

static int run_steps(struct recovery_run_state *run)
{
	int result = load_manifest(run);

	if (result == 0)
		result = make_tables(run);
	if (result == 0)
		result = sweep(run);
	if (result == 0)
		result = recovery_load_sealed(run);
	if (result == 0)
		result = recovery_read_tails(run);
	if (result == 0)
		result = recovery_settle_tails(run);
	if (result == 0)
		result = write_manifest(run);
	return result;
}

int recovery_run(struct recovery *recovery, struct store_error *error)
{
	struct recovery_run_state run = { .out = recovery, .error = error };
	size_t i;
	int result;

	result = run_steps(&run);
	for (i = 0; i < run.n_tails; i++)
		tail_deinit(&run.tails[i]);
	free(run.tails);
	if (result != 0) {
		recovery_deinit(recovery);
		return result;
	}
	remove_replaced(recovery);
	index_load_end(recovery->index);
	recovery->next_sequence = recovery->manifest.next_sequence;
	return 0;
}

static void free_segment(void *ctx, struct segment *segment)
{
	segment_free(ctx, segment);
}

void recovery_deinit(struct recovery *recovery)
{
	if (recovery->segments)
		segments_each(recovery->segments, free_segment, recovery->io);
	segments_free(recovery->segments);
	index_free(recovery->index);
	manifest_deinit(&recovery->manifest);
	free(recovery->unhinted);
	recovery->segments = NULL;
	recovery->index = NULL;
	recovery->unhinted = NULL;
}
