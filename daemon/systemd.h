/*
 * systemd: socket activation, notification, watchdog.  Without systemd
 * (no NOTIFY_SOCKET, no LISTEN_FDS) every call does nothing and succeeds.
 */
#ifndef GETME_DAEMON_SYSTEMD_H
#define GETME_DAEMON_SYSTEMD_H

#include <stdint.h>

#include "daemon/failure.h"

/*
 * The listener that was passed: FD is its descriptor, or -1 when none was.
 * 0, or -EINVAL with FAILURE: more than one, or not a listening Unix stream
 * socket.  The environment is cleared, so it works once.
 */
int systemd_take_listener(int *fd, struct failure *failure);

void systemd_ready(void);
void systemd_stopping(void);
void systemd_watchdog(void);

/* One line for `systemctl status`. */
void systemd_status(const char *text);

/* Asks for USEC more to start or stop. */
void systemd_extend_timeout(uint64_t usec);

/* How often systemd_watchdog must be called, in ms; 0: not at all. */
uint64_t systemd_watchdog_interval_ms(void);

#endif
