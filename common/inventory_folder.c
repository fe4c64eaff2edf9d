#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/inventory_internal.h"

bool inventory_is_forbidden(int result)
{
	return result == -EACCES || result == -EPERM;
}

/* What a list of the folder shows. */
struct names {
	struct inventory *inventory;
	size_t cap;
	size_t n_tmp;
	bool has_manifest;
	bool has_lock;
	bool is_unfinished;
};

static int keep_file(struct names *names, uint32_t id, bool is_hint)
{
	struct inventory *inventory = names->inventory;

	if (inventory->n_files == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 64;
		struct inventory_file *grown;

		grown = realloc(inventory->files, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		inventory->files = grown;
		names->cap = cap;
	}
	inventory->files[inventory->n_files++] =
		(struct inventory_file){ .id = id, .is_hint = is_hint };
	return 0;
}

static int each_name(void *ctx, const char *name)
{
	struct names *names = ctx;
	size_t len = strlen(name);
	bool is_hint;
	uint32_t id;

	if (manifest_is_name(name))
		names->has_manifest = true;
	if (strcmp(name, "LOCK") == 0)
		names->has_lock = true;
	if (strcmp(name, INVENTORY_UNFINISHED) == 0)
		names->is_unfinished = true;
	if (len > 4 && strcmp(name + len - 4, ".tmp") == 0)
		names->n_tmp++;
	if (segment_parse_name(name, &id, &is_hint))
		return keep_file(names, id, is_hint);
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct inventory_file *left = a;
	const struct inventory_file *right = b;

	if (left->id != right->id)
		return left->id < right->id ? -1 : 1;
	return left->is_hint - right->is_hint;
}

static int fail_folder(const char *dir, int result, struct store_error *error)
{
	if (inventory_is_forbidden(result))
		return inventory_fail(error, result,
				      "%s: not allowed to read this folder; "
				      "run as its owner",
				      dir);
	return inventory_fail(error, result, "%s: %s", dir, strerror(-result));
}

int inventory_list(struct inventory *inventory, struct store_error *error)
{
	struct names names = { .inventory = inventory };
	struct io *io = inventory->io;
	const char *dir = inventory->dir;
	int result = io->list(io, dir, each_name, &names);

	if (result < 0)
		return fail_folder(dir, result, error);
	/* The manifest comes last: with one it is only the file that is left. */
	if (names.is_unfinished && !names.has_manifest)
		return inventory_fail(
			error, -EBUSY,
			"%s is what a repair that was not finished left: "
			"remove it, and repair the store it was made from "
			"again",
			dir);
	if (!names.has_manifest && inventory->n_files == 0)
		return inventory_fail(error, -ENODATA,
				      "%s is no store: it holds neither a "
				      "manifest nor segments",
				      dir);
	if (inventory->n_files > 0)
		qsort(inventory->files, inventory->n_files,
		      sizeof(*inventory->files), compare_files);
	if (names.n_tmp > 0)
		findings_add(inventory->findings,
			     (struct finding){ .kind = FINDING_FILE },
			     "%zu unfinished files, which the next start "
			     "removes",
			     names.n_tmp);
	if (names.is_unfinished)
		findings_add(inventory->findings,
			     (struct finding){ .kind = FINDING_FILE },
			     "the file " INVENTORY_UNFINISHED
			     " of a repair is left, which had finished: "
			     "remove it");
	if (!names.has_lock)
		findings_add(inventory->findings,
			     (struct finding){ .kind = FINDING_LOCK },
			     "LOCK is not there, so nobody can be kept from "
			     "opening the store meanwhile");
	return 0;
}

int inventory_lock(struct inventory *inventory, struct lock_report *report,
		   struct store_error *error)
{
	const char *dir = inventory->dir;
	int result = lock_take(inventory->io, dir, report);

	if (result == -EWOULDBLOCK && report->holder > 0)
		return inventory_fail(
			error, result,
			"%s is in use by process %ld: stop that one first", dir,
			report->holder);
	if (result == -EWOULDBLOCK)
		return inventory_fail(error, result,
				      "%s is in use by another process: stop "
				      "that one first",
				      dir);
	/* Without the folder there is none either, which its list tells. */
	if (result == -ENOENT || result == -ENOTDIR)
		return 0;
	if (result < 0)
		return inventory_fail(error, result, "%s/LOCK: %s%s", dir,
				      strerror(-result),
				      inventory_is_forbidden(result)
					      ? "; run as the store's owner"
					      : "");
	inventory->lock_fd = result;
	return 0;
}
