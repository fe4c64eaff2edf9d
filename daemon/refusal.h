/*
 * refusal: a client that is not let in is told why.
 */
#ifndef GETME_DAEMON_REFUSAL_H
#define GETME_DAEMON_REFUSAL_H

/*
 * One error frame with TEXT, as far as the socket takes it; then FD is
 * closed.  Never blocks.
 */
void refusal_send(int fd, const char *text);

#endif
