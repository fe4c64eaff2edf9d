#include "client/option_struct.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Far more than any version's; a size over it is an uninitialised struct. */
enum {
	SIZE_PLAUSIBLE_MAX = 4096,
};

int option_struct_read(const void *given, void *ours, size_t our_size)
{
	const unsigned char *bytes = given;
	size_t size;
	size_t i;

	if (!given)
		return 0;
	memcpy(&size, given, sizeof(size));
	if (size < sizeof(size) || size > SIZE_PLAUSIBLE_MAX)
		return -EINVAL;
	for (i = our_size; i < size; i++)
		if (bytes[i] != 0)
			return -EINVAL;
	memcpy(ours, given, size < our_size ? size : our_size);
	return 0;
}

static int check_ranges(const struct getme_write_options *options)
{
	if (options->ttl_ms < 0 || options->expires_at_ms < 0)
		return -EINVAL;
	if (options->ttl_ms && options->expires_at_ms)
		return -EINVAL;
	if (options->if_absent && options->if_version)
		return -EINVAL;
	switch (options->durability) {
	case GETME_DEFAULT:
	case GETME_NONE:
	case GETME_INTERVAL:
	case GETME_ALWAYS:
		return 0;
	}
	return -EINVAL;
}

static unsigned int present(const struct getme_write_options *options)
{
	unsigned int bits = 0;

	if (options->ttl_ms)
		bits |= OPT_TTL;
	if (options->expires_at_ms)
		bits |= OPT_EXPIRES_AT;
	if (options->if_absent)
		bits |= OPT_IF_ABSENT;
	if (options->if_version)
		bits |= OPT_IF_VERSION;
	if (options->durability != GETME_DEFAULT)
		bits |= OPT_DURABILITY;
	return bits;
}

static enum message_durability wire_durability(enum getme_durability durability)
{
	switch (durability) {
	case GETME_NONE:
		return MESSAGE_DURABILITY_NONE;
	case GETME_INTERVAL:
		return MESSAGE_DURABILITY_INTERVAL;
	case GETME_ALWAYS:
		return MESSAGE_DURABILITY_ALWAYS;
	case GETME_DEFAULT:
		break;
	}
	return MESSAGE_DURABILITY_DEFAULT;
}

int option_struct_write(const struct getme_write_options *given,
			unsigned int allowed, struct message_options *options)
{
	struct getme_write_options read = GETME_WRITE_OPTIONS_INIT;
	int r;

	r = option_struct_read(given, &read, sizeof(read));
	if (r == 0)
		r = check_ranges(&read);
	if (r < 0)
		return r;
	if (present(&read) & ~allowed)
		return -EINVAL;
	memset(options, 0, sizeof(*options));
	options->present = present(&read);
	options->ttl_ms = (uint64_t)read.ttl_ms;
	options->expires_at_ms = (uint64_t)read.expires_at_ms;
	options->if_version = read.if_version;
	options->durability = wire_durability(read.durability);
	return 0;
}
