#include "tests/crash/oracle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/simbytes.h"

enum {
	UNKNOWN_MAX = 8, /* ops with an unknown outcome: 2^n contents */
	SCAN_STEPS_MAX = 1 << 20,
};

void oracle_init(struct oracle *oracle)
{
	memset(&oracle->backup, 0, sizeof(oracle->backup));
	oracle->base.n = 0;
	oracle->n_ops = 0;
	oracle->n_durable = 0;
}

/* Contents */

static struct oracle_entry *find(struct oracle_contents *contents,
				 const char *key)
{
	for (size_t i = 0; i < contents->n; i++)
		if (!strcmp(contents->at[i].key, key))
			return &contents->at[i];
	return NULL;
}

const struct oracle_entry *oracle_find(const struct oracle_contents *contents,
				       const char *key)
{
	for (size_t i = 0; i < contents->n; i++)
		if (!strcmp(contents->at[i].key, key))
			return &contents->at[i];
	return NULL;
}

static void set_entry(struct oracle_contents *contents,
		      const struct oracle_entry *entry)
{
	struct oracle_entry *old = find(contents, entry->key);
	size_t i = contents->n;

	if (old) {
		*old = *entry;
		return;
	}
	if (contents->n == ORACLE_KEYS_MAX)
		abort();
	for (; i && strcmp(contents->at[i - 1].key, entry->key) > 0; i--)
		contents->at[i] = contents->at[i - 1];
	contents->at[i] = *entry;
	contents->n++;
}

static void remove_entry(struct oracle_contents *contents, const char *key)
{
	struct oracle_entry *old = find(contents, key);

	if (!old)
		return;
	contents->n--;
	memmove(old, old + 1,
		(size_t)(contents->at + contents->n - old) * sizeof(*old));
}

static bool entries_equal(const struct oracle_entry *a,
			  const struct oracle_entry *b)
{
	return !strcmp(a->key, b->key) && a->len == b->len &&
	       a->hash == b->hash && a->expires_at_ms == b->expires_at_ms &&
	       (a->version == b->version || !a->version || !b->version);
}

bool oracle_equal(const struct oracle_contents *a,
		  const struct oracle_contents *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!entries_equal(&a->at[i], &b->at[i]))
			return false;
	return true;
}

__attribute__((format(printf, 3, 4))) static void
append(char text[ORACLE_TEXT_LEN], size_t *len, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text + *len, ORACLE_TEXT_LEN - *len, format, args);
	va_end(args);
	*len += (size_t)n;
	if (*len >= ORACLE_TEXT_LEN)
		*len = ORACLE_TEXT_LEN - 1;
}

static void append_contents(const struct oracle_contents *contents, char *text,
			    size_t *len)
{
	append(text, len, "{");
	for (size_t i = 0; i < contents->n; i++) {
		const struct oracle_entry *entry = &contents->at[i];

		append(text, len, " %s=%zu:%04" PRIx64, entry->key, entry->len,
		       entry->hash & 0xffff);
		if (entry->expires_at_ms)
			append(text, len, " until %" PRIu64,
			       entry->expires_at_ms);
		append(text, len, " v%" PRIu64, entry->version);
	}
	append(text, len, " }");
}

void oracle_print(const struct oracle_contents *contents,
		  char text[ORACLE_TEXT_LEN])
{
	size_t len = 0;

	append_contents(contents, text, &len);
}

/* Operations */

void oracle_value(uint64_t value_id, void *data, size_t len)
{
	uint64_t random = sim_mix(value_id + 1), word;
	uint8_t *to = data;

	while (len) {
		size_t n = len < sizeof(word) ? len : sizeof(word);

		word = sim_random(&random);
		memcpy(to, &word, n);
		to += n;
		len -= n;
	}
}

static struct oracle_op *new_op(struct oracle *oracle,
				enum store_durability durability)
{
	struct oracle_op *op;

	if (oracle->n_ops == ORACLE_OPS_MAX)
		abort();
	op = &oracle->ops[oracle->n_ops++];
	memset(op, 0, sizeof(*op));
	op->outcome = ORACLE_PENDING;
	op->durability = durability;
	return op;
}

static void all_durable(struct oracle *oracle)
{
	oracle->n_durable = oracle->n_ops;
}

static void end_op(struct oracle *oracle, int result)
{
	struct oracle_op *op = &oracle->ops[oracle->n_ops - 1];

	if (result == STORE_UNKNOWN) {
		op->outcome = ORACLE_UNKNOWN;
		return;
	}
	if (result) {
		op->outcome = ORACLE_FAILED;
		return;
	}
	op->outcome = ORACLE_DONE;
	if (op->is_clear || op->durability == STORE_ALWAYS)
		all_durable(oracle);
}

static void note_put(struct oracle_entry *entry,
		     const struct oracle_write *write, const void *value)
{
	entry->len = write->value_len;
	entry->hash = sim_hash(value, write->value_len, 0);
	entry->expires_at_ms = write->expires_at_ms;
}

int oracle_apply(struct oracle *oracle, struct store *store,
		 const struct oracle_write *writes, size_t n,
		 enum store_durability durability)
{
	struct oracle_op *op = new_op(oracle, durability);
	struct store_write list[ORACLE_WRITES_MAX];
	void *values[ORACLE_WRITES_MAX];
	int result;

	memset(list, 0, sizeof(list));
	op->n_writes = n;
	for (size_t i = 0; i < n; i++) {
		const struct oracle_write *write = &writes[i];
		struct oracle_entry *entry = &op->writes[i].entry;

		values[i] = sim_alloc(write->value_len);
		oracle_value(write->value_id, values[i], write->value_len);
		snprintf(entry->key, sizeof(entry->key), "%s", write->key);
		op->writes[i].is_delete = write->is_delete;
		if (!write->is_delete)
			note_put(entry, write, values[i]);
		list[i].is_delete = write->is_delete;
		list[i].key = write->key;
		list[i].key_len = strlen(write->key);
		list[i].value = write->is_delete ? NULL : values[i];
		list[i].value_len = write->is_delete ? 0 : write->value_len;
		list[i].expires_at_ms = write->expires_at_ms;
	}
	result = store_apply(store, list, n, durability);
	for (size_t i = 0; i < n; i++) {
		free(values[i]);
		if (!result && !writes[i].is_delete)
			op->writes[i].entry.version = list[i].version;
	}
	end_op(oracle, result);
	return result;
}

int oracle_put(struct oracle *oracle, struct store *store, const char *key,
	       uint64_t value_id, size_t value_len,
	       enum store_durability durability)
{
	struct oracle_write write = { .key = key,
				      .value_id = value_id,
				      .value_len = value_len };

	return oracle_apply(oracle, store, &write, 1, durability);
}

int oracle_delete(struct oracle *oracle, struct store *store, const char *key,
		  enum store_durability durability)
{
	struct oracle_write write = { .key = key, .is_delete = true };

	return oracle_apply(oracle, store, &write, 1, durability);
}

int oracle_clear(struct oracle *oracle, struct store *store)
{
	int result;

	new_op(oracle, STORE_ALWAYS)->is_clear = true;
	result = store_clear(store);
	end_op(oracle, result);
	return result;
}

int oracle_sync(struct oracle *oracle, struct store *store)
{
	int result = store_sync(store);

	if (!result)
		all_durable(oracle);
	return result;
}

int oracle_roll(struct oracle *oracle, struct store *store)
{
	int result = store_roll(store);

	if (!result)
		all_durable(oracle);
	return result;
}

static bool is_certain(const struct oracle *oracle)
{
	for (size_t i = 0; i < oracle->n_ops; i++)
		if (oracle->ops[i].outcome == ORACLE_UNKNOWN)
			return false;
	return true;
}

int oracle_backup(struct oracle *oracle, struct store *store, const char *dir)
{
	struct oracle_backup *backup = &oracle->backup;
	struct store_error error;
	int result;

	/* What was not known to be there is not known of the backup. */
	memset(backup, 0, sizeof(*backup));
	if (is_certain(oracle)) {
		snprintf(backup->dir, sizeof(backup->dir), "%s", dir);
		oracle_newest(oracle, &backup->contents);
	}
	result = store_backup(store, dir, &error);
	backup->done = result == 0;
	if (!result)
		all_durable(oracle);
	return result;
}

/* It begins with a roll; what fails later takes that back no more. */
int oracle_compact(struct oracle *oracle, struct store *store)
{
	int result = store_compact(store);

	if (!result)
		all_durable(oracle);
	return result;
}

int oracle_close(struct oracle *oracle, struct store *store)
{
	int result = store_close(store);

	if (!result)
		all_durable(oracle);
	return result;
}

/* What a store holds */

struct scan {
	struct oracle_contents found;
	char *why;
	bool failed;
};

static void fill_entry(struct oracle_entry *entry,
		       const struct store_value *value)
{
	entry->len = value->len;
	entry->hash = sim_hash(value->data, value->len, 0);
	entry->expires_at_ms = value->expires_at_ms;
	entry->version = value->version;
}

static void scan_each(void *ctx, int result, const void *key, size_t key_len,
		      const struct store_value *value)
{
	struct scan *scan = ctx;
	struct oracle_entry entry = { .len = 0 };
	size_t len = 0;

	if (scan->failed)
		return;
	scan->failed = true;
	if (result) {
		append(scan->why, &len, "the scan meets result %d", result);
	} else if (key_len == 0 || key_len > ORACLE_KEY_LEN_MAX) {
		append(scan->why, &len, "the scan has a key of %zu bytes",
		       key_len);
	} else {
		memcpy(entry.key, key, key_len);
		fill_entry(&entry, value);
		if (find(&scan->found, entry.key)) {
			append(scan->why, &len, "the scan has %s twice",
			       entry.key);
		} else if (scan->found.n == ORACLE_KEYS_MAX) {
			append(scan->why, &len, "the scan has too many keys");
		} else {
			set_entry(&scan->found, &entry);
			scan->failed = false;
		}
	}
}

static int scan_all(struct store *store, struct scan *scan)
{
	uint64_t cursor = 0;
	size_t len = 0;
	int result;

	for (int i = 0; i < SCAN_STEPS_MAX; i++) {
		result = store_scan(store, &cursor, scan_each, scan);
		if (scan->failed)
			return -1;
		if (result == STORE_END)
			return 0;
		if (result) {
			append(scan->why, &len, "the scan returns %d", result);
			return -1;
		}
	}
	append(scan->why, &len, "the scan does not end");
	return -1;
}

int oracle_check_scan(struct store *store, const struct oracle_contents *seen,
		      char why[ORACLE_TEXT_LEN])
{
	struct scan scan = { .why = why };
	size_t len = 0;

	if (scan_all(store, &scan))
		return -1;
	if (oracle_equal(&scan.found, seen))
		return 0;
	append(why, &len, "the scan finds ");
	append_contents(&scan.found, why, &len);
	append(why, &len, ", the gets ");
	append_contents(seen, why, &len);
	return -1;
}

/* Adds the key to SEEN if it is there. */
static int read_key(struct store *store, const char *key,
		    struct oracle_contents *seen, char *why)
{
	struct oracle_entry entry = { .len = 0 };
	struct store_value value;
	size_t len = 0;
	int result = store_get(store, key, strlen(key), &value);

	if (result == STORE_NOT_FOUND)
		return 0;
	if (result) {
		append(why, &len, "get of %s returns %d", key, result);
		return -1;
	}
	snprintf(entry.key, sizeof(entry.key), "%s", key);
	fill_entry(&entry, &value);
	free(value.data);
	set_entry(seen, &entry);
	return 0;
}

int oracle_read(const struct oracle *oracle, struct store *store,
		struct oracle_contents *seen, char why[ORACLE_TEXT_LEN])
{
	struct oracle_contents known = oracle->base, found = { .n = 0 };
	struct oracle_entry stranger = { .key = "stranger" };
	size_t len = 0;

	/* Never written: it must never be found. */
	set_entry(&known, &stranger);
	for (size_t i = 0; i < oracle->n_ops; i++)
		for (size_t j = 0; j < oracle->ops[i].n_writes; j++)
			set_entry(&known, &oracle->ops[i].writes[j].entry);
	for (size_t i = 0; i < known.n; i++)
		if (read_key(store, known.at[i].key, &found, why))
			return -1;
	if (store_count(store) != found.n) {
		append(why, &len, "the count is %" PRIu64 ", found are ",
		       store_count(store));
		append_contents(&found, why, &len);
		return -1;
	}
	*seen = found;
	return 0;
}

/* What may be there */

static void apply_op(struct oracle_contents *contents,
		     const struct oracle_op *op)
{
	if (op->is_clear)
		contents->n = 0;
	for (size_t i = 0; i < op->n_writes; i++) {
		if (op->writes[i].is_delete)
			remove_entry(contents, op->writes[i].entry.key);
		else
			set_entry(contents, &op->writes[i].entry);
	}
}

/*
 * What the first N ops leave; of those whose outcome is unknown the ones
 * that have their bit in TAKEN.
 */
static void contents_of(const struct oracle *oracle, size_t n, unsigned taken,
			struct oracle_contents *contents)
{
	unsigned bit = 1;

	*contents = oracle->base;
	for (size_t i = 0; i < n; i++) {
		const struct oracle_op *op = &oracle->ops[i];
		bool applied = op->outcome != ORACLE_FAILED;

		if (op->outcome == ORACLE_UNKNOWN) {
			applied = taken & bit;
			bit <<= 1;
		}
		if (applied)
			apply_op(contents, op);
	}
}

static unsigned n_unknown(const struct oracle *oracle, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		if (oracle->ops[i].outcome == ORACLE_UNKNOWN)
			sum++;
	if (sum > UNKNOWN_MAX)
		abort();
	return sum;
}

/* The ops that must be there after CRASH are among the first this many. */
static size_t n_due(const struct oracle *oracle, enum oracle_crash crash)
{
	size_t n = oracle->n_ops;

	if (crash == ORACLE_POWER_CUT)
		return oracle->n_durable;
	while (n && oracle->ops[n - 1].outcome != ORACLE_DONE)
		n--;
	return n;
}

void oracle_newest(const struct oracle *oracle,
		   struct oracle_contents *contents)
{
	contents_of(oracle, n_due(oracle, ORACLE_KILL), 0, contents);
}

bool oracle_admits(const struct oracle *oracle, enum oracle_crash crash,
		   const struct oracle_contents *seen,
		   char why[ORACLE_TEXT_LEN])
{
	struct oracle_contents due;
	size_t least = n_due(oracle, crash), most = oracle->n_ops;
	size_t len = 0;

	for (size_t n = least; n <= most; n++) {
		for (unsigned set = 0; set < 1u << n_unknown(oracle, n);
		     set++) {
			contents_of(oracle, n, set, &due);
			if (oracle_equal(&due, seen))
				return true;
		}
	}
	append(why, &len, "saw ");
	append_contents(seen, why, &len);
	append(why, &len, ", due is what %zu to %zu writes leave, ", least,
	       most);
	contents_of(oracle, least, 0, &due);
	append_contents(&due, why, &len);
	append(why, &len, " to ");
	contents_of(oracle, most, 0, &due);
	append_contents(&due, why, &len);
	return false;
}

void oracle_settle(struct oracle *oracle, const struct oracle_contents *seen)
{
	oracle->base = *seen;
	oracle->n_ops = 0;
	oracle->n_durable = 0;
}

/* Entries have no padding, and zeros behind their keys. */
uint64_t oracle_hash(const struct oracle_contents *contents)
{
	return sim_hash(contents->at, contents->n * sizeof(*contents->at),
			contents->n + 1);
}

uint64_t oracle_signature(const struct oracle *oracle, enum oracle_crash crash)
{
	const struct oracle_backup *backup = &oracle->backup;
	struct oracle_contents due;
	uint64_t hash = 0, last = 0;

	if (backup->dir[0])
		hash = sim_mix(oracle_hash(&backup->contents) + backup->done);
	for (size_t n = n_due(oracle, crash); n <= oracle->n_ops; n++) {
		for (unsigned set = 0; set < 1u << n_unknown(oracle, n);
		     set++) {
			uint64_t one;

			contents_of(oracle, n, set, &due);
			one = oracle_hash(&due);
			if (one != last)
				hash = sim_mix(hash + one);
			last = one;
		}
	}
	return hash;
}
