#include "client/ctl_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl_files.h"
#include "client/ctl_record.h"

enum {
	DELETE_GROUP = 16384, /* keys of one getme_delete_many */
};

static void print_written(const struct ctl *ctl,
			  const struct getme_written *written)
{
	if (ctl->options.json)
		printf("{\"version\":%" PRIu64 ",\"durability\":\"%s\"}\n",
		       written->version,
		       ctl_options_durability_name(written->durability));
}

/* ---- put ---- */

static enum ctl_status read_value(const struct ctl *ctl, void **memory,
				  size_t *len)
{
	int r = ctl_files_read_all(STDIN_FILENO, CTL_VALUE_MAX, memory, len);

	if (r == 0)
		return CTL_DONE;
	if (r == -EFBIG) {
		ctl_complain("%s: a value has at most 1 GiB",
			     ctl->command->name);
		return CTL_ERROR;
	}
	ctl_complain("%s: cannot read standard input: %s", ctl->command->name,
		     strerror(-r));
	return r == -ENOMEM ? CTL_ERROR : CTL_USAGE;
}

static enum ctl_status put_value(struct ctl *ctl, const struct getme_bytes *key,
				 const void *value, size_t len)
{
	struct getme_write_options options = ctl_write_options(ctl);
	struct getme_written written;
	enum ctl_status status = ctl_connect(ctl);
	int r;

	if (status != CTL_DONE)
		return status;
	r = getme_put(ctl->handle, key->data, key->len, value, len, &options,
		      &written);
	if (r != 0)
		return ctl_fail(ctl, r);
	print_written(ctl, &written);
	return CTL_DONE;
}

enum ctl_status ctl_write_put(struct ctl *ctl)
{
	const char *value = ctl->n_operands > 1 ? ctl->operands[1] : "-";
	struct getme_bytes key;
	void *memory = NULL;
	size_t len;
	enum ctl_status status = ctl_key(ctl, 0, &key);

	if (status != CTL_DONE)
		return status;
	if (strcmp(value, "-") != 0)
		return put_value(ctl, &key, value, strlen(value));
	status = read_value(ctl, &memory, &len);
	if (status == CTL_DONE)
		status = put_value(ctl, &key, memory, len);
	free(memory);
	return status;
}

/* ---- del ---- */

static void print_deleted(const struct ctl *ctl, uint64_t deleted)
{
	printf(ctl->options.json ? "{\"deleted\":%" PRIu64 "}\n"
				 : "%" PRIu64 "\n",
	       deleted);
}

/* One key, with its condition. */
static enum ctl_status delete_if_version(struct ctl *ctl)
{
	struct getme_write_options options = ctl_write_options(ctl);
	struct getme_written written;
	struct getme_bytes key;
	enum ctl_status status;
	int r;

	if (ctl->n_operands != 1) {
		ctl_complain("del: --if-version takes exactly one key");
		return CTL_USAGE;
	}
	status = ctl_key(ctl, 0, &key);
	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status != CTL_DONE)
		return status;
	r = getme_delete(ctl->handle, key.data, key.len, &options, &written);
	if (r != 0)
		return ctl_fail(ctl, r);
	print_deleted(ctl, written.deleted);
	return CTL_DONE;
}

/* Group after group: xargs may hand over more keys than one call takes. */
static enum ctl_status delete_keys(struct ctl *ctl,
				   const struct getme_bytes *keys)
{
	struct getme_write_options options = ctl_write_options(ctl);
	uint64_t deleted = 0;

	for (size_t i = 0; i < ctl->n_operands; i += DELETE_GROUP) {
		size_t left = ctl->n_operands - i;
		struct getme_written written;
		int r = getme_delete_many(ctl->handle, keys + i,
					  left < DELETE_GROUP ? left
							      : DELETE_GROUP,
					  &options, &written);

		if (r != 0)
			return ctl_fail(ctl, r);
		deleted += written.deleted;
	}
	print_deleted(ctl, deleted);
	return CTL_DONE;
}

enum ctl_status ctl_write_del(struct ctl *ctl)
{
	enum ctl_status status = CTL_DONE;
	struct getme_bytes *keys;

	if (ctl->options.if_version)
		return delete_if_version(ctl);
	keys = calloc(ctl->n_operands, sizeof(*keys));
	if (!keys)
		return ctl_fail(ctl, -ENOMEM);
	for (size_t i = 0; i < ctl->n_operands && status == CTL_DONE; i++)
		status = ctl_key(ctl, i, &keys[i]);
	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = delete_keys(ctl, keys);
	free(keys);
	return status;
}

/* ---- one key, in place ---- */

enum ctl_status ctl_write_incr(struct ctl *ctl)
{
	struct getme_write_options options = ctl_write_options(ctl);
	struct getme_written written;
	struct getme_bytes key;
	enum ctl_status status = ctl_key(ctl, 0, &key);
	int r;

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status != CTL_DONE)
		return status;
	r = getme_incr(ctl->handle, key.data, key.len, ctl->options.by,
		       &options, &written);
	if (r != 0)
		return ctl_fail(ctl, r);
	if (ctl->options.json)
		printf("{\"value\":%" PRId64 ",\"version\":%" PRIu64 "}\n",
		       written.number, written.version);
	else
		printf("%" PRId64 "\n", written.number);
	return CTL_DONE;
}

/* The time to live in the options, or none. */
static enum ctl_status set_expiry(struct ctl *ctl)
{
	struct getme_write_options options = ctl_write_options(ctl);
	struct getme_written written;
	struct getme_bytes key;
	enum ctl_status status = ctl_key(ctl, 0, &key);
	int r;

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status != CTL_DONE)
		return status;
	r = getme_touch(ctl->handle, key.data, key.len, &options, &written);
	if (r != 0)
		return ctl_fail(ctl, r);
	print_written(ctl, &written);
	return CTL_DONE;
}

enum ctl_status ctl_write_touch(struct ctl *ctl)
{
	if (ctl->options.ttl_ms == 0) {
		ctl_complain("touch: needs --ttl T; 'getmectl persist' "
			     "removes an expiry");
		return CTL_USAGE;
	}
	return set_expiry(ctl);
}

enum ctl_status ctl_write_persist(struct ctl *ctl)
{
	return set_expiry(ctl);
}

/* ---- the whole store ---- */

enum ctl_status ctl_write_clear(struct ctl *ctl)
{
	enum ctl_status status;
	int r;

	if (!ctl->options.yes) {
		ctl_complain("clear: this removes every key; say so with "
			     "'getmectl clear --yes'");
		return CTL_USAGE;
	}
	status = ctl_connect(ctl);
	if (status != CTL_DONE)
		return status;
	r = getme_clear(ctl->handle);
	return r == 0 ? CTL_DONE : ctl_fail(ctl, r);
}

enum ctl_status ctl_write_sync(struct ctl *ctl)
{
	enum ctl_status status = ctl_connect(ctl);
	int r;

	if (status != CTL_DONE)
		return status;
	r = getme_sync(ctl->handle);
	return r == 0 ? CTL_DONE : ctl_fail(ctl, r);
}
