#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "common/engine_internal.h"
#include "common/read_pool.h"

static enum engine_state current_state(const struct local *local)
{
	const struct store *store = local->store;

	if (store->log.read_only)
		return ENGINE_STATE_READ_ONLY;
	if (store_is_full(store))
		return ENGINE_STATE_FULL;
	if (store->opened.damaged_entries > 0)
		return ENGINE_STATE_DAMAGED;
	return ENGINE_STATE_OK;
}

static const char *state_name(enum engine_state state)
{
	switch (state) {
	case ENGINE_STATE_OK:
		return "ok";
	case ENGINE_STATE_FULL:
		return "full";
	case ENGINE_STATE_READ_ONLY:
		return "read-only";
	case ENGINE_STATE_DAMAGED:
		return "damaged";
	}
	return "unknown";
}

static const char *state_text(enum engine_state state)
{
	switch (state) {
	case ENGINE_STATE_OK:
		return "serving";
	case ENGINE_STATE_FULL:
		return "the disk is full: puts are refused; reads, deletes and "
		       "compaction go on; delete keys or free some room, and "
		       "writing resumes by itself";
	case ENGINE_STATE_READ_ONLY:
		return "a sync failed: the store takes no writes; check the "
		       "disk, then restart getmed";
	case ENGINE_STATE_DAMAGED:
		return "serving; damage was found when the store was opened: "
		       "some entries are lost, see the log";
	}
	return "";
}

enum engine_state local_state(struct engine *engine, const char **text)
{
	const struct local *local = (const struct local *)(void *)engine;
	enum engine_state state = current_state(local);

	if (text)
		*text = state_text(state);
	return state;
}

enum engine_state local_shown_state(const struct local *local,
				    const char **text)
{
	enum engine_state state = atomic_load(&local->last_state);

	if (text)
		*text = state_text(state);
	return state;
}

void local_watch_state(struct local *local)
{
	enum engine_state state = current_state(local);
	enum engine_state last = atomic_load(&local->last_state);

	if (state == last)
		return;
	atomic_store(&local->last_state, state);
	if (last == ENGINE_STATE_FULL && state != ENGINE_STATE_READ_ONLY)
		events_add(&local->store->events, EVENT_NOTICE,
			   "there is room again: writing resumes");
	else
		events_add(&local->store->events,
			   state == ENGINE_STATE_READ_ONLY ? EVENT_ERROR
							   : EVENT_WARNING,
			   "%s", state_text(state));
}

/* ---- rows ---- */

struct rows {
	struct engine_stat *next;
	size_t n;
};

static void row(struct rows *rows, enum engine_stat_kind kind, const char *name,
		const char *help, uint64_t value)
{
	if (rows->n == ENGINE_N_STATS)
		return;
	*rows->next++ = (struct engine_stat){
		.name = name,
		.help = help,
		.kind = kind,
		.value = value,
	};
	rows->n++;
}

static void counter(struct rows *rows, const char *name, const char *help,
		    uint64_t value)
{
	row(rows, ENGINE_STAT_COUNTER, name, help, value);
}

static void gauge(struct rows *rows, const char *name, const char *help,
		  uint64_t value)
{
	row(rows, ENGINE_STAT_GAUGE, name, help, value);
}

static void store_rows(struct rows *rows, const struct store_stats *stats)
{
	gauge(rows, "keys", "Keys not yet removed", stats->keys);
	gauge(rows, "segments", "Segment files", stats->segments);
	gauge(rows, "live_bytes", "Bytes of current entries",
	      stats->live_bytes);
	gauge(rows, "dead_bytes", "Bytes of superseded entries and tombstones",
	      stats->dead_bytes);
	gauge(rows, "disk_bytes", "Bytes of entries in all segments",
	      stats->disk_bytes);
	gauge(rows, "index_bytes", "Memory of the index", stats->index_bytes);
	gauge(rows, "last_sequence", "Sequence number of the last write",
	      stats->last_sequence);
	counter(rows, "bytes_written", "Bytes written to the log",
		stats->bytes_written);
	counter(rows, "syncs", "Syncs of files", stats->syncs);
	counter(rows, "segment_rolls", "Segments filled", stats->rolls);
	counter(rows, "corrupt_reads", "Reads that met a damaged entry",
		stats->corrupt_reads);
	counter(rows, "write_errors", "Failed writes to the log",
		stats->write_errors);
	counter(rows, "damaged_entries", "Damaged places found at start-up",
		stats->damaged_entries);
	counter(rows, "quarantined_bytes",
		"Bytes put into quarantine at start-up",
		stats->quarantined_bytes);
	counter(rows, "hint_bytes_read", "Bytes of hints read at start-up",
		stats->hint_bytes_read);
	counter(rows, "segment_bytes_read",
		"Bytes of segments read at start-up",
		stats->segment_bytes_read);
	counter(rows, "hints_rebuilt", "Damaged hints made again",
		stats->hints_rebuilt);
}

/* Bytes written for each byte of the log, in percent. */
static uint64_t amplification(const struct store_stats *stats)
{
	uint64_t log = stats->bytes_written;

	if (log == 0)
		return 100;
	return (log + stats->compaction_bytes_written) * 100 / log;
}

static void compaction_rows(struct rows *rows, const struct store_stats *stats)
{
	counter(rows, "compactions", "Runs of the compaction that have ended",
		stats->compactions);
	counter(rows, "compactions_failed", "Runs that had to be given up",
		stats->compactions_failed);
	counter(rows, "compaction_bytes_written",
		"Bytes that compactions wrote again",
		stats->compaction_bytes_written);
	counter(rows, "compaction_bytes_freed",
		"Bytes that compactions gave back",
		stats->compaction_bytes_freed);
	gauge(rows, "write_amplification_percent",
	      "Bytes written, compactions included, for 100 of the log",
	      amplification(stats));
	gauge(rows, "compact_done_bytes",
	      "Of a full compaction under way, bytes that are done",
	      stats->compact_done_bytes);
	gauge(rows, "compact_total_bytes",
	      "Of a full compaction under way, all bytes; 0: there is none",
	      stats->compact_total_bytes);
	gauge(rows, "retired_bytes",
	      "Bytes of replaced segments that are still read",
	      stats->retired_bytes);
}

static void engine_rows(struct rows *rows, const struct local *local)
{
	counter(rows, "groups", "Groups of writes handed to the log",
		local->n_groups);
	counter(rows, "log_records", "Writes handed to the log",
		local->n_records);
	counter(rows, "errands",
		"Requests of further threads that the first one served",
		local->n_errands);
	counter(rows, "conditions_waited",
		"Answers that waited for a pending write", local->n_parked);
	counter(rows, "cold_reads",
		"Requests that were read from the disk, or large, beside the "
		"loop",
		local->n_cold_reads);
	gauge(rows, "waiting_reads", "Requests that wait to be read beside it",
	      read_pool_n_waiting(local->pool));
	counter(rows, "expired_keys", "Expired keys removed when asked for",
		local->n_expired);
	counter(rows, "writes_throttled",
		"Writes that waited for a compaction that was behind",
		local->throttle.n_held);
	gauge(rows, "spare_segments", "Prepared segments that wait to be used",
	      upkeep_has_spare(local->store->upkeep));
	gauge(rows, "pending_keys", "Keys with a write under way",
	      local->pending.n_nodes);
}

static void share_rows(struct rows *rows, const struct local *local,
		       const struct store_stats *stats)
{
	counter(rows, "shared_descriptors",
		"Descriptors given to clients that read directly",
		local->n_shared);
	counter(rows, "pinned_bytes",
		"Bytes of removed segments that such clients keep until they "
		"let go: this file system punches no holes",
		stats->pinned_bytes);
}

static void backup_rows(struct rows *rows, const struct local *local)
{
	const struct backup_task *task = local->backup;

	counter(rows, "backups", "Backups made", local->n_backups);
	gauge(rows, "backup_done_bytes", "Of the backup under way, bytes done",
	      task ? task->backup.done_bytes : 0);
	gauge(rows, "backup_total_bytes", "Of the backup under way, all bytes",
	      task ? task->backup.total_bytes : 0);
}

void local_stats(struct local *local, struct engine_request *request)
{
	struct rows rows = { .next = local->stats };
	struct store_stats stats;

	store_get_stats(local->store, &stats);
	row(&rows, ENGINE_STAT_TEXT, "state", "ok, full, read-only or damaged",
	    0);
	local->stats[0].text = state_name(current_state(local));
	store_rows(&rows, &stats);
	compaction_rows(&rows, &stats);
	engine_rows(&rows, local);
	backup_rows(&rows, local);
	share_rows(&rows, local, &stats);
	request->stats = local->stats;
	request->n_stats = rows.n;
	local_finish(request, 0);
}
