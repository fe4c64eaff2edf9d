#include "common/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/path.h"

static int read_all(struct io *io, int fd, uint64_t len_min, uint64_t len_max,
		    uint8_t **data, size_t *len)
{
	struct io_stat st;
	uint8_t *bytes;
	int result = io->stat(io, fd, &st);

	if (result < 0)
		return result;
	if (st.size < len_min || st.size > len_max)
		return -EMSGSIZE;
	bytes = malloc(st.size ? st.size : 1);
	if (!bytes)
		return -ENOMEM;
	result = io_pread_full(io, fd, bytes, st.size, 0);
	if (result < 0) {
		free(bytes);
		return result == -ENODATA ? -EMSGSIZE : result;
	}
	*data = bytes;
	*len = st.size;
	return 0;
}

int whole_file_read(struct io *io, const char *path, uint64_t len_min,
		    uint64_t len_max, uint8_t **data, size_t *len)
{
	int result;
	int fd = io->open(io, path, O_RDONLY);

	if (fd < 0)
		return fd;
	result = read_all(io, fd, len_min, len_max, data, len);
	io->close(io, fd);
	return result;
}

int whole_file_replace(struct io *io, const char *path, const void *data,
		       size_t len)
{
	char tmp[PATH_LEN_MAX];
	int n = snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	int result;
	int fd;

	if (n < 0 || (size_t)n >= sizeof(tmp))
		return -ENAMETOOLONG;
	io->unlink(io, tmp);
	fd = io->open(io, tmp, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	result = io_pwrite_full(io, fd, data, len, 0);
	if (result == 0)
		result = io->sync(io, fd);
	io->close(io, fd);
	if (result == 0)
		result = io->rename(io, tmp, path);
	if (result < 0)
		io->unlink(io, tmp);
	return result;
}
