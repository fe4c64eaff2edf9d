/*
 * Who writes an index: a robust mutex in its header.
 *
 * When the thread that holds it dies, however that happens, the kernel sets
 * FUTEX_OWNER_DIED in the mutex's first word, before the files of the process
 * are closed: so a reader in another process sees it no later than a successor
 * can take the store's lock.
 */
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/index_internal.h"

_Static_assert(sizeof(pthread_mutex_t) <= INDEX_OWNER_LEN, "room for it");

static pthread_mutex_t *mutex_of(struct index *index)
{
	return (pthread_mutex_t *)(void *)index->header->owner;
}

static int init(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int error = pthread_mutexattr_init(&attr);

	if (error)
		return -error;
	error = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (!error)
		error = pthread_mutexattr_setrobust(&attr,
						    PTHREAD_MUTEX_ROBUST);
	if (!error)
		error = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -error;
}

/* Whether this C library keeps the futex word where readers look for it. */
static bool is_where_readers_look(const struct index *index)
{
	uint32_t word = __atomic_load_n(
		(const uint32_t *)(const void *)index->header->owner,
		__ATOMIC_RELAXED);

	return (word & FUTEX_TID_MASK) == (uint32_t)syscall(SYS_gettid);
}

int index_own(struct index *index)
{
	pthread_mutex_t *mutex = mutex_of(index);
	int result;

	if (index->owned)
		return 0;
	if (index->options.is_private || !index->sealed)
		return -ENOTSUP;
	result = init(mutex);
	if (result == 0)
		result = -pthread_mutex_lock(mutex);
	if (result != 0)
		return result;
	index->owned = true;
	if (is_where_readers_look(index))
		return 0;
	index_disown(index);
	return -ENOTSUP;
}

void index_disown(struct index *index)
{
	int error;

	if (!index->owned)
		return;
	/* Of the thread's list: it may not lead into what is unmapped. */
	error = pthread_mutex_unlock(mutex_of(index));
	assert(!error);
	(void)error;
	index->owned = false;
}
