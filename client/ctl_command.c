#include "client/ctl_command.h"

#include <string.h>

#include "client/ctl_record.h"

enum {
	ERROR_TEXT_BYTES = 1024, /* of the line that getme_open gives */
};

enum ctl_status ctl_connect(struct ctl *ctl)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	char error[ERROR_TEXT_BYTES] = "";
	int r;

	options.socket = ctl->options.socket;
	options.where = ctl->options.where;
	options.timeout_ms = ctl->options.timeout_ms;
	/* Of a single call: attaching would take longer than asking. */
	options.direct = GETME_DIRECT_OFF;
	r = getme_open(&options, &ctl->handle, error, sizeof(error));
	if (r == 0)
		return CTL_DONE;
	ctl_complain("%s", *error ? error : getme_strerror(r));
	return ctl_exit_status(r);
}

enum ctl_status ctl_fail(const struct ctl *ctl, int result)
{
	const char *text;

	switch (result) {
	case GETME_NOT_FOUND:
		text = "no such key";
		break;
	case GETME_CONDITION:
		text = "the condition is not met; nothing was changed";
		break;
	default:
		text = ctl->handle ? getme_last_error(ctl->handle) : "";
		if (!*text)
			text = getme_strerror(result);
	}
	ctl_complain("%s: %s", ctl->command->name, text);
	return ctl_exit_status(result);
}

enum ctl_status ctl_key(const struct ctl *ctl, size_t i,
			struct getme_bytes *key)
{
	key->data = ctl->operands[i];
	key->len = strlen(ctl->operands[i]);
	if (key->len >= 1 && key->len <= CTL_KEY_MAX)
		return CTL_DONE;
	ctl_complain("%s: a key has 1 to 65,535 bytes, this one %zu",
		     ctl->command->name, key->len);
	return CTL_ERROR;
}

struct getme_write_options ctl_write_options(const struct ctl *ctl)
{
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;

	options.durability = ctl->options.durability;
	options.ttl_ms = ctl->options.ttl_ms;
	options.if_absent = ctl->options.if_absent;
	options.if_version = ctl->options.if_version;
	return options;
}
