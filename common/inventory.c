#include "common/inventory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/inventory_internal.h"
#include "common/segment_header.h"

int inventory_fail(struct store_error *error, int result, const char *format,
		   ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return result;
}

int inventory_fail_segment(const struct inventory *inventory,
			   struct store_error *error, int result, uint32_t id)
{
	if (result == SEGMENT_NEWER)
		return inventory_fail(
			error, -EPROTONOSUPPORT,
			"%s: segment %u has a newer format than this getmectl "
			"knows; use the newer getmectl",
			inventory->dir, id);
	return inventory_fail(
		error, result, "%s: cannot read segment %u: %s%s",
		inventory->dir, id, strerror(-result),
		inventory_is_forbidden(result) ? "; run as its owner" : "");
}

/* ---- the manifest ---- */

static void report_manifests(struct inventory *inventory,
			     const struct manifest_report *report,
			     bool was_closed)
{
	struct finding finding = { .kind = FINDING_MANIFEST };
	int i;

	for (i = 0; i < 2; i++) {
		finding.is_damage = report->damaged[i];
		if (report->damaged[i])
			findings_add(inventory->findings, finding,
				     "MANIFEST.%d is damaged; the other one is "
				     "good",
				     i);
		/* Between the two writes of a new manifest one may be alone. */
		finding.is_damage = was_closed;
		if (!report->present[i])
			findings_add(inventory->findings, finding,
				     "MANIFEST.%d is missing; the other one is "
				     "good",
				     i);
	}
	finding.is_damage = false;
	if (!report->equal && report->present[0] && report->present[1] &&
	    !report->damaged[0] && !report->damaged[1])
		findings_add(inventory->findings, finding,
			     "the two manifests are of two generations; the "
			     "newer one holds");
}

static int load_manifest(struct inventory *inventory, bool was_closed,
			 struct store_error *error)
{
	struct manifest_report report;
	int result = manifest_load(inventory->io, inventory->dir,
				   &inventory->manifest, &report);

	if (result == 0) {
		report_manifests(inventory, &report, was_closed);
		return 0;
	}
	if (result == MANIFEST_NEWER)
		return inventory_fail(error, -EPROTONOSUPPORT,
				      "%s: the store has a newer format than "
				      "this getmectl knows; use the newer "
				      "getmectl",
				      inventory->dir);
	if (result < 0)
		return inventory_fail(
			error, result, "%s: cannot read the manifest: %s%s",
			inventory->dir, strerror(-result),
			inventory_is_forbidden(result) ? "; run as its "
							 "owner"
						       : "");
	findings_add(
		inventory->findings,
		(struct finding){ .kind = FINDING_MANIFEST, .is_damage = true },
		"both manifests are %s: which segments the store has, "
		"and whether it was cleared, is guessed from the segments",
		result == MANIFEST_BAD ? "damaged" : "missing");
	inventory->rebuilt = true;
	return inventory_rebuild(inventory, error);
}

/* ---- segments ---- */

static void report_gone(struct inventory *inventory,
			const struct inventory_row *row, const char *what)
{
	findings_add(inventory->findings,
		     (struct finding){ .kind = FINDING_SEGMENT,
				       .is_damage = true,
				       .segment_id = row->id },
		     "%s", what);
}

/* What the header of a listed segment says. */
static int look_at_header(struct inventory *inventory,
			  struct inventory_row *row, struct store_error *error)
{
	uint32_t *replaces = NULL;
	size_t n = 0;
	int result;

	result = segment_header_replaces(inventory->io, inventory->dir,
					 inventory->manifest.store_id, row->id,
					 &replaces, &n);
	free(replaces);
	row->in_order = result == 0 && n == 0;
	switch (result) {
	case 0:
		return 0;
	case -ENOENT:
		row->state = INVENTORY_GONE;
		report_gone(inventory, row, "the file is missing");
		return 0;
	case SEGMENT_FOREIGN:
		row->state = INVENTORY_GONE;
		report_gone(inventory, row,
			    "the file belongs to another store, or is another "
			    "segment");
		return 0;
	case SEGMENT_BAD:
		row->header_damaged = true;
		findings_add(inventory->findings,
			     (struct finding){ .kind = FINDING_HEADER,
					       .is_damage = true,
					       .segment_id = row->id,
					       .len = SEGMENT_HEADER_LEN },
			     "the segment's header is damaged");
		return 0;
	default:
		return inventory_fail_segment(inventory, error, result,
					      row->id);
	}
}

static int add_rows(struct inventory *inventory, struct store_error *error)
{
	const struct manifest *manifest = &inventory->manifest;
	uint32_t i;
	int result = 0;

	inventory->rows =
		calloc(manifest->n_segments + 1, sizeof(*inventory->rows));
	if (!inventory->rows)
		return inventory_fail(error, -ENOMEM, "out of memory");
	for (i = 0; result == 0 && i < manifest->n_segments; i++) {
		const struct manifest_segment *from = &manifest->segments[i];
		struct inventory_row *row = &inventory->rows[inventory->n_rows];

		if (from->state == MANIFEST_REPLACED)
			continue;
		inventory->n_rows++;
		row->id = from->id;
		row->state = from->state == MANIFEST_OPEN ? INVENTORY_TAIL
							  : INVENTORY_SEALED;
		row->end = from->len;
		row->synced_end = from->len;
		row->data_end = from->len;
		row->last_sequence = from->last_sequence;
		result = look_at_header(inventory, row, error);
	}
	return result;
}

static void mark_files(struct inventory *inventory)
{
	size_t i;

	for (i = 0; i < inventory->n_files; i++) {
		struct inventory_file *file = &inventory->files[i];

		file->is_listed =
			manifest_find(&inventory->manifest, file->id) != NULL;
		if (!file->is_listed)
			findings_add(inventory->findings,
				     (struct finding){ .kind = FINDING_FILE,
						       .segment_id = file->id },
				     "a %s that is not part of the store",
				     file->is_hint ? "hint" : "segment");
	}
}

int inventory_open(struct inventory *inventory, const struct inventory_row *row,
		   struct segment **segment)
{
	int result =
		segment_open(inventory->io, inventory->dir,
			     inventory->manifest.store_id, row->id, segment);

	if (result == SEGMENT_BAD)
		return 0;
	/* Its header was another one a moment ago. */
	return result > 0 ? -EIO : result;
}

int inventory_take(struct inventory *inventory, struct io *io, const char *dir,
		   bool is_locked, struct findings *findings,
		   struct store_error *error)
{
	struct lock_report report = { .closed = false };
	int result;

	memset(inventory, 0, sizeof(*inventory));
	salvage_init(&inventory->salvage, io);
	inventory->io = &inventory->salvage.io;
	inventory->dir = dir;
	inventory->findings = findings;
	inventory->lock_fd = -1;
	result = is_locked ? 0 : inventory_lock(inventory, &report, error);
	if (result == 0)
		result = inventory_list(inventory, error);
	if (result == 0)
		result = load_manifest(inventory, report.closed, error);
	if (result == 0)
		result = add_rows(inventory, error);
	if (result == 0)
		mark_files(inventory);
	if (result == 0)
		result = inventory_read_tails(inventory, error);
	if (result != 0)
		inventory_deinit(inventory);
	return result;
}

void inventory_deinit(struct inventory *inventory)
{
	if (inventory->io && inventory->lock_fd >= 0)
		inventory->io->close(inventory->io, inventory->lock_fd);
	inventory->lock_fd = -1;
	manifest_deinit(&inventory->manifest);
	free(inventory->rows);
	free(inventory->files);
	inventory->rows = NULL;
	inventory->files = NULL;
	inventory->n_rows = 0;
	inventory->n_files = 0;
}
