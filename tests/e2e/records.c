/*
 * records: real data as JSON Lines for `getmectl import`, and what the test
 * compares: one line a record, digests of its key and its value, in order.
 *
 *	records stanzas JSON DIGESTS [SUFFIX] <package index
 *	records files JSON DIGESTS [SUFFIX] <paths, one a line
 *	records generated JSON DIGESTS [SUFFIX] <how many
 *	records json <JSON >DIGESTS
 *
 * SUFFIX goes behind every value, so that a second import changes all.  The
 * digests of the first three are of the bytes as they were read, not of what
 * was made of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DIGEST_LEN = 16,
	VALUE_MAX = 64 << 20,
	KEY_MAX = 65535,
};

struct output {
	FILE *json;
	FILE *digests;
	const char *suffix;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "records: %s: %s\n", what, strerror(errno));
	exit(1);
}

static FILE *open_file(const char *path, const char *mode)
{
	FILE *file = fopen(path, mode);

	if (!file)
		die(path);
	return file;
}

static void close_file(FILE *file)
{
	if (ferror(file) || fclose(file) != 0)
		die("writing");
}

static void print_digest(FILE *out, const void *data, size_t len, char end)
{
	unsigned char digest[DIGEST_LEN];
	char hex[2 * DIGEST_LEN + 1];

	crypto_generichash(digest, sizeof(digest), data, len, NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	fprintf(out, "%s%c", hex, end);
}

static void print_digests(FILE *out, const void *key, size_t key_len,
			  const void *value, size_t value_len)
{
	print_digest(out, key, key_len, ' ');
	print_digest(out, value, value_len, '\n');
}

/* Bytes that are not UTF-8, or BINARY ones, as base64. */
static void add_member(json_t *record, const char *name, const char *name_b64,
		       const char *data, size_t len, bool binary)
{
	json_t *text = binary ? NULL : json_stringn(data, len);

	if (text) {
		json_object_set_new(record, name, text);
	} else {
		int variant = sodium_base64_VARIANT_ORIGINAL;
		size_t room = sodium_base64_encoded_len(len, variant);
		char *encoded = malloc(room);

		if (!encoded)
			die("memory");
		sodium_bin2base64(encoded, room, (const unsigned char *)data,
				  len, variant);
		json_object_set_new(record, name_b64, json_string(encoded));
		free(encoded);
	}
}

/* VALUE has room for the suffix. */
static void put_record(const struct output *out, const char *key,
		       size_t key_len, char *value, size_t value_len,
		       bool binary)
{
	json_t *record = json_object();
	size_t suffix_len = strlen(out->suffix);

	memcpy(value + value_len, out->suffix, suffix_len);
	value_len += suffix_len;
	add_member(record, "key", "key_b64", key, key_len, false);
	add_member(record, "value", "value_b64", value, value_len, binary);
	if (json_dumpf(record, out->json, JSON_COMPACT) < 0 ||
	    fputc('\n', out->json) == EOF)
		die("writing");
	json_decref(record);
	print_digests(out->digests, key, key_len, value, value_len);
}

/* ---- where records come from ---- */

/* Appends what follows NAME in LINE to KEY; true when LINE is that field. */
static bool take_field(const char *line, const char *name, char *key)
{
	size_t name_len = strlen(name);
	size_t len = strlen(key);

	if (strncmp(line, name, name_len) != 0)
		return false;
	snprintf(key + len, KEY_MAX - len, "%s%.*s", len ? " " : "",
		 (int)strcspn(line + name_len, "\n"), line + name_len);
	return true;
}

static void from_stanzas(const struct output *out)
{
	char *value = malloc(VALUE_MAX);
	char *key = calloc(1, KEY_MAX + 1);
	char *line = NULL;
	size_t room = 0;
	size_t len = 0;
	ssize_t n;

	if (!value || !key)
		die("memory");
	do {
		n = getline(&line, &room, stdin);
		if (n > 1) {
			if (!take_field(line, "Package: ", key) &&
			    !take_field(line, "Version: ", key))
				take_field(line, "Architecture: ", key);
			memcpy(value + len, line, (size_t)n);
			len += (size_t)n;
		} else if (len > 0) {
			put_record(out, key, strlen(key), value, len, false);
			*key = '\0';
			len = 0;
		}
	} while (n > 0);
	free(line);
	free(key);
	free(value);
}

static size_t read_whole(const char *path, char *value)
{
	FILE *file = open_file(path, "re");
	size_t len = fread(value, 1, VALUE_MAX / 2, file);

	fclose(file);
	return len;
}

/* Calls EACH for every line of the input, without its end. */
static void each_line(void (*each)(const void *ctx, uint64_t number,
				   const char *line, char *value),
		      const void *ctx)
{
	char *value = malloc(VALUE_MAX);
	char *line = NULL;
	size_t room = 0;
	uint64_t number = 0;
	ssize_t n;

	if (!value)
		die("memory");
	while ((n = getline(&line, &room, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		each(ctx, ++number, line, value);
	}
	free(line);
	free(value);
}

static void from_file(const void *ctx, uint64_t number, const char *line,
		      char *value)
{
	(void)number;
	put_record(ctx, line, strlen(line), value, read_whole(line, value),
		   true);
}

/* Text of some 800 bytes, every 16th record with bytes that are no UTF-8. */
static void from_number(const void *ctx, uint64_t number, const char *line,
			char *value)
{
	unsigned long count = strtoul(line, NULL, 10);

	(void)number;
	for (unsigned long i = 0; i < count; i++) {
		char key[64];
		size_t len = 0;
		int key_len = snprintf(key, sizeof(key), "generated-%lu", i);

		while (len < 400 + i % 800)
			len += (size_t)sprintf(
				value + len, "\"Field %zu\": \\%lu\t\xc3\xa4\n",
				len, i * 2654435761ul);
		if (i % 16 == 0)
			value[len++] = '\xff';
		put_record(ctx, key, (size_t)key_len, value, len, false);
	}
}

/* ---- what came back ---- */

static const char *take_member(const json_t *record, const char *name,
			       const char *name_b64, char *room, size_t *len)
{
	const json_t *text = json_object_get(record, name);
	const json_t *encoded = json_object_get(record, name_b64);

	if (json_is_string(text)) {
		*len = json_string_length(text);
		return json_string_value(text);
	}
	if (!json_is_string(encoded) ||
	    sodium_base642bin((unsigned char *)room, VALUE_MAX,
			      json_string_value(encoded),
			      json_string_length(encoded), NULL, len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0)
		die("a record without key or value");
	return room;
}

static void from_json(const void *ctx, uint64_t number, const char *line,
		      char *value)
{
	json_t *record = json_loads(line, JSON_ALLOW_NUL, NULL);
	char key_room[KEY_MAX + 1];
	const char *key_data;
	const char *value_data;
	size_t key_len;
	size_t value_len;
	char *room = value;

	(void)ctx;
	(void)number;
	if (!record)
		die("a line that is no JSON");
	/* A key that is base64 is decoded in the room of the value first. */
	key_data = take_member(record, "key", "key_b64", room, &key_len);
	if (key_len > KEY_MAX)
		die("a key that is too long");
	memcpy(key_room, key_data, key_len);
	value_data =
		take_member(record, "value", "value_b64", room, &value_len);
	print_digests(stdout, key_room, key_len, value_data, value_len);
	json_decref(record);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	struct output out = { .suffix = argc > 4 ? argv[4] : "" };

	if (sodium_init() < 0)
		die("libsodium");
	if (strcmp(kind, "json") == 0) {
		each_line(from_json, NULL);
		close_file(stdout);
		return 0;
	}
	if (argc < 4)
		die("usage");
	out.json = open_file(argv[2], "we");
	out.digests = open_file(argv[3], "we");
	if (strcmp(kind, "stanzas") == 0)
		from_stanzas(&out);
	else if (strcmp(kind, "files") == 0)
		each_line(from_file, &out);
	else
		each_line(from_number, &out);
	close_file(out.json);
	close_file(out.digests);
	return 0;
}
