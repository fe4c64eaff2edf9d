#include "tests/support/message_equal.h"

#include <string.h>

static bool same_bytes(const struct message_bytes *a,
		       const struct message_bytes *b)
{
	return a->len == b->len &&
	       (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool same_options(const struct message_options *a,
			 const struct message_options *b)
{
	return a->present == b->present && a->ttl_ms == b->ttl_ms &&
	       a->expires_at_ms == b->expires_at_ms &&
	       a->if_version == b->if_version && a->limit == b->limit &&
	       a->index == b->index && a->primary == b->primary &&
	       a->overflow == b->overflow && a->segment == b->segment &&
	       a->protocol == b->protocol && a->durability == b->durability &&
	       a->values == b->values && same_bytes(&a->prefix, &b->prefix) &&
	       same_bytes(&a->client, &b->client);
}

static bool same_ops(const struct message_request *a,
		     const struct message_request *b)
{
	size_t i;

	for (i = 0; i < a->n_ops; i++) {
		if (a->ops[i].is_delete != b->ops[i].is_delete ||
		    !same_bytes(&a->ops[i].key, &b->ops[i].key) ||
		    !same_bytes(&a->ops[i].value, &b->ops[i].value) ||
		    !same_options(&a->ops[i].options, &b->ops[i].options))
			return false;
	}
	return true;
}

static bool same_lists(const struct message_bytes *a,
		       const struct message_bytes *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!same_bytes(&a[i], &b[i]))
			return false;
	}
	return true;
}

bool message_equal_requests(const struct message_request *a,
			    const struct message_request *b)
{
	return a->id == b->id && a->method == b->method &&
	       same_bytes(&a->key, &b->key) &&
	       same_bytes(&a->value, &b->value) && a->n_keys == b->n_keys &&
	       same_lists(a->keys, b->keys, a->n_keys) &&
	       a->n_ops == b->n_ops && same_ops(a, b) && a->by == b->by &&
	       same_bytes(&a->cursor, &b->cursor) &&
	       same_bytes(&a->path, &b->path) &&
	       same_options(&a->options, &b->options);
}

static bool same_items(const struct message_item *a,
		       const struct message_item *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (a[i].kind != b[i].kind ||
		    !same_bytes(&a[i].key, &b[i].key) ||
		    !same_bytes(&a[i].value, &b[i].value) ||
		    a[i].size != b[i].size || a[i].version != b[i].version ||
		    a[i].expires_at_ms != b[i].expires_at_ms ||
		    a[i].error_code != b[i].error_code ||
		    !same_bytes(&a[i].error_text, &b[i].error_text))
			return false;
	}
	return true;
}

static bool same_stats(const struct message_stat *a,
		       const struct message_stat *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!same_bytes(&a[i].name, &b[i].name) ||
		    a[i].kind != b[i].kind || a[i].value != b[i].value ||
		    !same_bytes(&a[i].text, &b[i].text) ||
		    !same_bytes(&a[i].help, &b[i].help))
			return false;
	}
	return true;
}

static bool same_limits(const struct message_limit *a,
			const struct message_limit *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!same_bytes(&a[i].name, &b[i].name) ||
		    a[i].value != b[i].value)
			return false;
	}
	return true;
}

static bool same_scalars(const struct message_reply *a,
			 const struct message_reply *b)
{
	return a->id == b->id && a->error.code == b->error.code &&
	       strcmp(a->error.text, b->error.text) == 0 &&
	       a->missing == b->missing && a->version == b->version &&
	       a->condition_failed == b->condition_failed &&
	       a->failed_index == b->failed_index &&
	       a->durability == b->durability && a->number == b->number &&
	       a->count == b->count && a->index == b->index &&
	       a->segment == b->segment && a->protocol == b->protocol &&
	       same_bytes(&a->cursor, &b->cursor) &&
	       same_bytes(&a->server, &b->server);
}

bool message_equal_replies(const struct message_reply *a,
			   const struct message_reply *b)
{
	return same_scalars(a, b) && a->n_items == b->n_items &&
	       same_items(a->items, b->items, a->n_items) &&
	       a->n_versions == b->n_versions &&
	       (a->n_versions == 0 ||
		memcmp(a->versions, b->versions,
		       a->n_versions * sizeof(*a->versions)) == 0) &&
	       a->n_stats == b->n_stats &&
	       same_stats(a->stats, b->stats, a->n_stats) &&
	       a->n_limits == b->n_limits &&
	       same_limits(a->limits, b->limits, a->n_limits) &&
	       a->n_capabilities == b->n_capabilities &&
	       same_lists(a->capabilities, b->capabilities, a->n_capabilities);
}
