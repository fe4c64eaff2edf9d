#include "tests/support/hook_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

static struct hook_io *hook_of(struct io *io)
{
	return (struct hook_io *)(void *)io;
}

static int hook_open(struct io *io, const char *path, int flags)
{
	struct hook_io *hook = hook_of(io);
	int error = hook->open_error;

	if (flags & O_CREAT && strstr(path, "/MANIFEST")) {
		hook->n_manifests++;
		while (hook->hold_manifests)
			sched_yield();
	}
	if (error != 0 && flags & O_CREAT)
		return error;
	return io_system()->open(io_system(), path, flags);
}

static void pass_gate(struct hook_io *hook, size_t len)
{
	pthread_mutex_lock(&hook->lock);
	if (len <= HOOK_HELD_READ_MAX && hook->hold_reads) {
		hook->n_held++;
		pthread_cond_broadcast(&hook->changed);
		while (hook->hold_reads)
			pthread_cond_wait(&hook->changed, &hook->lock);
		hook->n_held--;
	}
	pthread_mutex_unlock(&hook->lock);
}

void hook_hold_reads(struct hook_io *hook)
{
	pthread_mutex_lock(&hook->lock);
	hook->hold_reads = true;
	pthread_mutex_unlock(&hook->lock);
}

void hook_let_reads_go(struct hook_io *hook)
{
	pthread_mutex_lock(&hook->lock);
	hook->hold_reads = false;
	pthread_cond_broadcast(&hook->changed);
	pthread_mutex_unlock(&hook->lock);
}

void hook_await_held(struct hook_io *hook, unsigned int n)
{
	pthread_mutex_lock(&hook->lock);
	while (hook->n_held < n)
		pthread_cond_wait(&hook->changed, &hook->lock);
	pthread_mutex_unlock(&hook->lock);
}

static ssize_t hook_pread(struct io *io, int fd, void *data, size_t len,
			  uint64_t off)
{
	struct hook_io *hook = hook_of(io);

	hook->n_preads++;
	pass_gate(hook, len);
	if (hook->read_error != 0 && len >= hook->read_error_len)
		return hook->read_error;
	return io_system()->pread(io_system(), fd, data, len, off);
}

static ssize_t hook_pread_nowait(struct io *io, int fd, void *data, size_t len,
				 uint64_t off)
{
	struct hook_io *hook = hook_of(io);
	int error = hook->nowait_error;

	hook->n_preads++;
	hook->n_nowaits++;
	if (error == 0 && hook->read_error != 0 && len >= hook->read_error_len)
		error = hook->read_error;
	if (error != 0)
		return error;
	/* Where the file system cannot tell, its page cache will do. */
	return io_system()->pread(io_system(), fd, data, len, off);
}

static ssize_t hook_pwritev(struct io *io, int fd, const struct iovec *iov,
			    int n_iov, uint64_t off)
{
	struct hook_io *hook = hook_of(io);

	hook->n_writes++;
	hook->syncs_at_write = hook->n_syncs;
	while (hook->hold_writes)
		sched_yield();
	if (hook->write_error != 0 &&
	    atomic_fetch_sub(&hook->writes_left, 1) <= 0)
		return hook->write_error;
	return io_system()->pwritev(io_system(), fd, iov, n_iov, off);
}

static int hook_sync(struct io *io, int fd)
{
	struct hook_io *hook = hook_of(io);

	while (hook->hold_syncs)
		sched_yield();
	hook->n_syncs++;
	if (hook->sync_error != 0)
		return hook->sync_error;
	return io_system()->sync(io_system(), fd);
}

static int hook_allocate(struct io *io, int fd, uint64_t off, uint64_t len)
{
	if (hook_of(io)->allocate_error != 0)
		return hook_of(io)->allocate_error;
	return io_system()->allocate(io_system(), fd, off, len);
}

static int hook_link(struct io *io, const char *from, const char *to)
{
	struct hook_io *hook = hook_of(io);

	hook->n_links++;
	while (hook->hold_links)
		sched_yield();
	if (hook->link_error != 0)
		return hook->link_error;
	return io_system()->link(io_system(), from, to);
}

static uint64_t hook_clock_ms(struct io *io)
{
	int64_t now = (int64_t)io_system()->clock_ms(io_system());

	return (uint64_t)(now + hook_of(io)->clock_step_ms);
}

void hook_io_init(struct hook_io *hook)
{
	memset(hook, 0, sizeof(*hook));
	pthread_mutex_init(&hook->lock, NULL);
	pthread_cond_init(&hook->changed, NULL);
	hook->io = *io_system();
	/* What is read from a mapping passes no hook. */
	hook->io.map = NULL;
	hook->io.open = hook_open;
	hook->io.pread = hook_pread;
	hook->io.pread_nowait = hook_pread_nowait;
	hook->io.pwritev = hook_pwritev;
	hook->io.sync = hook_sync;
	hook->io.allocate = hook_allocate;
	hook->io.link = hook_link;
	hook->io.clock_ms = hook_clock_ms;
}

void hook_io_deinit(struct hook_io *hook)
{
	pthread_cond_destroy(&hook->changed);
	pthread_mutex_destroy(&hook->lock);
}
