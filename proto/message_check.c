#include "proto/message_check.h"

#include <errno.h>

enum head_kind {
	HEAD_NONE, /* not allowed here, or not msgpack at all */
	HEAD_UINT,
	HEAD_INT,    /* its number is taken as HEAD_UINT when not negative */
	HEAD_SCALAR, /* nil, booleans, floats */
	HEAD_BYTES,  /* str and bin: number is the length */
	HEAD_ARRAY,  /* number of elements */
	HEAD_MAP,    /* number of pairs */
};

struct head {
	enum head_kind kind;
	uint64_t number;
};

struct walk {
	const uint8_t *p;
	const uint8_t *end;
	size_t n_values;
	unsigned int depth;
	/* Values still to come on each open level, behind the one under way. */
	uint64_t left[MESSAGE_DEPTH_MAX];
};

struct head_row {
	uint8_t kind;
	uint8_t width; /* of the number behind the first byte */
};

/* First bytes 0xc0 to 0xdf; those around them hold their number. */
static const struct head_row head_rows[32] = {
	[0x00] = { HEAD_SCALAR, 0 },				  /* nil */
	[0x02] = { HEAD_SCALAR, 0 }, [0x03] = { HEAD_SCALAR, 0 }, /* bool */
	[0x04] = { HEAD_BYTES, 1 },  [0x05] = { HEAD_BYTES, 2 },  /* bin */
	[0x06] = { HEAD_BYTES, 4 },  [0x0a] = { HEAD_SCALAR, 4 },
	[0x0b] = { HEAD_SCALAR, 8 }, /* float */
	[0x0c] = { HEAD_UINT, 1 },   [0x0d] = { HEAD_UINT, 2 },
	[0x0e] = { HEAD_UINT, 4 },   [0x0f] = { HEAD_UINT, 8 },
	[0x10] = { HEAD_INT, 1 },    [0x11] = { HEAD_INT, 2 },
	[0x12] = { HEAD_INT, 4 },    [0x13] = { HEAD_INT, 8 },
	[0x19] = { HEAD_BYTES, 1 },  [0x1a] = { HEAD_BYTES, 2 }, /* str */
	[0x1b] = { HEAD_BYTES, 4 },  [0x1c] = { HEAD_ARRAY, 2 },
	[0x1d] = { HEAD_ARRAY, 4 },  [0x1e] = { HEAD_MAP, 2 },
	[0x1f] = { HEAD_MAP, 4 },
};

static uint64_t get_be(const uint8_t *p, unsigned int width)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < width; i++)
		n = n << 8 | p[i];
	return n;
}

/* The heads that are one byte and hold their number. */
static struct head short_head(uint8_t byte)
{
	if (byte < 0x80)
		return (struct head){ HEAD_UINT, byte };
	if (byte < 0x90)
		return (struct head){ HEAD_MAP, byte & 0x0f };
	if (byte < 0xa0)
		return (struct head){ HEAD_ARRAY, byte & 0x0f };
	if (byte < 0xc0)
		return (struct head){ HEAD_BYTES, byte & 0x1f };
	return (struct head){ HEAD_INT, 0 };
}

/* Takes one head off the walk.  0 or a message_check_result. */
static int take_head(struct walk *walk, struct head *head)
{
	const struct head_row *row;
	uint8_t byte;

	if (walk->p == walk->end)
		return MESSAGE_CHECK_TRUNCATED;
	byte = *walk->p++;
	if (byte < 0xc0 || byte > 0xdf) {
		*head = short_head(byte);
		return 0;
	}
	row = &head_rows[byte - 0xc0];
	if (row->kind == HEAD_NONE)
		return MESSAGE_CHECK_TYPE;
	if ((size_t)(walk->end - walk->p) < row->width)
		return MESSAGE_CHECK_TRUNCATED;
	head->kind = row->kind;
	head->number = get_be(walk->p, row->width);
	if (head->kind == HEAD_INT && !(*walk->p & 0x80))
		head->kind = HEAD_UINT;
	walk->p += row->width;
	return 0;
}

static int open_level(struct walk *walk, uint64_t n_values)
{
	if (walk->depth == MESSAGE_DEPTH_MAX)
		return MESSAGE_CHECK_DEEP;
	if (n_values > (size_t)(walk->end - walk->p))
		return MESSAGE_CHECK_CLAIM;
	walk->left[walk->depth++] = n_values;
	return 0;
}

/* Closes the levels that are complete and turns to the next value. */
static void next_value(struct walk *walk)
{
	while (walk->depth > 0 && walk->left[walk->depth - 1] == 0)
		walk->depth--;
	if (walk->depth > 0)
		walk->left[walk->depth - 1]--;
}

static int take_value(struct walk *walk)
{
	struct head head;
	int r;

	r = take_head(walk, &head);
	if (r)
		return r;
	if (++walk->n_values > MESSAGE_CHECK_VALUES_MAX)
		return MESSAGE_CHECK_MANY;
	switch (head.kind) {
	case HEAD_BYTES:
		if (head.number > (size_t)(walk->end - walk->p))
			return MESSAGE_CHECK_TRUNCATED;
		walk->p += head.number;
		return 0;
	case HEAD_ARRAY:
		return open_level(walk, head.number);
	case HEAD_MAP:
		return open_level(walk, head.number * 2);
	default:
		return 0;
	}
}

int message_check(const void *body, size_t body_len)
{
	struct walk walk = { .p = body };
	int r;

	if (body_len == 0)
		return MESSAGE_CHECK_TRUNCATED;
	walk.end = walk.p + body_len;
	do {
		r = take_value(&walk);
		if (r)
			return r;
		next_value(&walk);
	} while (walk.depth > 0);
	return walk.p == walk.end ? 0 : MESSAGE_CHECK_TRAILING;
}

_Static_assert(MESSAGE_DEPTH_MAX == 8 && MESSAGE_CHECK_VALUES_MAX == 262144,
	       "the texts below name the limits");

const char *message_check_text(int result)
{
	switch (result) {
	case MESSAGE_CHECK_TRUNCATED:
		return "ends inside a value";
	case MESSAGE_CHECK_CLAIM:
		return "has an array or map with more elements than bytes";
	case MESSAGE_CHECK_DEEP:
		return "is nested deeper than 8 levels";
	case MESSAGE_CHECK_MANY:
		return "has more than 262144 values";
	case MESSAGE_CHECK_TYPE:
		return "has an extension type, or a byte that is not msgpack";
	default:
		return "has bytes behind its end";
	}
}

int message_check_peek(const void *body, size_t body_len, uint64_t *type,
		       uint32_t *id)
{
	struct walk walk = { .p = body };
	struct head heads[3];
	unsigned int i;

	if (body_len == 0)
		return -EPROTO;
	walk.end = walk.p + body_len;
	for (i = 0; i < 3; i++) {
		if (take_head(&walk, &heads[i]))
			return -EPROTO;
	}
	if (heads[0].kind != HEAD_ARRAY || heads[0].number != 4 ||
	    heads[1].kind != HEAD_UINT || heads[2].kind != HEAD_UINT ||
	    heads[2].number > UINT32_MAX)
		return -EPROTO;
	*type = heads[1].number;
	*id = (uint32_t)heads[2].number;
	return 0;
}
