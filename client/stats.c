/*
 * stats: the daemon's counters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/call.h"
#include "client/ask.h"

static size_t text_len(const struct message_reply *reply)
{
	size_t len = 0;
	size_t i;

	for (i = 0; i < reply->n_stats; i++)
		len += reply->stats[i].name.len + reply->stats[i].help.len +
		       reply->stats[i].text.len + 3;
	return len;
}

/* Copies BYTES to AT, which moves on, with a NUL behind. */
static const char *put_text(char **at, const struct message_bytes *bytes)
{
	char *text = *at;

	if (bytes->len > 0)
		memcpy(text, bytes->data, bytes->len);
	text[bytes->len] = '\0';
	*at += bytes->len + 1;
	return text;
}

static enum getme_stat_kind kind_of(enum message_stat_kind kind)
{
	switch (kind) {
	case MESSAGE_STAT_COUNTER:
		return GETME_STAT_COUNTER;
	case MESSAGE_STAT_TEXT:
		return GETME_STAT_TEXT;
	case MESSAGE_STAT_GAUGE:
		break;
	}
	return GETME_STAT_GAUGE;
}

static void fill(const struct message_stat *stat, struct getme_stats_row *row,
		 char **at)
{
	row->name = put_text(at, &stat->name);
	row->help = put_text(at, &stat->help);
	row->kind = kind_of(stat->kind);
	row->value = stat->value;
	row->text = put_text(at, &stat->text);
}

/* Rows and their texts in one allocation. */
static struct getme_stats_row *rows_new(const struct message_reply *reply)
{
	size_t rows_len = reply->n_stats * sizeof(struct getme_stats_row);
	struct getme_stats_row *rows;
	char *at;
	size_t i;

	rows = malloc(rows_len + text_len(reply) + 1);
	if (!rows)
		return NULL;
	at = (char *)rows + rows_len;
	for (i = 0; i < reply->n_stats; i++)
		fill(&reply->stats[i], &rows[i], &at);
	return rows;
}

int getme_stats(struct getme *handle, const struct getme_stats_row **rows,
		size_t *n_rows)
{
	struct message_request request;
	struct message_reply reply;
	size_t n;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	if (!rows || !n_rows)
		return handle_fail(handle, -EINVAL, "no place for the rows");
	ask_init(&request, METHOD_STATS);
	r = call(handle, &request, 0, &reply);
	if (r != 0)
		return r;
	handle->stats_rows = rows_new(&reply);
	n = reply.n_stats;
	message_reply_deinit(&reply);
	if (!handle->stats_rows)
		return handle_fail_plain(handle, -ENOMEM);
	*rows = handle->stats_rows;
	*n_rows = n;
	return 0;
}
