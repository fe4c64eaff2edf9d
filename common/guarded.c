#include "common/guarded.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * What this thread copies; the handler runs on the thread whose access
 * failed.  Not allocated at the first use, as a library's would be, since
 * that might be the handler's.
 */
static _Thread_local struct {
	volatile uintptr_t from;
	volatile uintptr_t end; /* 0: it copies nothing */
	volatile sig_atomic_t failed;
} copying __attribute__((tls_model("initial-exec")));

static struct sigaction previous;
static uintptr_t page_len;

static bool replace_page(uintptr_t at)
{
	/* Of the kernel's own: an address is what is to be replaced. */
	void *page = (void *)(at & ~(page_len - 1));

	return mmap(page, page_len, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page;
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(number, info, context);
	} else if (previous.sa_handler == SIG_DFL ||
		   previous.sa_handler == SIG_IGN) {
		/* It is raised once more, and nobody catches it then. */
		signal(number, SIG_DFL);
		if (info->si_code <= 0)
			raise(number);
	} else {
		previous.sa_handler(number);
	}
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	int error = errno;

	/* What a person sends has no address. */
	if (info->si_code > 0 && at >= (copying.from & ~(page_len - 1)) &&
	    at < copying.end && replace_page(at))
		copying.failed = 1;
	else
		pass_on(number, info, context);
	errno = error;
}

static int install(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };
	struct sigaction now;

	if (sigaction(SIGBUS, NULL, &now) < 0)
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus)
		return 0;
	page_len = (uintptr_t)sysconf(_SC_PAGESIZE);
	previous = now;
	action.sa_sigaction = on_sigbus;
	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

int guarded_install(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int result;

	pthread_mutex_lock(&lock);
	result = install();
	pthread_mutex_unlock(&lock);
	return result;
}

int guarded_copy(void *to, const void *from, size_t len)
{
	copying.failed = 0;
	copying.from = (uintptr_t)from;
	copying.end = (uintptr_t)from + len;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memcpy(to, from, len);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	copying.end = 0;
	return copying.failed ? -EIO : 0;
}
