#include "client/ctl_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	FIRST_READ = 64 << 10, /* bytes; a buffer doubles from there */
};

static int is_standard(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

void ctl_files_guard_standard(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* The wrong way round: what is closed stays an error. */
		if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			_exit(2);
	}
}

void ctl_files_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int ctl_files_open_input(const char *path, int *fd)
{
	int opened = STDIN_FILENO;

	if (!is_standard(path)) {
		opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (opened < 0)
			return -errno;
	}
	*fd = opened;
	return 0;
}

void ctl_files_close_input(int fd)
{
	if (fd > STDIN_FILENO)
		close(fd);
}

int ctl_files_open_output(const char *path, FILE **file)
{
	FILE *opened = stdout;

	if (!is_standard(path)) {
		opened = fopen(path, "we");
		if (!opened)
			return -errno;
	}
	*file = opened;
	return 0;
}

/*
 * An earlier write may have failed without leaving an errno: EIO stands for
 * it.  A descriptor that was closed from the start and never written is fine.
 */
int ctl_files_close_output(FILE *file)
{
	int had_error = ferror(file);

	errno = 0;
	if (fflush(file) != 0 || had_error) {
		int error = errno ? errno : EIO;

		fclose(file);
		return -error;
	}
	if (fclose(file) != 0 && errno != EBADF)
		return -errno;
	return 0;
}

/* Doubles *CAPACITY, to one byte over LIMIT at most. */
static int grow(char **buffer, size_t *capacity, size_t limit)
{
	size_t wanted = *capacity ? *capacity * 2 : FIRST_READ;
	char *bigger;

	if (wanted > limit + 1)
		wanted = limit + 1;
	bigger = realloc(*buffer, wanted);
	if (!bigger)
		return -ENOMEM;
	*buffer = bigger;
	*capacity = wanted;
	return 0;
}

int ctl_files_read_all(int fd, size_t limit, void **data, size_t *len)
{
	char *buffer = NULL;
	size_t capacity = 0, used = 0;
	ssize_t n;
	int r;

	for (;;) {
		r = -EFBIG;
		if (used > limit)
			goto fail;
		if (used == capacity) {
			r = grow(&buffer, &capacity, limit);
			if (r < 0)
				goto fail;
		}
		n = read(fd, buffer + used, capacity - used);
		if (n < 0 && errno == EINTR)
			continue;
		r = -errno;
		if (n < 0)
			goto fail;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	*data = buffer;
	*len = used;
	return 0;
fail:
	free(buffer);
	return r;
}
