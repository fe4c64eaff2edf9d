#include "tests/torture/soak_scan.h"

#include <string.h>

#include "tests/torture/soak_keys.h"

enum {
	STEP_MAX = 300, /* keys a round trip */
};

static void check_value(const struct getme_item *item)
{
	char first = *(const char *)item->key.data;
	bool good = true;

	if (item->result != 0)
		soak_fault(SOAK_SCAN, "%.*s: %s", (int)item->key.len,
			   (const char *)item->key.data,
			   getme_strerror(item->result));
	else if (first == 's' || first == 'b')
		good = soak_crowd_is_good(&item->key, &item->value);
	if (!good)
		soak_fault(SOAK_SCAN, "%.*s: bytes that nobody wrote",
			   (int)item->key.len, (const char *)item->key.data);
}

static void take_item(const struct getme_item *item, bool with_values,
		      struct soak_census *census)
{
	unsigned int *times = NULL;
	unsigned int writer;
	unsigned int key;

	census->n++;
	if (with_values)
		check_value(item);
	if (soak_keys_parse(&item->key, &writer, &key))
		times = &census->writers[writer][key];
	else if (soak_crowd_parse(&item->key, &key))
		times = &census->staying[key];
	if (times && ++*times > 1)
		soak_fault(SOAK_SCAN, "%.*s comes again", (int)item->key.len,
			   (const char *)item->key.data);
}

int soak_scan(struct getme *handle, uint64_t *random,
	      struct soak_census *census)
{
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *scan = NULL;
	struct getme_item item;
	int result;

	memset(census, 0, sizeof(*census));
	options.with_values = soak_random(random, 2) == 0;
	options.step = 1 + soak_random(random, STEP_MAX);
	result = getme_scan_open(handle, &options, &scan);
	if (result != 0)
		return result;
	while ((result = getme_scan_next(scan, &item)) == 0)
		take_item(&item, options.with_values, census);
	getme_scan_close(scan);
	return result == GETME_END ? 0 : result;
}

void soak_scan_check_staying(const struct soak_census *census)
{
	for (unsigned int i = 0; i < SOAK_STAYING; i++)
		if (census->staying[i] == 0)
			soak_fault(SOAK_SCAN, "s/%u does not come", i);
}

void *soak_scanner_run(void *arg)
{
	struct soak_scanner *scanner = arg;
	struct getme *handle = soak_daemon_need(scanner->daemon);
	struct soak_census census;
	int result = 0;

	while (handle && result == 0) {
		unsigned int epoch = *scanner->epoch;

		result = soak_scan(handle, &scanner->random, &census);
		if (result == 0 && epoch % 2 == 0 && epoch == *scanner->epoch)
			soak_scan_check_staying(&census);
		scanner->n_scans += result == 0;
	}
	if (handle && !soak_ending)
		soak_fault(SOAK_SCAN, "a scan: %s: %s", getme_strerror(result),
			   getme_last_error(handle));
	getme_close(handle);
	return NULL;
}
