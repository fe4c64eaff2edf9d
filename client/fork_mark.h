/*
 * fork_mark: notices that this process is a child of fork(), without asking
 * the kernel each time.
 *
 * A page that the kernel empties in a child (MADV_WIPEONFORK); where it cannot,
 * the process' id, which is a system call a look.
 */
#ifndef GETME_CLIENT_FORK_MARK_H
#define GETME_CLIENT_FORK_MARK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fork_mark {
	volatile uint32_t *page; /* NULL: by the id */
	pid_t pid;
};

void fork_mark_init(struct fork_mark *mark);
void fork_mark_deinit(struct fork_mark *mark);

/* From now on it is this process'. */
void fork_mark_renew(struct fork_mark *mark);

/* Of who has no page. */
bool fork_mark_has_our_id(const struct fork_mark *mark);

/* Whether the last fork_mark_init or _renew was in this process. */
static inline bool fork_mark_is_ours(const struct fork_mark *mark)
{
	return mark->page ? *mark->page != 0 : fork_mark_has_our_id(mark);
}

#endif
