/*
 * units: sizes and times as people write them.
 *
 * A size is a whole number with an optional suffix K, M or G (powers of
 * 1024; lower case is accepted); a bare number is bytes.  A time is a whole
 * number with an optional suffix ms, s, m, h or d; a bare number is
 * milliseconds.  No sign, no fraction, no blanks, no other text.
 *
 * Both parsers return 0, -EINVAL (not such a number) or -ERANGE (does not
 * fit 64 bits); the output is untouched on failure.
 */
#ifndef GETME_COMMON_UNITS_H
#define GETME_COMMON_UNITS_H

#include <stddef.h>
#include <stdint.h>

int units_parse_size(const char *text, uint64_t *bytes);
int units_parse_time(const char *text, uint64_t *ms);

/*
 * Writes BYTES with the largest suffix that leaves at least one whole unit
 * and one decimal ("1.5M"), for messages.  OUT_LEN of 16 is always enough.
 */
void units_format_size(uint64_t bytes, char *out, size_t out_len);

#endif
