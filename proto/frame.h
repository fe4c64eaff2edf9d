/*
 * frame: the length prefix of the wire.
 *
 *   offset  size  meaning
 *        0     4  length of the body, big-endian, 1 to the limit
 *        4     n  body: one msgpack value (proto/message.h)
 *
 * No allocation here: the caller holds the bytes.
 */
#ifndef GETME_PROTO_FRAME_H
#define GETME_PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_HEAD_LEN = 4,
};

/* Positive results of frame_parse. */
enum frame_result {
	FRAME_PARTIAL = 1,   /* more bytes are needed: see need */
	FRAME_TOO_LARGE = 2, /* the length is over the limit */
	FRAME_EMPTY = 3,     /* a length of 0 */
};

/*
 * Looks at the LEN bytes at DATA.  0: one whole frame begins there, BODY and
 * BODY_LEN tell its body, which ends at FRAME_HEAD_LEN + BODY_LEN.
 * FRAME_PARTIAL: NEED is how many bytes the frame has in all (FRAME_HEAD_LEN
 * while even that is not known), so that the caller can make room once.
 * BODY_MAX is the limit, checked before NEED is told.
 */
int frame_parse(const void *data, size_t len, size_t body_max,
		const uint8_t **body, size_t *body_len, size_t *need);

/* Writes the 4 bytes of a head. */
void frame_put_head(uint8_t head[FRAME_HEAD_LEN], size_t body_len);

#endif
