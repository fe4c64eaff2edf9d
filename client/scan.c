/*
 * scan: all keys, step by step.  The daemon's cursor is all that a scan
 * needs to go on, so it outlives connections and daemons.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/answer.h"
#include "client/call.h"
#include "client/option_struct.h"
#include "client/ask.h"
#include "client/session.h"

enum {
	STEP_KEYS = 1024,  /* keys a round trip, unless told */
	STEP_VALUES = 128, /* with their values: a step is held in memory */
};

struct getme_scan {
	struct getme *handle;
	struct message_bytes prefix; /* owned */
	bool with_values;
	size_t step;
	uint8_t cursor[MESSAGE_CURSOR_MAX];
	size_t cursor_len;
	bool begun;
	struct buffer body;	    /* the last step's reply ... */
	struct message_reply reply; /* ... decoded */
	size_t next;		    /* of reply.items */
};

static int check(struct getme *handle, const struct getme_scan_options *options)
{
	if (ask_check_value(options->prefix.data, options->prefix.len) < 0)
		return handle_fail(handle, -EINVAL, "no prefix but a length");
	if (options->prefix.len > ASK_KEY_MAX)
		return handle_fail(handle, GETME_E_TOO_LARGE,
				   "a prefix has up to %d bytes", ASK_KEY_MAX);
	return 0;
}

static size_t step_of(const struct getme_scan_options *options)
{
	if (options->step == 0)
		return options->with_values ? STEP_VALUES : STEP_KEYS;
	return options->step < MESSAGE_ITEMS_MAX ? options->step
						 : MESSAGE_ITEMS_MAX;
}

/* The prefix lies behind the struct, in one allocation. */
static struct getme_scan *scan_new(struct getme *handle,
				   const struct getme_scan_options *options)
{
	size_t len = options->prefix.len;
	struct getme_scan *scan;

	scan = calloc(1, sizeof(*scan) + len);
	if (!scan)
		return NULL;
	if (len > 0)
		memcpy(scan + 1, options->prefix.data, len);
	scan->handle = handle;
	scan->prefix.data = scan + 1;
	scan->prefix.len = len;
	scan->with_values = options->with_values != 0;
	scan->step = step_of(options);
	return scan;
}

int getme_scan_open(struct getme *handle,
		    const struct getme_scan_options *options,
		    struct getme_scan **scan)
{
	struct getme_scan_options read = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *made;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	if (!scan)
		return handle_fail(handle, -EINVAL, "no place for the scan");
	r = option_struct_read(options, &read, sizeof(read));
	if (r < 0)
		return handle_fail(handle, r, "options of another library");
	r = check(handle, &read);
	if (r != 0)
		return r;
	made = scan_new(handle, &read);
	if (!made)
		return handle_fail_plain(handle, -ENOMEM);
	*scan = made;
	return 0;
}

static void make_request(struct getme_scan *scan,
			 struct message_request *request)
{
	ask_init(request, METHOD_SCAN);
	request->cursor.data = scan->cursor;
	request->cursor.len = scan->cursor_len;
	request->options.present = OPT_LIMIT | OPT_VALUES;
	request->options.limit = scan->step;
	request->options.values = scan->with_values;
	if (scan->prefix.len > 0) {
		request->options.present |= OPT_PREFIX;
		request->options.prefix = scan->prefix;
	}
}

/* An item without its value must not pass for one with an empty value. */
static bool has_values(const struct message_reply *reply)
{
	size_t i;

	for (i = 0; i < reply->n_items; i++)
		if (reply->items[i].kind == MESSAGE_ITEM_FOUND &&
		    !reply->items[i].value.data)
			return false;
	return true;
}

static int decode(struct getme_scan *scan, const struct ticket *ticket)
{
	struct message_reply reply;
	const uint8_t *body;
	int r;

	message_reply_deinit(&scan->reply);
	memset(&scan->reply, 0, sizeof(scan->reply));
	scan->next = 0;
	r = session_take_body(scan->handle, ticket, &scan->body, &body);
	if (r < 0)
		return handle_fail_plain(scan->handle, r);
	r = answer_decode_body(scan->handle, ticket, body, &reply);
	if (r != 0)
		return r;
	if (scan->with_values && !has_values(&reply)) {
		message_reply_deinit(&reply);
		return answer_misunderstood(scan->handle, ticket,
					    "an item has no value");
	}
	scan->reply = reply;
	scan->begun = true;
	scan->cursor_len = reply.cursor.len;
	if (reply.cursor.len > 0)
		memcpy(scan->cursor, reply.cursor.data, reply.cursor.len);
	return 0;
}

static int fetch(struct getme_scan *scan, int64_t deadline_ms)
{
	struct message_request request;
	struct ticket ticket;
	int r;

	r = handle_begin(scan->handle);
	if (r < 0)
		return r;
	make_request(scan, &request);
	r = call_ticket(scan->handle, &request, 0, deadline_ms, &ticket);
	return r == 0 ? decode(scan, &ticket) : r;
}

static void fill(const struct message_item *from, bool with_values,
		 struct getme_item *item)
{
	memset(item, 0, sizeof(*item));
	item->key.data = from->key.data;
	item->key.len = from->key.len;
	item->value.version = from->version;
	item->value.expires_at_ms = -1;
	item->result = answer_value(from, &item->value);
	if (!with_values) {
		item->value.data = NULL;
		item->value.len = 0;
	}
}

int getme_scan_next(struct getme_scan *scan, struct getme_item *item)
{
	int64_t deadline_ms;
	int r;

	if (!scan)
		return -EINVAL;
	if (!item)
		return handle_fail(scan->handle, -EINVAL,
				   "no place for the item");
	deadline_ms = handle_deadline(scan->handle);
	/* A step may bring nothing and still not be the last. */
	while (scan->next == scan->reply.n_items) {
		if (scan->begun && scan->cursor_len == 0)
			return GETME_END;
		r = fetch(scan, deadline_ms);
		if (r != 0)
			return r;
	}
	fill(&scan->reply.items[scan->next++], scan->with_values, item);
	return 0;
}

void getme_scan_close(struct getme_scan *scan)
{
	if (!scan)
		return;
	message_reply_deinit(&scan->reply);
	buffer_deinit(&scan->body);
	free(scan);
}
