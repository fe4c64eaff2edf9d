#include "daemon/results.h"

#include <errno.h>
#include <stddef.h>

#include "common/engine.h"
#include "proto/message.h"

struct row {
	int result;
	unsigned int code;
	const char *text;
};

static const struct row rows[] = {
	/* The first three are answers where they are expected. */
	{ ENGINE_NOT_FOUND, MESSAGE_ERROR_INTERNAL, "the key is not there" },
	{ ENGINE_CONDITION, MESSAGE_ERROR_INTERNAL,
	  "a condition was not met that nobody asked for" },
	{ -EINVAL, MESSAGE_ERROR_INTERNAL,
	  "the engine refused the request as malformed: please report this" },
	{ ENGINE_CORRUPT, MESSAGE_ERROR_CORRUPT,
	  "the entry is damaged on disk: put it again, or restore a backup; "
	  "`getmectl check` lists what is damaged" },
	{ ENGINE_NOT_INTEGER, MESSAGE_ERROR_NOT_INTEGER,
	  "the value is not a decimal integer of 64 bits" },
	{ ENGINE_OVERFLOW, MESSAGE_ERROR_OVERFLOW,
	  "the sum does not fit 64 bits" },
	{ ENGINE_UNKNOWN, MESSAGE_ERROR_UNKNOWN_OUTCOME,
	  "the write may be applied or not: read the key to find out" },
	{ ENGINE_READ_ONLY, MESSAGE_ERROR_READ_ONLY,
	  "the store takes no writes since a sync failed: check the disk, "
	  "then restart getmed" },
	{ ENGINE_DEADLINE, MESSAGE_ERROR_DEADLINE,
	  "not begun before its deadline" },
	{ ENGINE_UNSUPPORTED, MESSAGE_ERROR_UNSUPPORTED,
	  "this store cannot do that" },
	{ ENGINE_TOO_LARGE, MESSAGE_ERROR_TOO_LARGE,
	  "a key, value, batch or reply is over a limit (hello tells them)" },
	{ ENGINE_BAD_CURSOR, MESSAGE_ERROR_BAD_CURSOR,
	  "not a cursor that a scan returned" },
	{ ENGINE_CLOSED, MESSAGE_ERROR_CLOSING, "the daemon is stopping" },
	{ ENGINE_REFUSED, MESSAGE_ERROR_BAD_PARAMS,
	  "the folder cannot be used: choose a new or an empty one" },
	{ ENGINE_BUSY, MESSAGE_ERROR_BUSY,
	  "one is under way already: try again when it has ended" },
	{ -ENOSPC, MESSAGE_ERROR_FULL,
	  "the disk is full: delete keys or free some room; reads and "
	  "deletes go on, puts resume by themselves" },
	{ -ENOMEM, MESSAGE_ERROR_NO_MEMORY, "no memory: try again later" },
	{ -EMFILE, MESSAGE_ERROR_BUSY,
	  "the daemon has no descriptors left: try again later" },
	{ -EIO, MESSAGE_ERROR_IO,
	  "the disk failed to read or write: see the daemon's log" },
};

static const struct row *find(int result)
{
	static const struct row failure = { 0, MESSAGE_ERROR_IO,
					    "the store failed: see the "
					    "daemon's log" };
	static const struct row internal = { 0, MESSAGE_ERROR_INTERNAL,
					     "the engine gave a result that "
					     "is not known" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].result == result)
			return &rows[i];
	return result < 0 ? &failure : &internal;
}

unsigned int results_code(int result)
{
	return find(result)->code;
}

const char *results_text(int result)
{
	return find(result)->text;
}
