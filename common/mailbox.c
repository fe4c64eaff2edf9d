#include "common/mailbox.h"

#include <stdatomic.h>

bool mailbox_put(struct mailbox *mailbox, struct mail *mail)
{
	struct mail *newest =
		atomic_load_explicit(&mailbox->newest, memory_order_relaxed);

	do {
		mail->next = newest;
	} while (!atomic_compare_exchange_weak_explicit(
		&mailbox->newest, &newest, mail, memory_order_release,
		memory_order_relaxed));
	return !newest;
}

struct mail *mailbox_take(struct mailbox *mailbox)
{
	struct mail *at;
	struct mail *first = NULL;

	/* Mostly there is nothing, and a look costs less than an exchange. */
	if (!atomic_load_explicit(&mailbox->newest, memory_order_relaxed))
		return NULL;
	at = atomic_exchange_explicit(&mailbox->newest, NULL,
				      memory_order_acquire);
	while (at) {
		struct mail *next = at->next;

		at->next = first;
		first = at;
		at = next;
	}
	return first;
}
