#include "daemon/refusal.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/buffer.h"
#include "proto/message.h"

void refusal_send(int fd, const char *text)
{
	struct message_error error = { .code = MESSAGE_ERROR_BUSY };
	struct buffer frame;

	snprintf(error.text, sizeof(error.text), "%s", text);
	buffer_init(&frame);
	if (message_encode_error(&frame, 0, &error) == 0)
		(void)!send(fd, frame.data, frame.len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	buffer_deinit(&frame);
	close(fd);
}
