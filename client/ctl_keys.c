#include "client/ctl_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/ctl_json.h"

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

enum ctl_status ctl_keys_ping(struct ctl *ctl)
{
	enum ctl_status status = ctl_connect(ctl);
	double began, took;
	int r;

	if (status != CTL_DONE)
		return status;
	began = now_ms();
	r = getme_ping(ctl->handle);
	if (r != 0)
		return ctl_fail(ctl, r);
	took = now_ms() - began;
	printf(ctl->options.json ? "{\"ms\":%.3f}\n" : "%.3f ms\n", took);
	return CTL_DONE;
}

/* What the commands of one key begin with. */
static enum ctl_status open_key(struct ctl *ctl, struct getme_bytes *key)
{
	enum ctl_status status = ctl_key(ctl, 0, key);

	return status == CTL_DONE ? ctl_connect(ctl) : status;
}

enum ctl_status ctl_keys_get(struct ctl *ctl)
{
	struct getme_value value;
	struct getme_bytes key;
	enum ctl_status status = open_key(ctl, &key);
	int r;

	if (status != CTL_DONE)
		return status;
	r = getme_get(ctl->handle, key.data, key.len, &value);
	if (r != 0)
		return ctl_fail(ctl, r);
	if (ctl->options.json) {
		ctl_json_write_item(stdout, &key, &value, true);
		return CTL_DONE;
	}
	if (value.len > 0)
		fwrite(value.data, 1, value.len, stdout);
	if (isatty(STDOUT_FILENO))
		putchar('\n');
	return CTL_DONE;
}

enum ctl_status ctl_keys_exists(struct ctl *ctl)
{
	struct getme_bytes key;
	enum ctl_status status = open_key(ctl, &key);
	int r;

	if (status != CTL_DONE)
		return status;
	r = getme_exists(ctl->handle, key.data, key.len);
	if (r != 0 && r != GETME_NOT_FOUND)
		return ctl_fail(ctl, r);
	if (ctl->options.json)
		printf("{\"exists\":%s}\n", r == 0 ? "true" : "false");
	return ctl_exit_status(r);
}

enum ctl_status ctl_keys_stat(struct ctl *ctl)
{
	struct getme_value value;
	struct getme_bytes key;
	enum ctl_status status = open_key(ctl, &key);
	int r;

	if (status != CTL_DONE)
		return status;
	r = getme_stat(ctl->handle, key.data, key.len, &value);
	if (r != 0)
		return ctl_fail(ctl, r);
	if (ctl->options.json) {
		ctl_json_write_item(stdout, &key, &value, false);
		return CTL_DONE;
	}
	printf("version %" PRIu64 "\nsize %zu\nexpires_at ", value.version,
	       value.len);
	if (value.expires_at_ms < 0)
		puts("-");
	else
		printf("%" PRId64 "\n", value.expires_at_ms);
	return CTL_DONE;
}

/* A key whose value cannot be had: its line says so, and so does stderr. */
static enum ctl_status mget_bad_item(const struct ctl *ctl,
				     const struct getme_bytes *key, int result)
{
	const char *why = getme_strerror(result);
	char *text = ctl_json_key_text(key);

	putchar('{');
	ctl_json_write_bytes(stdout, "key", key->data, key->len);
	fputs(",\"error\":", stdout);
	ctl_json_write_string(stdout, why, strlen(why));
	fputs("}\n", stdout);
	ctl_complain("%s: %s: %s", ctl->command->name, text ? text : "a key",
		     why);
	free(text);
	return ctl_exit_status(result);
}

static enum ctl_status mget_print(const struct ctl *ctl,
				  const struct getme_bytes *keys,
				  const struct getme_item *items)
{
	enum ctl_status status = CTL_DONE;

	for (size_t i = 0; i < ctl->n_operands; i++) {
		int r = items[i].result;

		if (r == 0)
			ctl_json_write_item(stdout, &keys[i], &items[i].value,
					    true);
		else if (r == GETME_NOT_FOUND)
			ctl_json_write_item(stdout, &keys[i], NULL, true);
		else
			status = mget_bad_item(ctl, &keys[i], r);
	}
	return status;
}

enum ctl_status ctl_keys_mget(struct ctl *ctl)
{
	size_t n = ctl->n_operands;
	struct getme_bytes *keys = calloc(n, sizeof(*keys));
	struct getme_item *items = calloc(n, sizeof(*items));
	enum ctl_status status = CTL_DONE;
	int r;

	if (!keys || !items) {
		status = ctl_fail(ctl, -ENOMEM);
		goto done;
	}
	for (size_t i = 0; i < n && status == CTL_DONE; i++)
		status = ctl_key(ctl, i, &keys[i]);
	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status != CTL_DONE)
		goto done;
	r = getme_get_many(ctl->handle, keys, n, items);
	status = r == 0 ? mget_print(ctl, keys, items) : ctl_fail(ctl, r);
done:
	free(keys);
	free(items);
	return status;
}

static void print_key(const struct ctl *ctl, const struct getme_bytes *key)
{
	if (ctl->options.json) {
		putchar('{');
		ctl_json_write_bytes(stdout, "key", key->data, key->len);
		putchar('}');
	} else {
		fwrite(key->data, 1, key->len, stdout);
	}
	putchar(ctl->options.nul ? '\0' : '\n');
}

enum ctl_status ctl_keys_keys(struct ctl *ctl)
{
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *scan = NULL;
	enum ctl_status status = ctl_connect(ctl);
	uint64_t left = ctl->options.limit ? ctl->options.limit : UINT64_MAX;
	struct getme_item item;
	int r;

	if (status != CTL_DONE)
		return status;
	if (ctl->n_operands > 0) {
		options.prefix.data = ctl->operands[0];
		options.prefix.len = strlen(ctl->operands[0]);
	}
	/* A small limit needs no large step. */
	if (ctl->options.limit > 0 && ctl->options.limit < 256)
		options.step = ctl->options.limit;
	r = getme_scan_open(ctl->handle, &options, &scan);
	while (r == 0 && left > 0 && !ferror(stdout)) {
		r = getme_scan_next(scan, &item);
		if (r != 0)
			break;
		if (item.result == 0)
			print_key(ctl, &item.key);
		else
			status = ctl_fail(ctl, item.result);
		left--;
	}
	if (r != 0 && r != GETME_END)
		status = ctl_fail(ctl, r);
	getme_scan_close(scan);
	return status;
}

enum ctl_status ctl_keys_count(struct ctl *ctl)
{
	enum ctl_status status = ctl_connect(ctl);
	uint64_t count;
	int r;

	if (status != CTL_DONE)
		return status;
	r = getme_count(ctl->handle, &count);
	if (r != 0)
		return ctl_fail(ctl, r);
	printf(ctl->options.json ? "{\"count\":%" PRIu64 "}\n"
				 : "%" PRIu64 "\n",
	       count);
	return CTL_DONE;
}
