/*
 * Who writes an index: a robust futex in its header.
 *
 * A thread gives the kernel a list of such futexes.  When it dies, however
 * that happens, the kernel sets FUTEX_OWNER_DIED in the word of each, before
 * the files of the process are closed: so a reader in another process sees it
 * no later than a successor can take the store's lock.
 *
 * The list is in shared memory, all of it.  Where memory is short, a killed
 * process' private memory may be taken before its threads have ended (by the
 * kernel's OOM reaper, or who calls process_mrelease): the list of the C
 * library, which pthread's robust mutexes are in, is gone then, and no word is
 * set.  This list takes its place: the thread can have no robust mutexes.
 */
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/index_internal.h"

/* What is in index_header.owner. */
struct owner {
	uint32_t word; /* the thread's id; 0: nobody's */
	uint32_t zero;
	struct robust_list node;
};

_Static_assert(sizeof(struct owner) <= INDEX_OWNER_LEN, "room for it");

/* The thread's own, until its end; a child of fork sees its parent's. */
static _Thread_local struct robust_list_head *list;
static _Thread_local pid_t list_of;

static struct owner *owner_of(struct index *index)
{
	return (struct owner *)(void *)index->header->owner;
}

static pid_t my_id(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static int begin_list(void)
{
	struct robust_list_head *head;

	if (list && list_of == my_id())
		return 0;
	head = mmap(NULL, sizeof(*head), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (head == MAP_FAILED)
		return -errno;
	head->list.next = &head->list;
	head->futex_offset = (long)offsetof(struct owner, word) -
			     (long)offsetof(struct owner, node);
	if (syscall(SYS_set_robust_list, head, sizeof(*head)) < 0) {
		munmap(head, sizeof(*head));
		return -ENOTSUP;
	}
	list = head;
	list_of = my_id();
	return 0;
}

/* For the kernel, which may look at any instant; the order is the code's. */
static void set_next(struct robust_list *node, struct robust_list *next)
{
	__atomic_store_n(&node->next, next, __ATOMIC_RELEASE);
}

int index_own(struct index *index)
{
	struct owner *owner;
	int result;

	if (index->owned)
		return 0;
	if (index->options.is_private || !index->sealed)
		return -ENOTSUP;
	result = begin_list();
	if (result != 0)
		return result;
	owner = owner_of(index);
	set_next(&owner->node, list->list.next);
	set_next(&list->list, &owner->node);
	index_store32(&owner->word, (uint32_t)list_of);
	index->owned = true;
	return 0;
}

void index_disown(struct index *index)
{
	struct robust_list *at;
	struct owner *owner;

	if (!index->owned)
		return;
	assert(list && list_of == my_id());
	owner = owner_of(index);
	index_store32(&owner->word, 0);
	/* It may not lead into what is unmapped. */
	for (at = &list->list; at->next != &owner->node; at = at->next)
		assert(at->next != &list->list);
	set_next(at, owner->node.next);
	index->owned = false;
}
