#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/lock.h"

enum {
	/* bytes gathered before they are written: bounds what a short write
	 * throws away and keeps the caches warm */
	GATHER_MAX = 4 << 20,
	IOV_FIRST = 256,
	/* dirty bytes are pushed out in such steps, so no sync meets more */
	WRITEBACK_STEP = 4 << 20,
	/* the share of a last segment that is kept for tombstones: 1/4 */
	RESERVE_SHARE = 4,
};

void log_init(struct log *log, struct io *io, struct upkeep *upkeep,
	      uint64_t next_sequence, int lock_fd)
{
	memset(log, 0, sizeof(*log));
	log->io = io;
	log->upkeep = upkeep;
	log->next_sequence = next_sequence;
	log->last_sequence = next_sequence - 1;
	log->synced_sequence = next_sequence - 1;
	log->lock_fd = lock_fd;
}

void log_deinit(struct log *log)
{
	free(log->iov);
	log->iov = NULL;
}

static void refuse(struct log *log, struct log_record *record, int result)
{
	record->result = result;
	atomic_fetch_add(&log->n_refusals, 1);
}

/* ---- sync ---- */

static int sync_failed(struct log *log)
{
	log->read_only = true;
	if (log->lock_fd >= 0)
		lock_note_sync_failed(log->io, log->lock_fd);
	return LOG_UNKNOWN;
}

int log_sync(struct log *log)
{
	int result;

	if (log->read_only)
		return LOG_READ_ONLY;
	if (!log->dirty)
		return 0;
	assert(log->active);
	result = log->io->sync(log->io, log->active->fd);
	log->n_syncs++;
	if (result < 0)
		return sync_failed(log);
	log->active->synced_len = log->active->len;
	log->synced_sequence = log->last_sequence;
	log->dirty = false;
	return 0;
}

/* Ends the active segment, also an empty one. */
static int end_active(struct log *log)
{
	int result = log_sync(log);

	if (result != 0 || !log->active)
		return result;
	upkeep_fill(log->upkeep, log->active);
	log->active = NULL;
	log->n_rolls++;
	return 0;
}

int log_end_segment(struct log *log)
{
	if (log->active && log->active->first_sequence == 0)
		return 0;
	return end_active(log);
}

/* ---- gathering and writing ---- */

static int push_iov(struct log *log, void *data, size_t len)
{
	if (len == 0)
		return 0;
	if (log->n_iov == log->iov_cap) {
		int cap = log->iov_cap ? log->iov_cap * 2 : IOV_FIRST;
		struct iovec *grown;

		grown = realloc(log->iov, (size_t)cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		log->iov = grown;
		log->iov_cap = cap;
	}
	log->iov[log->n_iov].iov_base = data;
	log->iov[log->n_iov].iov_len = len;
	log->n_iov++;
	log->iov_len += len;
	return 0;
}

static int push_item(struct log *log, const struct log_item *item)
{
	static uint8_t zeros[8];
	union {
		const void *in;
		void *out;
	} value = { .in = item->value };
	size_t padding;
	int result;

	/* A value that follows the key is padded there already. */
	if (!item->value)
		return push_iov(log, item->head, (size_t)item->len);
	padding = (size_t)(item->len - item->head_len - item->value_len);
	result = push_iov(log, item->head, item->head_len);
	if (result == 0)
		result = push_iov(log, value.out, item->value_len);
	if (result == 0)
		result = push_iov(log, zeros, padding);
	return result;
}

/* Gives a record its place and its sequences, and gathers its bytes. */
static int place_record(struct log *log, struct log_record *record)
{
	struct segment *active = log->active;
	uint64_t off = active->len + log->iov_len;
	uint64_t sequence = log->next_sequence;
	uint64_t old_len = log->iov_len;
	int old_n = log->n_iov;
	uint32_t i;

	record->segment = active;
	record->first_sequence = sequence;
	for (i = 0; i < record->n_items; i++) {
		struct log_item *item = &record->items[i];
		const uint8_t *value = item->value;

		if (push_item(log, item) < 0) {
			log->n_iov = old_n;
			log->iov_len = old_len;
			return -ENOMEM;
		}
		if (!value)
			value = item->head + item->head_len;
		item->off = off;
		item->sequence = sequence++;
		entry_seal(item->head, value, item->sequence,
			   active->synced_len, active->id, off);
		off += item->len;
	}
	log->next_sequence = sequence;
	record->result = 0;
	return 0;
}

static void push_out(struct log *log)
{
	struct segment *active = log->active;

	if (active->len - log->written_back < WRITEBACK_STEP)
		return;
	log->io->writeback(log->io, active->fd, log->written_back,
			   active->len - log->written_back);
	log->written_back = active->len;
}

/* A write failed: the segment ends here, before anything else happens. */
static int cut_off(struct log *log, uint64_t first_sequence)
{
	int result;

	log->n_write_errors++;
	log->next_sequence = first_sequence;
	/* What lies behind len now must not count, ever. */
	log->must_flush = true;
	result = end_active(log);
	if (result == 0) {
		result = upkeep_flush(log->upkeep);
		log->must_flush = result != 0;
	}
	return result;
}

static void fail_all(struct log *log, struct log_record *first,
		     const struct log_record *end, int result)
{
	for (; first != end; first = first->next) {
		if (first->result == 0)
			refuse(log, first, result);
	}
}

/*
 * Writes what was gathered for the records from FIRST to before END (those
 * among them with result 0).
 */
static void write_gathered(struct log *log, struct log_record *first,
			   const struct log_record *end,
			   uint64_t first_sequence)
{
	struct segment *active = log->active;
	uint64_t len = log->iov_len;
	int result;

	if (log->n_iov == 0)
		return;
	assert(active); /* it is what they were gathered for */
	result = io_pwritev_full(log->io, active->fd, log->iov, log->n_iov,
				 active->len);
	log->n_iov = 0;
	log->iov_len = 0;
	if (result < 0) {
		int cut = cut_off(log, first_sequence);

		result = io_full_as_enospc(result);
		fail_all(log, first, end, cut == 0 ? result : LOG_UNKNOWN);
		return;
	}
	if (active->first_sequence == 0)
		active->first_sequence = first_sequence;
	active->last_sequence = log->next_sequence - 1;
	log->last_sequence = log->next_sequence - 1;
	active->len += len;
	log->dirty = true;
	log->n_bytes += len;
	push_out(log);
}

/* ---- one record after the other ---- */

/* Whether LEN more bytes fit, the reserve left alone unless REMOVES. */
static bool fits(const struct log *log, uint64_t len, bool removes)
{
	const struct segment *active = log->active;
	uint64_t end;
	uint64_t reserve = 0;

	if (!active)
		return false;
	end = active->len + log->iov_len + len;
	/* Its own large entry: a segment made for just this one. */
	if (active->len + log->iov_len == active->header_len)
		return end <= active->capacity;
	if (!removes && upkeep_spare_error(log->upkeep) != 0)
		reserve = active->capacity / RESERVE_SHARE;
	return end + reserve <= active->capacity && end <= SEGMENT_SHARED_MAX;
}

bool log_has_room(const struct log *log, uint64_t len)
{
	return !log->must_flush && fits(log, len, false) &&
	       log->active->len + len - log->written_back < WRITEBACK_STEP;
}

static int take_segment(struct log *log, uint64_t len, bool removes)
{
	struct segment *taken;
	int result;

	/* Puts do not use up the last room that tombstones have. */
	if (log->active && !removes &&
	    io_is_full(upkeep_spare_error(log->upkeep)))
		return -ENOSPC;
	result = upkeep_take(log->upkeep, len, &taken);
	if (result < 0)
		return io_full_as_enospc(result);
	result = end_active(log);
	if (result != 0)
		return result;
	log->active = taken;
	log->written_back = 0;
	upkeep_want_spare(log->upkeep);
	return 0;
}

/* Whether a record may be tried at all. */
static int admit(struct log *log, const struct log_record *record)
{
	int result = 0;

	if (log->read_only)
		return LOG_READ_ONLY;
	if (record->depends && record->seen_refusals != log->n_refusals)
		return LOG_STALE;
	if (log->must_flush) {
		result = upkeep_flush(log->upkeep);
		log->must_flush = result != 0;
	}
	return result > 0 ? -EIO : io_full_as_enospc(result);
}

static int do_clear(struct log *log, struct log_record *record)
{
	uint64_t floor = log->next_sequence + 1;
	int result = end_active(log);

	if (result != 0)
		return result;
	result = upkeep_clear(log->upkeep, floor);
	if (result == UPKEEP_UNKNOWN) {
		log->read_only = true;
		return LOG_UNKNOWN;
	}
	if (result < 0)
		return io_full_as_enospc(result);
	record->first_sequence = log->next_sequence;
	log->next_sequence = floor;
	log->last_sequence = floor - 1;
	log->synced_sequence = floor - 1;
	return 0;
}

static bool has_entries(const struct log *log)
{
	return log->active && log->active->first_sequence != 0;
}

/*
 * What was written before is in sealed segments when it returns 0; but on a
 * full disk, where tombstones have no room but what is left in the last one.
 * Whether it is full the next segment's making tells.
 */
static int roll(struct log *log)
{
	int result = 0;

	if (has_entries(log) && !upkeep_has_spare(log->upkeep))
		result = take_segment(log, 0, false);
	if (result == -ENOSPC)
		return log_sync(log);
	if (result == 0)
		result = log_end_segment(log);
	if (result == 0)
		result = upkeep_flush(log->upkeep);
	return result == UPKEEP_UNKNOWN ? -EIO : io_full_as_enospc(result);
}

/*
 * What was written so far ends in a segment of its own.  The next one first:
 * on a full disk the active one's end is all that tombstones have.
 */
static int do_cut(struct log *log)
{
	int result = 0;

	if (has_entries(log))
		result = take_segment(log, 0, false);
	if (result == 0)
		upkeep_begin_snapshot(log->upkeep);
	return result;
}

/* The rare records that are not written to a segment. */
static void special_record(struct log *log, struct log_record *record)
{
	int result;

	switch (record->kind) {
	case LOG_CLEAR:
		result = do_clear(log, record);
		break;
	case LOG_ROLL:
		result = roll(log);
		break;
	case LOG_CUT:
		result = do_cut(log);
		break;
	default:
		result = log_sync(log);
		break;
	}
	if (result != 0)
		refuse(log, record, result);
}

/* Makes room for a record; what was gathered is written before a roll. */
static int prepare(struct log *log, struct log_record *record,
		   struct log_record **first, uint64_t *first_sequence)
{
	int result;

	if (fits(log, record->len, record->removes) &&
	    log->iov_len < GATHER_MAX)
		return 0;
	write_gathered(log, *first, record, *first_sequence);
	*first = record;
	*first_sequence = log->next_sequence;
	/* What was gathered may have failed, and changed everything. */
	result = admit(log, record);
	if (result != 0 || fits(log, record->len, record->removes))
		return result;
	return take_segment(log, record->len, record->removes);
}

void log_write(struct log *log, struct log_record *first)
{
	struct log_record *pending = first; /* the first not yet written */
	uint64_t first_sequence = log->next_sequence;
	struct log_record *record;

	for (record = first; record; record = record->next) {
		int result;

		record->result = 0;
		if (record->kind != LOG_WRITE) {
			write_gathered(log, pending, record, first_sequence);
			pending = record->next;
			result = admit(log, record);
			if (result == 0)
				special_record(log, record);
			else
				refuse(log, record, result);
			first_sequence = log->next_sequence;
			continue;
		}
		result = admit(log, record);
		if (result == 0)
			result =
				prepare(log, record, &pending, &first_sequence);
		if (result == 0)
			result = place_record(log, record);
		if (result != 0)
			refuse(log, record, result);
	}
	write_gathered(log, pending, NULL, first_sequence);
}

void log_commit(struct log *log, struct log_record *first, bool sync)
{
	log_write(log, first);
	if (sync)
		log_sync(log);
	if (log->read_only)
		fail_all(log, first, NULL, LOG_UNKNOWN);
}
