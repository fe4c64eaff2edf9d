#include "proto/message_option.h"

#include <stdint.h>
#include <string.h>

enum option_type {
	TYPE_UINT,     /* uint64_t */
	TYPE_POSITIVE, /* uint64_t, 1 and up */
	TYPE_TRUE,     /* no member: present or not */
	TYPE_BOOL,
	TYPE_DURABILITY,
	TYPE_STR,
	TYPE_KEY_PART, /* bin, up to MESSAGE_KEY_MAX bytes */
};

struct option_row {
	const char *name;
	size_t name_len;
	enum method_option option;
	enum option_type type;
	size_t offset; /* in struct message_options */
	const char *expected;
};

#define NAME(text)   text, sizeof(text) - 1
#define MEMBER(name) offsetof(struct message_options, name)

static const struct option_row rows[] = {
	{ NAME("protocol"), OPT_PROTOCOL, TYPE_UINT, MEMBER(protocol),
	  "an unsigned integer" },
	{ NAME("client"), OPT_CLIENT, TYPE_STR, MEMBER(client), "a string" },
	{ NAME("ttl"), OPT_TTL, TYPE_POSITIVE, MEMBER(ttl_ms),
	  "a positive number of milliseconds" },
	{ NAME("expires_at"), OPT_EXPIRES_AT, TYPE_POSITIVE,
	  MEMBER(expires_at_ms),
	  "a positive number of milliseconds since 1970" },
	{ NAME("persist"), OPT_PERSIST, TYPE_TRUE, 0, "true" },
	{ NAME("if_absent"), OPT_IF_ABSENT, TYPE_TRUE, 0, "true" },
	{ NAME("if_version"), OPT_IF_VERSION, TYPE_UINT, MEMBER(if_version),
	  "an unsigned integer" },
	{ NAME("durability"), OPT_DURABILITY, TYPE_DURABILITY,
	  MEMBER(durability), "\"always\", \"interval\" or \"none\"" },
	{ NAME("prefix"), OPT_PREFIX, TYPE_KEY_PART, MEMBER(prefix), "binary" },
	{ NAME("limit"), OPT_LIMIT, TYPE_UINT, MEMBER(limit),
	  "an unsigned integer" },
	{ NAME("values"), OPT_VALUES, TYPE_BOOL, MEMBER(values),
	  "true or false" },
	{ NAME("index"), OPT_INDEX, TYPE_UINT, MEMBER(index),
	  "an unsigned integer" },
	{ NAME("primary"), OPT_PRIMARY, TYPE_UINT, MEMBER(primary),
	  "an unsigned integer" },
	{ NAME("overflow"), OPT_OVERFLOW, TYPE_UINT, MEMBER(overflow),
	  "an unsigned integer" },
	{ NAME("segment"), OPT_SEGMENT, TYPE_UINT, MEMBER(segment),
	  "an unsigned integer" },
};

enum {
	N_ROWS = sizeof(rows) / sizeof(rows[0]),
};

static const char *const durability_names[] = {
	[MESSAGE_DURABILITY_NONE] = "none",
	[MESSAGE_DURABILITY_INTERVAL] = "interval",
	[MESSAGE_DURABILITY_ALWAYS] = "always",
};

const char *message_durability_name(enum message_durability durability)
{
	if ((unsigned int)durability > MESSAGE_DURABILITY_ALWAYS)
		return NULL;
	return durability_names[durability];
}

bool message_durability_decode(const msgpack_object *object,
			       enum message_durability *durability)
{
	int i;

	for (i = MESSAGE_DURABILITY_NONE; i <= MESSAGE_DURABILITY_ALWAYS; i++) {
		if (message_is_str(object, durability_names[i])) {
			*durability = (enum message_durability)i;
			return true;
		}
	}
	return false;
}

/* NAME is a str. */
static const struct option_row *find_row(const msgpack_object *name)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		if (name->via.str.size == rows[i].name_len &&
		    memcmp(name->via.str.ptr, rows[i].name, rows[i].name_len) ==
			    0)
			return &rows[i];
	}
	return NULL;
}

static bool take_uint(const msgpack_object *object, uint64_t min, void *member)
{
	if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    object->via.u64 < min)
		return false;
	*(uint64_t *)member = object->via.u64;
	return true;
}

static bool take_bool(const msgpack_object *object, bool *member)
{
	if (object->type != MSGPACK_OBJECT_BOOLEAN)
		return false;
	*member = object->via.boolean;
	return true;
}

/* Stores the value of an option; false: it is not what the row expects. */
static bool take_value(const struct option_row *row,
		       const msgpack_object *object,
		       struct message_options *options)
{
	void *member = (char *)options + row->offset;

	switch (row->type) {
	case TYPE_UINT:
		return take_uint(object, 0, member);
	case TYPE_POSITIVE:
		return take_uint(object, 1, member);
	case TYPE_TRUE:
		return object->type == MSGPACK_OBJECT_BOOLEAN &&
		       object->via.boolean;
	case TYPE_BOOL:
		return take_bool(object, member);
	case TYPE_DURABILITY:
		return message_durability_decode(object, member);
	case TYPE_STR:
		return object->type == MSGPACK_OBJECT_STR &&
		       message_to_bytes(object, member);
	case TYPE_KEY_PART:
		return message_to_bytes(object, member);
	}
	return false;
}

static int decode_pair(const struct message_scope *scope,
		       const msgpack_object_kv *pair, unsigned int allowed,
		       struct message_options *options)
{
	char quote[MESSAGE_QUOTE_SIZE];
	const struct option_row *row;
	struct message_bytes name;
	int r;

	r = message_get_str(scope, "the name of an option", &pair->key, &name);
	if (r)
		return r;
	row = find_row(&pair->key);
	if (!row || !(row->option & allowed))
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "unknown option \"%s\"",
				    message_quote(quote, &name));
	if (options->present & row->option)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "option \"%s\" is given twice", row->name);
	if (!take_value(row, &pair->val, options))
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "option \"%s\" must be %s", row->name,
				    row->expected);
	options->present |= row->option;
	return 0;
}

static int check_options(const struct message_scope *scope,
			 const struct message_options *options)
{
	static const unsigned int conditions = OPT_IF_ABSENT | OPT_IF_VERSION;
	static const unsigned int expiries = OPT_TTL | OPT_EXPIRES_AT;
	static const unsigned int parts =
		OPT_PRIMARY | OPT_OVERFLOW | OPT_SEGMENT;

	if ((options->present & expiries) == expiries)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "options \"ttl\" and \"expires_at\" "
				    "exclude each other");
	if ((options->present & conditions) == conditions)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "options \"if_absent\" and \"if_version\" "
				    "exclude each other");
	if (__builtin_popcount(options->present & parts) > 1)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "options \"primary\", \"overflow\" and "
				    "\"segment\" exclude each other");
	if (options->prefix.len > MESSAGE_KEY_MAX)
		return message_fail(scope, MESSAGE_ERROR_TOO_LARGE,
				    "prefix of %zu bytes: a key has 1 to %d",
				    options->prefix.len, MESSAGE_KEY_MAX);
	return 0;
}

int message_option_decode(const struct message_scope *scope, const char *name,
			  const msgpack_object *map, unsigned int allowed,
			  struct message_options *options)
{
	struct message_scope inner = *scope;
	uint32_t i;
	int r;

	inner.param = 0;
	if (map->type != MSGPACK_OBJECT_MAP)
		return message_fail_type(scope, name, "a map", map);
	for (i = 0; i < map->via.map.size; i++) {
		r = decode_pair(&inner, &map->via.map.ptr[i], allowed, options);
		if (r)
			return r;
	}
	return check_options(&inner, options);
}

static void encode_value(struct message_writer *writer,
			 const struct option_row *row,
			 const struct message_options *options)
{
	const void *member = (const char *)options + row->offset;

	switch (row->type) {
	case TYPE_UINT:
	case TYPE_POSITIVE:
		message_writer_uint(writer, *(const uint64_t *)member);
		return;
	case TYPE_TRUE:
		message_writer_bool(writer, true);
		return;
	case TYPE_BOOL:
		message_writer_bool(writer, *(const bool *)member);
		return;
	case TYPE_DURABILITY:
		message_writer_durability(writer, options->durability);
		return;
	case TYPE_STR:
		message_writer_str(writer, member);
		return;
	case TYPE_KEY_PART:
		message_writer_bin(writer, member);
		return;
	}
}

void message_option_encode(struct message_writer *writer,
			   const struct message_options *options)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < N_ROWS; i++)
		n += (options->present & rows[i].option) != 0;
	message_writer_map(writer, n);
	for (i = 0; i < N_ROWS; i++) {
		if (options->present & rows[i].option) {
			message_writer_text(writer, rows[i].name);
			encode_value(writer, &rows[i], options);
		}
	}
}
