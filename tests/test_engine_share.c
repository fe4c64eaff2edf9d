/*
 * What is shared with readers in other processes: that it is enough to read,
 * that nothing can be done with it but reading, and what the readers see when
 * its owner clears, stops or dies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lock.h"
#include "common/view.h"
#include "tests/support/engine_rig.h"
#include "tests/support/store_kit.h"
#include "tests/support/tempdir.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* Linux 5.3 */
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448 /* Linux 5.15 */
#endif

enum {
	N_KILLS = 60,
	N_REAPED = 20,
	N_KEYS = 400,
	VALUE_LEN = 200,
	N_SEGMENTS_MAX = 64,
};

static struct engine_rig rig;

static int set_up(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.options.segment_size = 64 << 10;
	rig.options.compaction.dead_percent = 100;
	rig.options.compaction.small_segments = UINT32_MAX;
	rig_open(&rig);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static int share(enum engine_share_what what, uint64_t number, uint64_t index,
		 struct engine_share *out)
{
	struct rig_request request;
	int result;

	memset(&request, 0, sizeof(request));
	request.request.op = ENGINE_SHARE;
	request.request.share = (struct engine_share){
		.what = what, .number = number, .index = index, .fd = -1
	};
	rig_begin(&rig, &request);
	result = rig_wait(&rig, &request);
	*out = request.request.share;
	return result;
}

static struct engine_share take(enum engine_share_what what, uint64_t number,
				uint64_t index)
{
	struct engine_share got;

	assert_int_equal(share(what, number, index, &got), 0);
	assert_true(got.fd >= 0);
	return got;
}

static const void *map(const struct engine_share *share)
{
	void *base =
		mmap(NULL, share->len, PROT_READ, MAP_SHARED, share->fd, 0);

	assert_true(base != MAP_FAILED);
	close(share->fd);
	return base;
}

static void put_keys(const char *mark)
{
	char value[VALUE_LEN + 1];
	char key[32];

	memset(value, '.', VALUE_LEN);
	value[VALUE_LEN] = '\0';
	memcpy(value, mark, strlen(mark));
	for (int i = 0; i < N_KEYS; i++) {
		struct rig_request request;

		snprintf(key, sizeof(key), "key %d", i);
		rig_fill_put(&request, key, value, ENGINE_NONE);
		rig_begin(&rig, &request);
		assert_int_equal(rig_wait(&rig, &request), 0);
	}
}

/* ---- another process' view, made of what was shared ---- */

struct reader {
	struct lookup_map map;
	uint64_t index;
	struct {
		const uint8_t *base;
		uint64_t len;
	} segments[N_SEGMENTS_MAX];
};

static int read_segment(void *ctx, uint32_t segment, uint64_t off, void *data,
			size_t len, uint32_t *segment_id, uint64_t *rest)
{
	struct reader *reader = ctx;

	assert_true(segment < N_SEGMENTS_MAX);
	if (!reader->segments[segment].base) {
		struct engine_share got =
			take(ENGINE_SHARE_SEGMENT, segment, reader->index);

		reader->segments[segment].len = got.len;
		reader->segments[segment].base = map(&got);
	}
	assert_true(off + len <= reader->segments[segment].len);
	memcpy(data, reader->segments[segment].base + off, len);
	*segment_id = segment;
	*rest = reader->segments[segment].len - off;
	return 0;
}

static uint64_t no_clock(void *ctx)
{
	(void)ctx;
	fail();
	return 0;
}

static void attach(struct reader *reader)
{
	struct engine_share header = take(ENGINE_SHARE_INDEX, 0, 0);
	struct engine_share chunk;
	bool used;

	memset(reader, 0, sizeof(*reader));
	reader->index = header.index;
	assert_int_equal(lookup_init(&reader->map, map(&header)), 0);
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		enum engine_share_what what = f == INDEX_PRIMARY
						      ? ENGINE_SHARE_PRIMARY
						      : ENGINE_SHARE_OVERFLOW;

		for (unsigned int i = 0;
		     share(what, i, reader->index, &chunk) == 0; i++)
			assert_int_equal(lookup_add_chunk(&reader->map,
							  (enum index_family)f,
							  i, map(&chunk),
							  &used),
					 0);
	}
}

static int look(struct reader *reader, const char *key, char mark[16])
{
	struct view view = { .map = &reader->map,
			     .source = { .read = read_segment,
					 .clock_ms = no_clock,
					 .ctx = reader } };
	struct digest digest =
		digest_of(reader->map.header->secret, key, strlen(key));
	struct view_buffer buffer = { NULL, 0 };
	struct view_entry entry;
	int result = view_get(&view, &digest, key, strlen(key), VIEW_VALUE,
			      &buffer, &entry);

	if (result == 0) {
		memcpy(mark, entry.value, 3);
		mark[3] = '\0';
	}
	view_buffer_deinit(&buffer);
	return result;
}

static void test_what_is_shared_is_enough_to_read(void **state)
{
	struct reader reader;
	char key[32], mark[16];

	(void)state;
	put_keys("one");
	attach(&reader);
	for (int i = 0; i < N_KEYS; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(look(&reader, key, mark), 0);
		assert_string_equal(mark, "one");
	}
	assert_int_equal(look(&reader, "none", mark), VIEW_NOT_FOUND);
	/* What comes later is seen without asking. */
	put_keys("two");
	assert_int_equal(look(&reader, "key 1", mark), 0);
	assert_string_equal(mark, "two");
	assert_true(rig_stat(&rig, "shared_descriptors") > 3);
}

/* ---- what can be done with it ---- */

static void check_is_read_only(const struct engine_share *share)
{
	char path[64];
	int fd = share->fd;

	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(write(fd, "x", 1) < 0);
	assert_true(ftruncate(fd, 0) < 0);
	assert_ptr_equal(mmap(NULL, share->len, PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0),
			 MAP_FAILED);
	/* Of another user the file's mode asks that; the seals, of all. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	assert_true(write(fd, "x", 1) < 0);
	assert_true(ftruncate(fd, 0) < 0);
	assert_true(ftruncate(fd, (off_t)share->len * 2) < 0);
	assert_true(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      (off_t)share->len) < 0);
	assert_ptr_equal(mmap(NULL, share->len, PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0),
			 MAP_FAILED);
	assert_true(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	close(fd);
}

static void test_the_index_can_only_be_read(void **state)
{
	const int seals =
		F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	struct engine_share header, chunk;
	struct stat st;

	(void)state;
	assert_int_equal(rig_put(&rig, "key", "value"), 0);
	header = take(ENGINE_SHARE_INDEX, 0, 0);
	chunk = take(ENGINE_SHARE_PRIMARY, 0, header.index);
	check_is_read_only(&header);
	check_is_read_only(&chunk);
	assert_int_equal(fcntl(chunk.fd, F_GET_SEALS), seals);
	assert_int_equal(fstat(chunk.fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_int_equal(st.st_size, chunk.len);
	close(header.fd);
	close(chunk.fd);
}

static void test_a_segment_is_opened_for_reading(void **state)
{
	struct engine_share header, segment;

	(void)state;
	assert_int_equal(rig_put(&rig, "key", "value"), 0);
	header = take(ENGINE_SHARE_INDEX, 0, 0);
	segment = take(ENGINE_SHARE_SEGMENT, rig_active_segment(&rig),
		       header.index);
	assert_int_equal(fcntl(segment.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(segment.len >= 64 << 10);
	close(header.fd);
	close(segment.fd);
}

/* Flags and offset of one are not those of another. */
static void test_each_gets_a_description_of_its_own(void **state)
{
	struct engine_share a = take(ENGINE_SHARE_INDEX, 0, 0);
	struct engine_share b = take(ENGINE_SHARE_INDEX, 0, 0);

	(void)state;
	assert_int_equal(lseek(a.fd, 17, SEEK_SET), 17);
	assert_int_equal(lseek(b.fd, 0, SEEK_CUR), 0);
	assert_int_equal(fcntl(a.fd, F_SETFL, O_NONBLOCK), 0);
	assert_false(fcntl(b.fd, F_GETFL) & O_NONBLOCK);
	close(a.fd);
	close(b.fd);
}

static void test_what_is_not_there_is_not_found(void **state)
{
	struct engine_share header = take(ENGINE_SHARE_INDEX, 0, 0);
	const uint64_t index = header.index;
	struct engine_share none;

	(void)state;
	close(header.fd);
	assert_int_equal(
		share(ENGINE_SHARE_PRIMARY, INDEX_CHUNKS_MAX, index, &none),
		ENGINE_NOT_FOUND);
	assert_int_equal(share(ENGINE_SHARE_PRIMARY, UINT64_MAX, index, &none),
			 ENGINE_NOT_FOUND);
	assert_int_equal(share(ENGINE_SHARE_OVERFLOW, 2000, index, &none),
			 ENGINE_NOT_FOUND);
	assert_int_equal(share(ENGINE_SHARE_SEGMENT, 0xffffff, index, &none),
			 ENGINE_NOT_FOUND);
	assert_int_equal(share(ENGINE_SHARE_SEGMENT, UINT64_MAX, index, &none),
			 ENGINE_NOT_FOUND);
	/* Not segment 1, whose low bits these are. */
	assert_int_equal(share(ENGINE_SHARE_SEGMENT, UINT64_C(1) << 24 | 1,
			       index, &none),
			 ENGINE_NOT_FOUND);
	assert_int_equal(share(ENGINE_SHARE_PRIMARY, 0, index + 1, &none),
			 ENGINE_NOT_FOUND);
}

/* ---- what readers see of their writer's fate ---- */

static void test_a_clear_ends_the_index_and_numbers_the_next(void **state)
{
	struct reader before, after;
	struct engine_share none;
	char mark[16];

	(void)state;
	put_keys("one");
	attach(&before);
	assert_true(lookup_is_current(&before.map));
	assert_int_equal(rig_simple(&rig, ENGINE_CLEAR), 0);
	assert_false(lookup_is_current(&before.map));
	assert_int_equal(share(ENGINE_SHARE_PRIMARY, 0, before.index, &none),
			 ENGINE_NOT_FOUND);
	attach(&after);
	assert_true(after.index != before.index);
	assert_true(lookup_is_current(&after.map));
	assert_int_equal(look(&after, "key 1", mark), VIEW_NOT_FOUND);
	put_keys("two");
	assert_int_equal(look(&after, "key 1", mark), 0);
	assert_string_equal(mark, "two");
}

/* A thread of the daemon may still read in it: it stays, but is history. */
static void test_a_clear_ends_an_index_that_is_held(void **state)
{
	struct rig_request get;
	struct reader reader;
	bool is_current;

	(void)state;
	put_keys("one");
	attach(&reader);
	rig.hook.nowait_error = -EAGAIN;
	hook_hold_reads(&rig.hook);
	rig_fill_get(&get, "key 1");
	rig_begin(&rig, &get);
	rig_turn(&rig);
	hook_await_held(&rig.hook, 1);
	assert_int_equal(rig_simple(&rig, ENGINE_CLEAR), 0);
	is_current = lookup_is_current(&reader.map);
	hook_let_reads_go(&rig.hook);
	rig_wait(&rig, &get);
	rig.hook.nowait_error = 0;
	assert_false(is_current);
}

static void test_a_stop_ends_the_index(void **state)
{
	struct reader reader;

	(void)state;
	put_keys("one");
	attach(&reader);
	assert_int_equal(engine_close(rig.engine), 0);
	assert_false(lookup_is_current(&reader.map));
	rig_start(&rig);
	assert_false(lookup_is_current(&reader.map));
}

/* An index that nobody has locked looks like one whose owner is gone. */
static void test_an_index_without_an_owner_is_not_current(void **state)
{
	static struct index_header header = { .magic = INDEX_MAGIC,
					      .layout = INDEX_LAYOUT,
					      .n_buckets = INDEX_BUCKETS_MIN };
	struct lookup_map map;

	(void)state;
	assert_int_equal(lookup_init(&map, &header), 0);
	assert_false(lookup_is_current(&map));
}

/* ---- its death ---- */

static void send_fd(int to, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = &control, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	control.header.cmsg_len = CMSG_LEN(sizeof(fd));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	assert_int_equal(sendmsg(to, &message, 0), 1);
}

static int receive_fd(int from)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* Another process that owns the store, until it is killed. */
static void own_it(int to, const char *dir)
{
	struct engine_share header;

	memset(&rig, 0, sizeof(rig));
	snprintf(rig.dir, sizeof(rig.dir), "%s", dir);
	rig.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hook_io_init(&rig.hook);
	rig_start(&rig);
	header = take(ENGINE_SHARE_INDEX, 0, 0);
	send_fd(to, header.fd);
	for (;;)
		pause();
}

static pid_t begin_owner(const char *dir, struct lookup_map *map)
{
	int pair[2];
	pid_t pid;
	int fd;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		own_it(pair[1], dir);
		_exit(1);
	}
	close(pair[1]);
	fd = receive_fd(pair[0]);
	close(pair[0]);
	assert_true(fd >= 0);
	assert_int_equal(lookup_init(map, mmap(NULL, INDEX_HEADER_LEN,
					       PROT_READ, MAP_SHARED, fd, 0)),
			 0);
	close(fd);
	return pid;
}

/*
 * Whoever gets the store's lock finds the flag set: so no successor can have
 * accepted a write while a reader still trusts what it sees.
 */
static void test_a_death_shows_before_a_successor_can_begin(void **state)
{
	char *dir = tempdir_new();
	char path[KIT_PATH_MAX];
	struct lookup_map map;
	struct io *io = io_system();

	(void)state;
	kit_path(dir, "LOCK", path);
	for (int i = 0; i < N_KILLS; i++) {
		pid_t pid = begin_owner(dir, &map);
		int fd = io->open(io, path, O_RDWR);

		assert_true(fd >= 0);
		assert_true(lookup_is_current(&map));
		assert_int_equal(io->lock(io, fd), -EWOULDBLOCK);
		kill(pid, SIGKILL);
		while (io->lock(io, fd) != 0)
			;
		assert_false(lookup_is_current(&map));
		io->close(io, fd);
		waitpid(pid, NULL, 0);
		munmap((void *)(uintptr_t)map.header, INDEX_HEADER_LEN);
	}
	tempdir_free(dir);
}

/* Here and now, unless the other process has run meanwhile. */
static bool kill_and_reap(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool reaped;

	kill(pid, SIGKILL);
	reaped = fd >= 0 && syscall(SYS_process_mrelease, fd, 0) == 0;
	close(fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return reaped;
}

/*
 * Where memory is short a killed process' own may go before its threads have
 * ended: then what it left for the kernel to do must not be there.
 */
static void test_a_death_shows_when_its_memory_went_first(void **state)
{
	const struct sched_param no_priority = { 0 };
	char *dir = tempdir_new();
	cpu_set_t before, one;
	struct lookup_map map;
	int n_reaped = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	for (int i = 0; i < N_REAPED; i++) {
		pid_t pid = begin_owner(dir, &map);

		/* It gets the processor that this one keeps busy. */
		sched_setscheduler(pid, SCHED_IDLE, &no_priority);
		sched_setaffinity(pid, sizeof(one), &one);
		sched_setaffinity(0, sizeof(one), &one);
		n_reaped += kill_and_reap(pid);
		sched_setaffinity(0, sizeof(before), &before);
		assert_false(lookup_is_current(&map));
		munmap((void *)(uintptr_t)map.header, INDEX_HEADER_LEN);
	}
	tempdir_free(dir);
	if (n_reaped == 0) {
		print_message("process_mrelease reaps nothing here\n");
		skip();
	}
}

static void test_an_owner_that_is_stopped_is_alive(void **state)
{
	char *dir = tempdir_new();
	struct lookup_map map;
	pid_t pid = begin_owner(dir, &map);
	int status;

	(void)state;
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_true(lookup_is_current(&map));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(lookup_is_current(&map));
	tempdir_free(dir);
}

/* ---- reclaim ---- */

static void compact(void)
{
	struct rig_request request = { .request.op = ENGINE_COMPACT };

	rig_begin(&rig, &request);
	assert_int_equal(rig_wait(&rig, &request), 0);
	rig_settle(&rig);
}

static void test_a_mapping_does_not_keep_the_room_of_what_went(void **state)
{
	struct engine_share header = take(ENGINE_SHARE_INDEX, 0, 0);
	struct engine_share got;
	const uint8_t *base;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(rig_put(&rig, "key 0", "zero"), 0);
	got = take(ENGINE_SHARE_SEGMENT, rig_active_segment(&rig),
		   header.index);
	put_keys("one");
	fd = dup(got.fd);
	base = map(&got);
	assert_memory_equal(base, "getMeSEG", 8);
	put_keys("two");
	compact();
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_size, got.len);
	assert_int_equal(st.st_blocks, 0);
	for (size_t i = 0; i < got.len; i++)
		assert_int_equal(base[i], 0);
	assert_int_equal(rig_stat(&rig, "pinned_bytes"), 0);
	munmap((void *)(uintptr_t)base, got.len);
	close(fd);
	close(header.fd);
}

static void test_a_backups_link_keeps_its_bytes(void **state)
{
	struct rig_request backup = { .request.op = ENGINE_BACKUP };
	char *dir = tempdir_new();
	char path[KIT_PATH_MAX];
	char value[8];
	struct store *copy;

	(void)state;
	kit_path(dir, "backup", path);
	put_keys("one");
	backup.request.path = path;
	rig_begin(&rig, &backup);
	assert_int_equal(rig_wait(&rig, &backup), 0);
	put_keys("two");
	compact();
	copy = kit_open(io_system(), path);
	for (int i = 0; i < N_KEYS; i++) {
		char key[32];

		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(kit_get(copy, key, value, 4), 0);
		assert_string_equal(value, "one");
	}
	kit_close(copy);
	tempdir_free(dir);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_shared_is_enough_to_read),
		TEST(test_the_index_can_only_be_read),
		TEST(test_a_segment_is_opened_for_reading),
		TEST(test_each_gets_a_description_of_its_own),
		TEST(test_what_is_not_there_is_not_found),
		TEST(test_a_clear_ends_the_index_and_numbers_the_next),
		TEST(test_a_clear_ends_an_index_that_is_held),
		TEST(test_a_stop_ends_the_index),
		cmocka_unit_test(test_an_index_without_an_owner_is_not_current),
		cmocka_unit_test(
			test_a_death_shows_before_a_successor_can_begin),
		cmocka_unit_test(test_a_death_shows_when_its_memory_went_first),
		cmocka_unit_test(test_an_owner_that_is_stopped_is_alive),
		TEST(test_a_mapping_does_not_keep_the_room_of_what_went),
		TEST(test_a_backups_link_keeps_its_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
