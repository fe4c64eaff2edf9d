/*
 * msgpack_text: msgpack written as text, for tables of test cases.
 *
 *   [ ... ]  array          7, -7       integer, shortest form
 *   { ... }  map            2.5         float of 64 bits
 *   'get'    str            nil true false
 *   `key`    bin            #c10203     these bytes as they are
 *
 * Elements are separated by spaces, commas or colons.  Arrays and maps of up
 * to 65,535 elements.
 */
#ifndef GETME_TESTS_SUPPORT_MSGPACK_TEXT_H
#define GETME_TESTS_SUPPORT_MSGPACK_TEXT_H

#include "proto/buffer.h"

/* Appends the one value that TEXT says.  A fault in TEXT ends the test. */
void msgpack_text_pack(struct buffer *out, const char *text);

#endif
