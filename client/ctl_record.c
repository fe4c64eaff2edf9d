#include "client/ctl_record.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl_base64.h"
#include "client/ctl_options.h"

enum {
	ANY_KIND = CTL_RECORD_IMPORT | CTL_RECORD_BATCH,
};

/* One line's way from text to record. */
struct parser {
	struct ctl_record record;
	bool has_key;
	bool has_value;
	bool has_op;
	char *error;
	size_t error_len;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct parser *parser,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(parser->error, parser->error_len, format, args);
	va_end(args);
	return -EINVAL;
}

/* With the length, because a JSON string may hold NUL. */
static bool string_is(const json_t *json, const char *text)
{
	return json_is_string(json) &&
	       json_string_length(json) == strlen(text) &&
	       memcmp(json_string_value(json), text, strlen(text)) == 0;
}

static int take_op(struct parser *parser, const json_t *json)
{
	parser->has_op = true;
	if (string_is(json, "put"))
		return 0;
	if (!string_is(json, "delete"))
		return refuse(parser, "\"op\" is neither \"put\" nor "
				      "\"delete\"");
	parser->record.is_delete = true;
	return 0;
}

/* A JSON string's bytes, or those that it is the base64 of. */
static int take_bytes(struct parser *parser, const char *name, bool is_b64,
		      const json_t *json, struct getme_bytes *bytes,
		      void **memory)
{
	size_t len = json_string_length(json);
	int r;

	if (!json_is_string(json))
		return refuse(parser, "\"%s\" is not a string", name);
	if (!is_b64) {
		bytes->data = json_string_value(json);
		bytes->len = len;
		return 0;
	}
	r = ctl_base64_decode(json_string_value(json), len, memory, &len);
	if (r == -EINVAL)
		return refuse(parser, "\"%s\" is not base64", name);
	if (r < 0)
		return r;
	bytes->data = *memory;
	bytes->len = len;
	return 0;
}

static int take_key(struct parser *parser, const char *name, bool is_b64,
		    const json_t *json)
{
	struct ctl_record *record = &parser->record;
	int r;

	if (parser->has_key)
		return refuse(parser, "both \"key\" and \"key_b64\"");
	parser->has_key = true;
	r = take_bytes(parser, name, is_b64, json, &record->key,
		       &record->key_memory);
	if (r < 0)
		return r;
	if (record->key.len == 0)
		return refuse(parser, "the key is empty");
	if (record->key.len > CTL_KEY_MAX)
		return refuse(parser, "the key is longer than 65,535 bytes");
	return 0;
}

static int take_value(struct parser *parser, const char *name, bool is_b64,
		      const json_t *json)
{
	struct ctl_record *record = &parser->record;
	int r;

	if (parser->has_value)
		return refuse(parser, "both \"value\" and \"value_b64\"");
	parser->has_value = true;
	r = take_bytes(parser, name, is_b64, json, &record->value,
		       &record->value_memory);
	if (r < 0)
		return r;
	if (record->value.len > CTL_VALUE_MAX)
		return refuse(parser, "the value is longer than 1 GiB");
	return 0;
}

static int take_expires_at(struct parser *parser, const json_t *json)
{
	if (json_is_null(json))
		return 0;
	if (!json_is_integer(json) || json_integer_value(json) <= 0)
		return refuse(parser, "\"expires_at\" is not a whole number "
				      "of milliseconds since 1970");
	parser->record.options.expires_at_ms = json_integer_value(json);
	return 0;
}

static int take_ttl(struct parser *parser, const json_t *json)
{
	struct getme_write_options *options = &parser->record.options;
	json_int_t ms = json_integer_value(json);
	const char *text = json_string_value(json);
	char why[128];

	if (json_is_integer(json) && ms > 0 && ms <= CTL_TTL_MAX_MS) {
		options->ttl_ms = ms;
		return 0;
	}
	if (!text || strlen(text) != json_string_length(json))
		return refuse(parser, "\"ttl\" is neither milliseconds, from "
				      "1 up, nor a time such as \"10s\"");
	if (ctl_options_parse_ttl(text, &options->ttl_ms, why, sizeof(why)) < 0)
		return refuse(parser, "\"ttl\": %s", why);
	return 0;
}

static int take_if_absent(struct parser *parser, const json_t *json)
{
	if (!json_is_boolean(json))
		return refuse(parser, "\"if_absent\" is neither true nor "
				      "false");
	parser->record.options.if_absent = json_is_true(json);
	return 0;
}

static int take_if_version(struct parser *parser, const json_t *json)
{
	if (!json_is_integer(json) || json_integer_value(json) <= 0)
		return refuse(parser, "\"if_version\" is not a version: they "
				      "are whole numbers from 1 up");
	parser->record.options.if_version = (uint64_t)json_integer_value(json);
	return 0;
}

enum member {
	MEMBER_OP,
	MEMBER_KEY,
	MEMBER_KEY_B64,
	MEMBER_VALUE,
	MEMBER_VALUE_B64,
	MEMBER_EXPIRES_AT,
	MEMBER_TTL,
	MEMBER_IF_ABSENT,
	MEMBER_IF_VERSION,
	N_MEMBERS
};

static const struct {
	const char *name;
	unsigned int kinds; /* enum ctl_record_kind, ored */
} members[N_MEMBERS] = {
	[MEMBER_OP] = { "op", CTL_RECORD_BATCH },
	[MEMBER_KEY] = { "key", ANY_KIND },
	[MEMBER_KEY_B64] = { "key_b64", ANY_KIND },
	[MEMBER_VALUE] = { "value", ANY_KIND },
	[MEMBER_VALUE_B64] = { "value_b64", ANY_KIND },
	[MEMBER_EXPIRES_AT] = { "expires_at", CTL_RECORD_IMPORT },
	[MEMBER_TTL] = { "ttl", CTL_RECORD_BATCH },
	[MEMBER_IF_ABSENT] = { "if_absent", CTL_RECORD_BATCH },
	[MEMBER_IF_VERSION] = { "if_version", CTL_RECORD_BATCH },
};

static int take_member(struct parser *parser, enum ctl_record_kind kind,
		       const char *name, const json_t *json)
{
	int i = 0;

	while (i < N_MEMBERS && (!(members[i].kinds & kind) ||
				 strcmp(members[i].name, name) != 0))
		i++;
	switch (i) {
	case MEMBER_OP:
		return take_op(parser, json);
	case MEMBER_KEY:
	case MEMBER_KEY_B64:
		return take_key(parser, name, i == MEMBER_KEY_B64, json);
	case MEMBER_VALUE:
	case MEMBER_VALUE_B64:
		return take_value(parser, name, i == MEMBER_VALUE_B64, json);
	case MEMBER_EXPIRES_AT:
		return take_expires_at(parser, json);
	case MEMBER_TTL:
		return take_ttl(parser, json);
	case MEMBER_IF_ABSENT:
		return take_if_absent(parser, json);
	case MEMBER_IF_VERSION:
		return take_if_version(parser, json);
	default:
		return refuse(parser, "unknown member \"%.64s\"", name);
	}
}

/* What only the whole record shows. */
static int check_whole(struct parser *parser, enum ctl_record_kind kind)
{
	const struct ctl_record *record = &parser->record;
	const struct getme_write_options *options = &record->options;

	if (kind == CTL_RECORD_BATCH && !parser->has_op)
		return refuse(parser, "no \"op\"");
	if (!parser->has_key)
		return refuse(parser, "no \"key\"");
	if (options->if_absent && options->if_version)
		return refuse(parser, "\"if_absent\" and \"if_version\" "
				      "exclude each other");
	if (!record->is_delete)
		return parser->has_value ? 0 : refuse(parser, "no \"value\"");
	if (parser->has_value || options->ttl_ms || options->if_absent)
		return refuse(parser, "a delete takes only a key and "
				      "\"if_version\"");
	return 0;
}

static int take_object(struct parser *parser, enum ctl_record_kind kind)
{
	const char *name;
	json_t *json;

	if (!json_is_object(parser->record.root))
		return refuse(parser, "not a JSON object");
	json_object_foreach(parser->record.root, name, json)
	{
		int r = take_member(parser, kind, name, json);

		if (r < 0)
			return r;
	}
	return check_whole(parser, kind);
}

int ctl_record_parse(struct ctl_record *record, enum ctl_record_kind kind,
		     const char *line, size_t len, char *error,
		     size_t error_len)
{
	static const struct getme_write_options defaults =
		GETME_WRITE_OPTIONS_INIT;
	struct parser parser = { .error = error, .error_len = error_len };
	json_error_t json_error;
	int r;

	parser.record.options = defaults;
	parser.record.root =
		json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
			   &json_error);
	if (!parser.record.root) {
		if (json_error_code(&json_error) == json_error_out_of_memory)
			return -ENOMEM;
		return refuse(&parser, "not valid JSON: %s", json_error.text);
	}
	r = take_object(&parser, kind);
	if (r < 0) {
		ctl_record_deinit(&parser.record);
		return r;
	}
	*record = parser.record;
	return 0;
}

void ctl_record_deinit(struct ctl_record *record)
{
	json_decref(record->root);
	free(record->key_memory);
	free(record->value_memory);
	memset(record, 0, sizeof(*record));
}

bool ctl_record_is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}
