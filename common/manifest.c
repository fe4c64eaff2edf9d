#include "common/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/path.h"
#include "common/whole_file.h"

static const char magic[8] = { 'g', 'e', 't', 'M', 'e', 'M', 'A', 'N' };
static const char *const names[2] = { "MANIFEST.0", "MANIFEST.1" };

enum {
	AT_CRC = 8,
	AT_VERSION = 12,
	AT_STORE_ID = 16,
	AT_GENERATION = 32,
	AT_FLOOR = 40,
	AT_NEXT_SEQUENCE = 48,
	AT_NEXT_SEGMENT = 56,
	AT_N_SEGMENTS = 60,
	HEADER_LEN = 64,
	ROW_LEN = 24,
};

void manifest_deinit(struct manifest *manifest)
{
	free(manifest->segments);
	manifest->segments = NULL;
	manifest->n_segments = 0;
	manifest->cap = 0;
}

int manifest_copy(struct manifest *to, const struct manifest *from)
{
	size_t n = from->n_segments ? from->n_segments : 1;
	struct manifest_segment *rows = malloc(n * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	if (from->n_segments > 0)
		memcpy(rows, from->segments, from->n_segments * sizeof(*rows));
	*to = *from;
	to->segments = rows;
	to->cap = (uint32_t)n;
	return 0;
}

int manifest_copy_sealed(struct manifest *to, const struct manifest *from)
{
	struct manifest copy;
	uint32_t n = 0;
	uint32_t i;
	int result = manifest_copy(&copy, from);

	if (result < 0)
		return result;
	for (i = 0; i < from->n_segments; i++) {
		if (from->segments[i].state == MANIFEST_SEALED)
			copy.segments[n++] = from->segments[i];
	}
	copy.n_segments = n;
	*to = copy;
	return 0;
}

/* Where ID is, or would be. */
static uint32_t position(const struct manifest *manifest, uint32_t id)
{
	uint32_t low = 0;
	uint32_t high = manifest->n_segments;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (manifest->segments[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct manifest_segment *manifest_find(const struct manifest *manifest,
				       uint32_t id)
{
	uint32_t at = position(manifest, id);

	if (at < manifest->n_segments && manifest->segments[at].id == id)
		return &manifest->segments[at];
	return NULL;
}

int manifest_add(struct manifest *manifest, uint32_t id,
		 enum manifest_state state)
{
	uint32_t at = position(manifest, id);

	if (manifest->n_segments == manifest->cap) {
		uint32_t cap = manifest->cap ? manifest->cap * 2 : 16;
		struct manifest_segment *grown;

		grown = realloc(manifest->segments, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		manifest->segments = grown;
		manifest->cap = cap;
	}
	memmove(&manifest->segments[at + 1], &manifest->segments[at],
		(manifest->n_segments - at) * sizeof(*manifest->segments));
	manifest->n_segments++;
	manifest->segments[at] =
		(struct manifest_segment){ .id = id, .state = state };
	return 0;
}

void manifest_remove(struct manifest *manifest, uint32_t id)
{
	struct manifest_segment *row = manifest_find(manifest, id);
	size_t behind;

	if (!row)
		return;
	behind = (size_t)(manifest->segments + manifest->n_segments - row) - 1;
	memmove(row, row + 1, behind * sizeof(*row));
	manifest->n_segments--;
}

int manifest_encode(const struct manifest *manifest, uint8_t **out,
		    size_t *out_len)
{
	size_t len = HEADER_LEN + (size_t)manifest->n_segments * ROW_LEN;
	uint8_t *data = calloc(1, len);
	uint32_t i;

	if (!data)
		return -ENOMEM;
	memcpy(data, magic, sizeof(magic));
	bytes_put32(data + AT_VERSION, MANIFEST_FORMAT);
	memcpy(data + AT_STORE_ID, manifest->store_id, SEGMENT_STORE_ID_LEN);
	bytes_put64(data + AT_GENERATION, manifest->generation);
	bytes_put64(data + AT_FLOOR, manifest->floor);
	bytes_put64(data + AT_NEXT_SEQUENCE, manifest->next_sequence);
	bytes_put32(data + AT_NEXT_SEGMENT, manifest->next_segment);
	bytes_put32(data + AT_N_SEGMENTS, manifest->n_segments);
	for (i = 0; i < manifest->n_segments; i++) {
		const struct manifest_segment *from = &manifest->segments[i];
		uint8_t *row = data + HEADER_LEN + (size_t)i * ROW_LEN;

		bytes_put32(row, from->id);
		bytes_put32(row + 4, from->state);
		bytes_put64(row + 8, from->len);
		bytes_put64(row + 16, from->last_sequence);
	}
	bytes_put32(data + AT_CRC, crc32c(0, data, len));
	*out = data;
	*out_len = len;
	return 0;
}

static bool crc_ok(const uint8_t *data, size_t len)
{
	static const uint8_t zeros[4];
	uint32_t crc = crc32c(0, data, AT_CRC);

	crc = crc32c(crc, zeros, sizeof(zeros));
	crc = crc32c(crc, data + AT_VERSION, len - AT_VERSION);
	return crc == bytes_get32(data + AT_CRC);
}

static int decode_row(const uint8_t *row, uint32_t last_id,
		      uint32_t next_segment, struct manifest_segment *out)
{
	uint32_t state = bytes_get32(row + 4);

	out->id = bytes_get32(row);
	out->state = (enum manifest_state)state;
	out->len = bytes_get64(row + 8);
	out->last_sequence = bytes_get64(row + 16);
	if (out->id <= last_id || out->id >= next_segment ||
	    state < MANIFEST_OPEN || state > MANIFEST_REPLACED)
		return MANIFEST_BAD;
	if (state == MANIFEST_SEALED && out->len < SEGMENT_HEADER_LEN)
		return MANIFEST_BAD;
	return 0;
}

static int decode_rows(const uint8_t *data, struct manifest *manifest)
{
	uint32_t last_id = 0;
	uint32_t i;

	for (i = 0; i < manifest->n_segments; i++) {
		struct manifest_segment *row = &manifest->segments[i];

		if (decode_row(data + HEADER_LEN + (size_t)i * ROW_LEN, last_id,
			       manifest->next_segment, row) != 0)
			return MANIFEST_BAD;
		last_id = row->id;
	}
	return 0;
}

int manifest_decode(const uint8_t *data, size_t len, struct manifest *manifest)
{
	struct manifest found = { 0 };

	if (len < HEADER_LEN || memcmp(data, magic, sizeof(magic)) != 0 ||
	    !crc_ok(data, len))
		return MANIFEST_BAD;
	if (bytes_get32(data + AT_VERSION) > MANIFEST_FORMAT)
		return MANIFEST_NEWER;
	memcpy(found.store_id, data + AT_STORE_ID, SEGMENT_STORE_ID_LEN);
	found.generation = bytes_get64(data + AT_GENERATION);
	found.floor = bytes_get64(data + AT_FLOOR);
	found.next_sequence = bytes_get64(data + AT_NEXT_SEQUENCE);
	found.next_segment = bytes_get32(data + AT_NEXT_SEGMENT);
	found.n_segments = bytes_get32(data + AT_N_SEGMENTS);
	if (found.n_segments > MANIFEST_SEGMENTS_MAX ||
	    len != HEADER_LEN + (size_t)found.n_segments * ROW_LEN)
		return MANIFEST_BAD;
	found.cap = found.n_segments ? found.n_segments : 1;
	found.segments = calloc(found.cap, sizeof(*found.segments));
	if (!found.segments)
		return -ENOMEM;
	if (decode_rows(data, &found) != 0) {
		manifest_deinit(&found);
		return MANIFEST_BAD;
	}
	*manifest = found;
	return 0;
}

static int load_one(struct io *io, const char *dir, const char *name,
		    struct manifest *manifest)
{
	const uint64_t len_max =
		HEADER_LEN + (uint64_t)MANIFEST_SEGMENTS_MAX * ROW_LEN;
	char path[PATH_LEN_MAX];
	uint8_t *data;
	size_t len;
	int result = path_join(path, dir, name);

	if (result == 0)
		result = whole_file_read(io, path, HEADER_LEN, len_max, &data,
					 &len);
	if (result == -ENOENT)
		return MANIFEST_MISSING;
	if (result == -EMSGSIZE)
		return MANIFEST_BAD;
	if (result != 0)
		return result;
	result = manifest_decode(data, len, manifest);
	free(data);
	return result;
}

int manifest_load(struct io *io, const char *dir, struct manifest *manifest,
		  struct manifest_report *report)
{
	struct manifest best = { 0 };
	uint64_t generations[2] = { 0, 0 };
	int outcome = MANIFEST_MISSING;
	int i;

	memset(report, 0, sizeof(*report));
	for (i = 0; i < 2; i++) {
		struct manifest found = { 0 };
		int result = load_one(io, dir, names[i], &found);

		report->present[i] = result != MANIFEST_MISSING;
		report->damaged[i] = result == MANIFEST_BAD;
		if (result < 0 || result == MANIFEST_NEWER) {
			manifest_deinit(&best);
			return result;
		}
		if (result == MANIFEST_BAD && outcome == MANIFEST_MISSING)
			outcome = MANIFEST_BAD;
		if (result != 0)
			continue;
		outcome = 0;
		generations[i] = found.generation;
		if (!best.segments || found.generation > best.generation) {
			manifest_deinit(&best);
			best = found;
		} else {
			manifest_deinit(&found);
		}
	}
	report->equal = generations[0] != 0 && generations[0] == generations[1];
	if (outcome == 0)
		*manifest = best;
	return outcome;
}

/* 0; -errno: the old file stands; MANIFEST_UNKNOWN: perhaps. */
static int store_one(struct io *io, const char *dir, int which,
		     const uint8_t *data, size_t len)
{
	char path[PATH_LEN_MAX];
	int result = path_join(path, dir, names[which]);

	if (result == 0)
		result = whole_file_replace(io, path, data, len);
	if (result < 0)
		return result;
	return io->sync_dir(io, dir) < 0 ? MANIFEST_UNKNOWN : 0;
}

int manifest_store(struct io *io, const char *dir, struct manifest *manifest)
{
	uint8_t *data;
	size_t len;
	int result;

	manifest->generation++;
	result = manifest_encode(manifest, &data, &len);
	if (result < 0)
		return result;
	result = store_one(io, dir, 0, data, len);
	if (result == 0 && store_one(io, dir, 1, data, len) != 0)
		result = MANIFEST_UNKNOWN;
	free(data);
	return result;
}

bool manifest_is_name(const char *name)
{
	return strcmp(name, names[0]) == 0 || strcmp(name, names[1]) == 0;
}
