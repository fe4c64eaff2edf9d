#include "daemon/systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

int systemd_take_listener(int *fd, struct failure *failure)
{
	int n = sd_listen_fds(1);

	if (n < 0)
		return failure_set(failure, -EINVAL,
				   "LISTEN_FDS cannot be used: %s",
				   strerror(-n));
	if (n == 0) {
		*fd = -1;
		return 0;
	}
	if (n > 1)
		return failure_set(failure, -EINVAL,
				   "%d sockets were passed: the socket unit "
				   "must have one ListenStream=",
				   n);
	if (sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <=
	    0)
		return failure_set(failure, -EINVAL,
				   "the socket that was passed is not a "
				   "listening Unix stream socket: the socket "
				   "unit wants ListenStream= with a path");
	*fd = SD_LISTEN_FDS_START;
	return 0;
}

void systemd_ready(void)
{
	sd_notify(0, "READY=1");
}

void systemd_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void systemd_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

void systemd_status(const char *text)
{
	sd_notifyf(0, "STATUS=%s", text);
}

void systemd_extend_timeout(uint64_t usec)
{
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
}

uint64_t systemd_watchdog_interval_ms(void)
{
	uint64_t usec = 0;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	/* Half of it, as sd_watchdog_enabled(3) advises; never 0. */
	return usec / 2 / 1000 > 0 ? usec / 2 / 1000 : 1;
}
