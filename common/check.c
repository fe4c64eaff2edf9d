#include "common/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check_internal.h"
#include "common/digest.h"

/* Any odd number: so that the kind and the CRC do not cancel the key out. */
#define HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)

/* ---- sequence numbers ---- */

int check_add_sequence(struct check *check, const struct entry *entry)
{
	uint64_t hash = digest_fixed64(entry->key, entry->key_len);

	if (check->n_sequences == check->cap_sequences) {
		size_t cap =
			check->cap_sequences ? check->cap_sequences * 2 : 4096;
		struct check_sequence *grown;

		grown = realloc(check->sequences, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		check->sequences = grown;
		check->cap_sequences = cap;
	}
	hash = hash * HASH_FACTOR + entry->value_crc;
	hash = hash * HASH_FACTOR + (uint64_t)entry->kind;
	check->sequences[check->n_sequences++] = (struct check_sequence){
		.sequence = entry->sequence,
		.hash = hash,
	};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct check_sequence *left = a;
	const struct check_sequence *right = b;

	if (left->sequence != right->sequence)
		return left->sequence < right->sequence ? -1 : 1;
	return left->hash < right->hash ? -1 : left->hash > right->hash;
}

/* Copies of one entry are in order, two entries of one number are not. */
static void check_sequences(struct check *check)
{
	struct check_sequence *all = check->sequences;
	size_t i;

	if (check->n_sequences == 0)
		return;
	qsort(all, check->n_sequences, sizeof(*all), compare);
	for (i = 1; i < check->n_sequences; i++) {
		if (all[i].sequence == all[i - 1].sequence &&
		    all[i].hash != all[i - 1].hash)
			findings_add(check->findings,
				     (struct finding){ .kind = FINDING_SEQUENCE,
						       .is_damage = true },
				     "two entries have the sequence number "
				     "%llu",
				     (unsigned long long)all[i].sequence);
	}
}

/* ---- all of it ---- */

static void report_disk(struct check *check)
{
	uint64_t n = check->inventory->salvage.n_unreadable;

	if (n > 0)
		findings_add(check->findings,
			     (struct finding){ .kind = FINDING_DISK,
					       .is_damage = true },
			     "the disk failed %llu times to read a page: copy "
			     "what it still reads to another one",
			     (unsigned long long)n);
}

static void fill_in(const struct check *check, struct check_report *report)
{
	report->n_segments = check->inventory->n_rows;
	report->n_entries = check->n_entries;
	report->n_bytes = check->total;
	report->n_damaged = check->findings->n_damaged;
	report->damaged_bytes = check->findings->damaged_bytes;
	report->n_notes = check->findings->n_notes;
	report->unclean = check->inventory->unclean;
}

static int check_all(struct check *check, struct store_error *error)
{
	const struct inventory *inventory = check->inventory;
	size_t i;

	for (i = 0; i < inventory->n_rows; i++)
		check->total += inventory->rows[i].end;
	for (i = 0; i < inventory->n_rows; i++) {
		const struct inventory_row *row = &inventory->rows[i];
		int result = check_segment(check, row);

		if (result < 0) {
			snprintf(error->text, sizeof(error->text),
				 "%s: cannot read segment %u: %s",
				 inventory->dir, row->id, strerror(-result));
			return result;
		}
		check->done += row->end;
	}
	check_sequences(check);
	report_disk(check);
	return 0;
}

int check_inventory(struct inventory *inventory,
		    const struct check_options *options,
		    const struct check_watch *watch,
		    struct check_report *report, struct store_error *error)
{
	struct check check = {
		.inventory = inventory,
		.findings = inventory->findings,
		.options = options,
		.watch = watch,
	};
	int result = check_all(&check, error);

	free(check.sequences);
	if (result == 0)
		fill_in(&check, report);
	return result;
}

int check_run(const struct check_options *options, struct check_report *report,
	      struct store_error *error)
{
	struct findings findings = { .each = options->finding,
				     .ctx = options->ctx };
	struct inventory inventory;
	int result;

	result = inventory_take(
		&inventory, options->io ? options->io : io_system(),
		options->dir, options->is_locked, &findings, error);
	if (result != 0)
		return result;
	result = check_inventory(&inventory, options, NULL, report, error);
	inventory_deinit(&inventory);
	return result;
}
