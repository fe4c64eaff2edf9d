#include "tests/crash/simtree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_START_MS 1700000000000 /* November 2023 */

enum {
	NAME_LEN_MAX = 255,
};

static const char *const call_names[SIMFS_N_CALLS] = {
	[SIMFS_OPEN] = "open",	       [SIMFS_CLOSE] = "close",
	[SIMFS_PREAD] = "pread",       [SIMFS_PWRITEV] = "pwritev",
	[SIMFS_SYNC] = "sync",	       [SIMFS_WRITEBACK] = "writeback",
	[SIMFS_ALLOCATE] = "allocate", [SIMFS_PUNCH] = "punch",
	[SIMFS_STAT] = "stat",	       [SIMFS_RENAME] = "rename",
	[SIMFS_LINK] = "link",	       [SIMFS_UNLINK] = "unlink",
	[SIMFS_MKDIR] = "mkdir",       [SIMFS_RMDIR] = "rmdir",
	[SIMFS_SYNC_DIR] = "sync_dir", [SIMFS_LIST] = "list",
	[SIMFS_LOCK] = "lock",
};

/* One call under way. */
struct call {
	struct simfs *fs;
	enum simfs_call kind;
	int late_error; /* comes back although the change was made */
	bool is_short;
	bool changed;
};

const char *simfs_call_name(enum simfs_call call)
{
	return call_names[call];
}

/* Paths and descriptors */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Finds the folder that PATH lies in and its last name, which is empty for
 * the root.  0, -ENOENT, -ENOTDIR, -ENAMETOOLONG.
 */
static int walk(struct simfs *fs, const char *path, struct simnode **dir,
		char name[NAME_LEN_MAX + 1])
{
	struct simnode *at = fs->root, *next;

	name[0] = '\0';
	for (;;) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			break;
		if (len > NAME_LEN_MAX)
			return -ENAMETOOLONG;
		if (len == 1 && *path == '.') {
			path++;
			continue;
		}
		if (name[0]) {
			next = simnames_find(&at->seen_names, name);
			if (!next)
				return -ENOENT;
			if (!next->is_dir)
				return -ENOTDIR;
			at = next;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
	}
	*dir = at;
	return 0;
}

static int find_node(struct simfs *fs, const char *path, struct simnode **node)
{
	char name[NAME_LEN_MAX + 1];
	struct simnode *dir, *found;
	int result = walk(fs, path, &dir, name);

	if (result)
		return result;
	found = name[0] ? simnames_find(&dir->seen_names, name) : dir;
	if (!found)
		return -ENOENT;
	*node = found;
	return 0;
}

static int find_dir(struct simfs *fs, const char *path, struct simnode **dir)
{
	struct simnode *found;
	int result = find_node(fs, path, &found);

	if (result)
		return result;
	if (!found->is_dir)
		return -ENOTDIR;
	*dir = found;
	return 0;
}

static struct simnode *fd_node(struct simfs *fs, int fd, bool for_writing)
{
	if (fd < 0 || (size_t)fd >= fs->n_fds || !fs->fds[fd].node ||
	    (for_writing && !fs->fds[fd].writable)) {
		fs->n_misused++;
		return NULL;
	}
	return fs->fds[fd].node;
}

static int new_fd(struct simfs *fs, struct simnode *node, bool writable)
{
	size_t fd = 0;

	while (fd < fs->n_fds && fs->fds[fd].node)
		fd++;
	if (fd == fs->n_fds) {
		fs->fds = sim_grow(fs->fds, fs->n_fds, sizeof(*fs->fds));
		fs->n_fds++;
	}
	fs->fds[fd].node = simnode_get(node);
	fs->fds[fd].writable = writable;
	return (int)fd;
}

static void free_fd(struct simfs *fs, int fd)
{
	struct simnode *node = fs->fds[fd].node;

	if (node->lock_fd == fd)
		node->lock_fd = SIM_NO_FD;
	fs->fds[fd].node = NULL;
	simnode_put(node);
}

/* The frame of every call */

static int call_begin(struct call *call, struct io *io, enum simfs_call kind)
{
	struct simfs *fs = (struct simfs *)io;
	const struct simfs_fault *fault = &fs->fault;

	pthread_mutex_lock(&fs->lock);
	*call = (struct call){ .fs = fs, .kind = kind };
	fs->n_calls[kind]++;
	if (!(fault->calls & (1u << kind)) || fs->fault_paused)
		return 0;
	fs->n_fault_calls++;
	if (fs->n_fault_calls < fault->nth ||
	    (fs->n_fault_calls > fault->nth && !fault->from_then))
		return 0;
	fs->n_faults++;
	call->is_short = fault->is_short;
	if (fault->is_applied)
		call->late_error = -fault->error;
	return fault->is_short || fault->is_applied ? 0 : -fault->error;
}

__attribute__((format(printf, 3, 4))) static ssize_t
call_end(struct call *call, ssize_t result, const char *what, ...)
{
	struct simfs *fs = call->fs;
	va_list args;

	if (call->late_error) {
		if (call->kind == SIMFS_OPEN && result >= 0)
			free_fd(fs, (int)result);
		result = call->late_error;
	}
	if (fs->trace) {
		fprintf(fs->trace, "# %5llu %s ",
			(unsigned long long)simfs_n_all_calls(fs),
			call_names[call->kind]);
		va_start(args, what);
		vfprintf(fs->trace, what, args);
		va_end(args);
		fprintf(fs->trace, " = %zd\n", result);
	}
	if (fs->hook)
		fs->hook(fs->hook_ctx, fs, call->kind, call->changed);
	pthread_mutex_unlock(&fs->lock);
	return result;
}

/* The calls */

static int do_open(struct call *call, const char *path, int flags)
{
	struct simfs *fs = call->fs;
	char name[NAME_LEN_MAX + 1];
	struct simnode *dir, *node;
	bool writable = (flags & O_ACCMODE) != O_RDONLY;
	int result = walk(fs, path, &dir, name);

	if (result)
		return result;
	node = name[0] ? simnames_find(&dir->seen_names, name) : dir;
	if (node && (flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (node && node->is_dir)
		return -EISDIR;
	if (node)
		return new_fd(fs, node, writable);
	if (!(flags & O_CREAT))
		return -ENOENT;
	node = simnode_new(false);
	simtree_add_link(fs, NULL, NULL, dir, name, node);
	result = new_fd(fs, node, writable);
	simnode_put(node);
	call->changed = true;
	return result;
}

static int sim_open(struct io *io, const char *path, int flags)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_OPEN);

	if (!result)
		result = do_open(&call, path, flags);
	return (int)call_end(&call, result, "%s %#x", path, (unsigned)flags);
}

/* As in the kernel, the descriptor is gone even when close fails. */
static int sim_close(struct io *io, int fd)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_CLOSE);

	if (!fd_node(call.fs, fd, false))
		result = -EBADF;
	else
		free_fd(call.fs, fd);
	return (int)call_end(&call, result, "%d", fd);
}

static ssize_t sim_pread(struct io *io, int fd, void *data, size_t len,
			 uint64_t off)
{
	struct call call;
	ssize_t result = call_begin(&call, io, SIMFS_PREAD);
	struct simnode *node = fd_node(call.fs, fd, false);

	if (!node)
		result = -EBADF;
	if (call.is_short)
		len = (len + 1) / 2;
	if (!result)
		result = (ssize_t)simbytes_read(&node->seen, off, data, len);
	return call_end(&call, result, "%d %llu+%zu", fd,
			(unsigned long long)off, len);
}

/* A disk of memory has nothing to wait for, unless it is told to. */
static ssize_t sim_pread_nowait(struct io *io, int fd, void *data, size_t len,
				uint64_t off)
{
	struct simfs *fs = (struct simfs *)(void *)io;
	bool is_cold;

	pthread_mutex_lock(&fs->lock);
	is_cold = fs->is_cold;
	pthread_mutex_unlock(&fs->lock);
	return is_cold ? -EAGAIN : sim_pread(io, fd, data, len, off);
}

static ssize_t do_pwritev(struct call *call, struct simnode *node,
			  const struct iovec *iov, int n_iov, uint64_t off)
{
	size_t len = 0, done = 0;
	uint8_t *data;

	for (int i = 0; i < n_iov; i++)
		len += iov[i].iov_len;
	if (call->is_short)
		len = (len + 1) / 2;
	if (!len)
		return 0;
	data = sim_alloc(len);
	for (int i = 0; i < n_iov && done < len; i++) {
		size_t n = min_u64(iov[i].iov_len, len - done);

		if (n)
			memcpy(data + done, iov[i].iov_base, n);
		done += n;
	}
	simtree_add_change(call->fs, node, SIMCHANGE_WRITE, off, len, data);
	call->changed = true;
	return (ssize_t)len;
}

static ssize_t sim_pwritev(struct io *io, int fd, const struct iovec *iov,
			   int n_iov, uint64_t off)
{
	struct call call;
	ssize_t result = call_begin(&call, io, SIMFS_PWRITEV);
	struct simnode *node = fd_node(call.fs, fd, true);

	if (!node)
		result = -EBADF;
	if (!result)
		result = do_pwritev(&call, node, iov, n_iov, off);
	return call_end(&call, result, "%d at %llu", fd,
			(unsigned long long)off);
}

static int sim_sync(struct io *io, int fd)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_SYNC);
	struct simnode *node = fd_node(call.fs, fd, false);

	if (!node)
		result = -EBADF;
	else if (result)
		call.changed = simtree_fail_sync(call.fs, node);
	else
		call.changed = simtree_sync(call.fs, node);
	return (int)call_end(&call, result, "%d", fd);
}

static int sim_writeback(struct io *io, int fd, uint64_t off, uint64_t len)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_WRITEBACK);

	if (!fd_node(call.fs, fd, false))
		result = -EBADF;
	return (int)call_end(&call, result, "%d %llu+%llu", fd,
			     (unsigned long long)off, (unsigned long long)len);
}

static int change_range(struct io *io, int fd, uint64_t off, uint64_t len,
			enum simfs_call kind, enum simchange_kind change)
{
	struct call call;
	int result = call_begin(&call, io, kind);
	struct simnode *node = fd_node(call.fs, fd, true);

	if (!node)
		result = -EBADF;
	if (!result && !len)
		result = -EINVAL;
	if (!result) {
		simtree_add_change(call.fs, node, change, off, len, NULL);
		call.changed = true;
	}
	return (int)call_end(&call, result, "%d %llu+%llu", fd,
			     (unsigned long long)off, (unsigned long long)len);
}

static int sim_allocate(struct io *io, int fd, uint64_t off, uint64_t len)
{
	return change_range(io, fd, off, len, SIMFS_ALLOCATE,
			    SIMCHANGE_ALLOCATE);
}

static int sim_punch(struct io *io, int fd, uint64_t off, uint64_t len)
{
	return change_range(io, fd, off, len, SIMFS_PUNCH, SIMCHANGE_PUNCH);
}

/* How many names a file has, in the folder DIR and below. */
static uint32_t count_names(const struct simnode *dir,
			    const struct simnode *node)
{
	uint32_t n = 0;

	for (size_t i = 0; i < dir->seen_names.n; i++) {
		const struct simnode *at = dir->seen_names.at[i].node;

		if (at == node)
			n++;
		else if (at->is_dir)
			n += count_names(at, node);
	}
	return n;
}

static int sim_stat(struct io *io, int fd, struct io_stat *stat)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_STAT);
	const struct simnode *node = fd_node(call.fs, fd, false);

	if (!node)
		result = -EBADF;
	if (!result) {
		stat->size = node->seen.size;
		stat->allocated = simbytes_allocated(&node->seen);
		stat->n_links = count_names(call.fs->root, node);
	}
	return (int)call_end(&call, result, "%d", fd);
}

static int do_rename(struct call *call, const char *from, const char *to)
{
	struct simfs *fs = call->fs;
	char old_name[NAME_LEN_MAX + 1], new_name[NAME_LEN_MAX + 1];
	struct simnode *old_dir, *new_dir, *node, *there;
	int result = walk(fs, from, &old_dir, old_name);

	if (!result)
		result = walk(fs, to, &new_dir, new_name);
	if (result)
		return result;
	node = simnames_find(&old_dir->seen_names, old_name);
	if (!node)
		return -ENOENT;
	if (!new_name[0])
		return -EBUSY;
	there = simnames_find(&new_dir->seen_names, new_name);
	if (there == node)
		return 0;
	if (there && there->is_dir)
		return -EISDIR;
	if (there && node->is_dir)
		return -ENOTDIR;
	simtree_add_link(fs, old_dir, old_name, new_dir, new_name, node);
	call->changed = true;
	return 0;
}

static int sim_rename(struct io *io, const char *from, const char *to)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_RENAME);

	if (!result)
		result = do_rename(&call, from, to);
	return (int)call_end(&call, result, "%s %s", from, to);
}

static int do_link(struct call *call, const char *from, const char *to)
{
	char old_name[NAME_LEN_MAX + 1], new_name[NAME_LEN_MAX + 1];
	struct simnode *old_dir, *new_dir, *node;
	int result = walk(call->fs, from, &old_dir, old_name);

	if (!result)
		result = walk(call->fs, to, &new_dir, new_name);
	if (result)
		return result;
	node = simnames_find(&old_dir->seen_names, old_name);
	if (!node)
		return -ENOENT;
	if (node->is_dir)
		return -EPERM;
	if (!new_name[0] || simnames_find(&new_dir->seen_names, new_name))
		return -EEXIST;
	simtree_add_link(call->fs, NULL, NULL, new_dir, new_name, node);
	call->changed = true;
	return 0;
}

static int sim_link(struct io *io, const char *from, const char *to)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_LINK);

	if (!result)
		result = do_link(&call, from, to);
	return (int)call_end(&call, result, "%s %s", from, to);
}

static int do_remove(struct call *call, const char *path, bool is_dir)
{
	char name[NAME_LEN_MAX + 1];
	struct simnode *dir, *node;
	int result = walk(call->fs, path, &dir, name);

	if (result)
		return result;
	node = simnames_find(&dir->seen_names, name);
	if (!node)
		return -ENOENT;
	if (node->is_dir != is_dir)
		return is_dir ? -ENOTDIR : -EISDIR;
	if (node->seen_names.n)
		return -ENOTEMPTY;
	simtree_add_link(call->fs, dir, name, NULL, NULL, NULL);
	call->changed = true;
	return 0;
}

static int sim_unlink(struct io *io, const char *path)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_UNLINK);

	if (!result)
		result = do_remove(&call, path, false);
	return (int)call_end(&call, result, "%s", path);
}

static int sim_rmdir(struct io *io, const char *path)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_RMDIR);

	if (!result)
		result = do_remove(&call, path, true);
	return (int)call_end(&call, result, "%s", path);
}

static int do_mkdir(struct call *call, const char *path)
{
	char name[NAME_LEN_MAX + 1];
	struct simnode *dir, *node;
	int result = walk(call->fs, path, &dir, name);

	if (result)
		return result;
	if (!name[0] || simnames_find(&dir->seen_names, name))
		return -EEXIST;
	node = simnode_new(true);
	simtree_add_link(call->fs, NULL, NULL, dir, name, node);
	simnode_put(node);
	call->changed = true;
	return 0;
}

static int sim_mkdir(struct io *io, const char *path)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_MKDIR);

	if (!result)
		result = do_mkdir(&call, path);
	return (int)call_end(&call, result, "%s", path);
}

static int sim_sync_dir(struct io *io, const char *path)
{
	struct call call;
	struct simnode *dir;
	int result = call_begin(&call, io, SIMFS_SYNC_DIR);

	if (!result)
		result = find_dir(call.fs, path, &dir);
	if (!result)
		call.changed = simtree_sync_names(call.fs, dir);
	return (int)call_end(&call, result, "%s", path);
}

/* EACH may call us, so it gets names from a copy. */
static int do_list(struct simnode *dir,
		   int (*each)(void *ctx, const char *name), void *ctx)
{
	size_t n = dir->seen_names.n;
	char **names = sim_alloc(n * sizeof(*names));
	int result = 0;

	for (size_t i = 0; i < n; i++)
		names[i] = sim_strdup(dir->seen_names.at[i].name);
	for (size_t i = 0; i < n; i++) {
		if (!result)
			result = each(ctx, names[i]);
		free(names[i]);
	}
	free(names);
	return result < 0 ? result : 0;
}

static int sim_list(struct io *io, const char *path,
		    int (*each)(void *ctx, const char *name), void *ctx)
{
	struct call call;
	struct simnode *dir;
	int result = call_begin(&call, io, SIMFS_LIST);

	if (!result)
		result = find_dir(call.fs, path, &dir);
	if (!result)
		result = do_list(dir, each, ctx);
	return (int)call_end(&call, result, "%s", path);
}

static int sim_lock(struct io *io, int fd)
{
	struct call call;
	int result = call_begin(&call, io, SIMFS_LOCK);
	struct simnode *node = fd_node(call.fs, fd, false);

	if (!node)
		result = -EBADF;
	else if (node->lock_fd != SIM_NO_FD && node->lock_fd != fd)
		result = -EWOULDBLOCK;
	else if (!result)
		node->lock_fd = fd;
	return (int)call_end(&call, result, "%d", fd);
}

static uint64_t sim_clock_ms(struct io *io)
{
	struct simfs *fs = (struct simfs *)io;
	uint64_t ms;

	pthread_mutex_lock(&fs->lock);
	ms = fs->clock_ms;
	pthread_mutex_unlock(&fs->lock);
	return ms;
}

static const struct io sim_table = {
	.open = sim_open,
	.close = sim_close,
	.pread = sim_pread,
	.pread_nowait = sim_pread_nowait,
	.pwritev = sim_pwritev,
	.sync = sim_sync,
	.writeback = sim_writeback,
	.allocate = sim_allocate,
	.punch = sim_punch,
	.stat = sim_stat,
	.rename = sim_rename,
	.link = sim_link,
	.unlink = sim_unlink,
	.mkdir = sim_mkdir,
	.rmdir = sim_rmdir,
	.sync_dir = sim_sync_dir,
	.list = sim_list,
	.lock = sim_lock,
	.clock_ms = sim_clock_ms,
};

/* The simulation as a whole */

struct simfs *simfs_new(void)
{
	struct simfs *fs = sim_alloc(sizeof(*fs));
	pthread_mutexattr_t attr;

	/* A hook runs inside a call and may look at FS. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&fs->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	fs->io = sim_table;
	fs->root = simnode_new(true);
	fs->clock_ms = CLOCK_START_MS;
	return fs;
}

void simfs_kill(struct simfs *fs)
{
	pthread_mutex_lock(&fs->lock);
	for (size_t i = 0; i < fs->n_fds; i++)
		if (fs->fds[i].node)
			free_fd(fs, (int)i);
	pthread_mutex_unlock(&fs->lock);
}

void simfs_free(struct simfs *fs)
{
	if (!fs)
		return;
	simfs_kill(fs);
	simtree_clear(fs);
	free(fs->fds);
	pthread_mutex_destroy(&fs->lock);
	free(fs);
}

struct io *simfs_io(struct simfs *fs)
{
	return &fs->io;
}

void simfs_set_clock(struct simfs *fs, uint64_t ms)
{
	pthread_mutex_lock(&fs->lock);
	fs->clock_ms = ms;
	pthread_mutex_unlock(&fs->lock);
}

void simfs_set_cold(struct simfs *fs, bool is_cold)
{
	pthread_mutex_lock(&fs->lock);
	fs->is_cold = is_cold;
	pthread_mutex_unlock(&fs->lock);
}

unsigned simfs_n_open(struct simfs *fs)
{
	unsigned n = 0;

	pthread_mutex_lock(&fs->lock);
	for (size_t i = 0; i < fs->n_fds; i++)
		if (fs->fds[i].node)
			n++;
	pthread_mutex_unlock(&fs->lock);
	return n;
}

unsigned simfs_n_misused(struct simfs *fs)
{
	return fs->n_misused;
}

uint64_t simfs_n_calls(struct simfs *fs, enum simfs_call call)
{
	return fs->n_calls[call];
}

uint64_t simfs_n_all_calls(struct simfs *fs)
{
	uint64_t sum = 0;

	for (int i = 0; i < SIMFS_N_CALLS; i++)
		sum += fs->n_calls[i];
	return sum;
}

void simfs_set_trace(struct simfs *fs, FILE *trace)
{
	fs->trace = trace;
}

void simfs_set_hook(struct simfs *fs, simfs_hook *hook, void *ctx)
{
	pthread_mutex_lock(&fs->lock);
	fs->hook = hook;
	fs->hook_ctx = ctx;
	pthread_mutex_unlock(&fs->lock);
}

void simfs_set_fault(struct simfs *fs, const struct simfs_fault *fault)
{
	pthread_mutex_lock(&fs->lock);
	fs->fault = fault ? *fault : (struct simfs_fault){ 0 };
	fs->n_fault_calls = 0;
	fs->n_faults = 0;
	pthread_mutex_unlock(&fs->lock);
}

void simfs_pause_fault(struct simfs *fs, bool paused)
{
	pthread_mutex_lock(&fs->lock);
	fs->fault_paused = paused;
	pthread_mutex_unlock(&fs->lock);
}

uint64_t simfs_n_faults(struct simfs *fs)
{
	return fs->n_faults;
}
