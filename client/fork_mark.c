#include "client/fork_mark.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14; elsewhere an error */
#endif

enum {
	PAGE_LEN = 4096, /* at least; the kernel rounds it up */
};

static void *new_page(void)
{
	void *page = mmap(NULL, PAGE_LEN, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, PAGE_LEN, MADV_WIPEONFORK) == 0)
		return page;
	munmap(page, PAGE_LEN);
	return NULL;
}

void fork_mark_init(struct fork_mark *mark)
{
	mark->page = new_page();
	fork_mark_renew(mark);
}

void fork_mark_deinit(struct fork_mark *mark)
{
	if (mark->page)
		munmap((void *)(uintptr_t)mark->page, PAGE_LEN);
	mark->page = NULL;
}

void fork_mark_renew(struct fork_mark *mark)
{
	mark->pid = getpid();
	if (mark->page)
		*mark->page = 1;
}

bool fork_mark_has_our_id(const struct fork_mark *mark)
{
	return mark->pid == getpid();
}
