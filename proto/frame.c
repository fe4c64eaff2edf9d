#include "proto/frame.h"

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

int frame_parse(const void *data, size_t len, size_t body_max,
		const uint8_t **body, size_t *body_len, size_t *need)
{
	const uint8_t *head = data;
	size_t n;

	if (len < FRAME_HEAD_LEN) {
		*need = FRAME_HEAD_LEN;
		return FRAME_PARTIAL;
	}
	n = get_be32(head);
	if (n == 0)
		return FRAME_EMPTY;
	if (n > body_max || n > SIZE_MAX - FRAME_HEAD_LEN)
		return FRAME_TOO_LARGE;
	if (len - FRAME_HEAD_LEN < n) {
		*need = (size_t)FRAME_HEAD_LEN + n;
		return FRAME_PARTIAL;
	}
	*body = head + FRAME_HEAD_LEN;
	*body_len = n;
	return 0;
}

void frame_put_head(uint8_t head[FRAME_HEAD_LEN], size_t body_len)
{
	head[0] = (uint8_t)(body_len >> 24);
	head[1] = (uint8_t)(body_len >> 16);
	head[2] = (uint8_t)(body_len >> 8);
	head[3] = (uint8_t)body_len;
}
