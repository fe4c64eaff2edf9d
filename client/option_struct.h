/*
 * option_struct: the option structs of getme.h, read so that programs and
 * libraries of different ages fit.
 */
#ifndef GETME_CLIENT_OPTION_STRUCT_H
#define GETME_CLIENT_OPTION_STRUCT_H

#include <stddef.h>

#include "client/getme.h"
#include "proto/message.h"

/*
 * Copies what GIVEN (NULL: nothing) has over OURS, which holds the defaults
 * and is OUR_SIZE bytes.  -EINVAL when GIVEN's size is no plausible one, or
 * when it asks for something that this library does not know: bytes behind
 * OUR_SIZE that are not 0.
 */
int option_struct_read(const void *given, void *ours, size_t our_size);

/*
 * Turns a write's options into those of a message.  ALLOWED are those that
 * the request takes (enum method_option, ored); any other, or one out of
 * range, is -EINVAL.
 */
int option_struct_write(const struct getme_write_options *given,
			unsigned int allowed, struct message_options *options);

#endif
