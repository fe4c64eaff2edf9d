/*
 * ctl_base64: RFC 4648's base64 with its padding, for bytes in JSON.
 */
#ifndef GETME_CLIENT_CTL_BASE64_H
#define GETME_CLIENT_CTL_BASE64_H

#include <stddef.h>
#include <stdio.h>

/* Writes LEN bytes as base64; a failure shows in ferror(OUT). */
void ctl_base64_write(FILE *out, const void *data, size_t len);

/*
 * Decodes TEXT strictly: no blanks, padding required, unused bits zero.
 * 0, *DATA (free() it; never NULL) and *DATA_LEN; -EINVAL; -ENOMEM.
 */
int ctl_base64_decode(const char *text, size_t text_len, void **data,
		      size_t *data_len);

#endif
