/*
 * message_equal: do two messages say the same?
 *
 * Pointers may differ, what they point to may not.
 */
#ifndef GETME_TESTS_SUPPORT_MESSAGE_EQUAL_H
#define GETME_TESTS_SUPPORT_MESSAGE_EQUAL_H

#include <stdbool.h>

#include "proto/message.h"

bool message_equal_requests(const struct message_request *a,
			    const struct message_request *b);
bool message_equal_replies(const struct message_reply *a,
			   const struct message_reply *b);

#endif
