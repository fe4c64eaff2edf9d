#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/mailbox.h"

enum { N_THREADS = 3, N_LETTERS = 20000 };

struct letter {
	struct mail mail; /* first */
	unsigned sender;
	unsigned number;
};

static struct letter *letter_of(struct mail *mail)
{
	return (struct letter *)(void *)mail;
}

static void test_an_empty_one_gives_nothing(void **state)
{
	struct mailbox box = { NULL };

	(void)state;
	assert_null(mailbox_take(&box));
}

static void test_things_come_out_in_their_order(void **state)
{
	struct mailbox box = { NULL };
	struct letter letters[3] = { { .number = 0 } };
	const struct mail *at;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		mailbox_put(&box, &letters[i].mail);
	at = mailbox_take(&box);
	for (i = 0; i < 3; i++, at = at->next)
		assert_ptr_equal(at, &letters[i].mail);
	assert_null(at);
	assert_null(mailbox_take(&box));
}

static void test_only_the_first_one_says_that_it_was_empty(void **state)
{
	struct mailbox box = { NULL };
	struct letter letters[3];

	(void)state;
	assert_true(mailbox_put(&box, &letters[0].mail));
	assert_false(mailbox_put(&box, &letters[1].mail));
	mailbox_take(&box);
	assert_true(mailbox_put(&box, &letters[2].mail));
}

struct sender {
	struct mailbox *box;
	unsigned number;
	int wake_fd;
	struct letter letters[N_LETTERS];
};

static void *send_all(void *ctx)
{
	struct sender *sender = ctx;
	unsigned i;

	for (i = 0; i < N_LETTERS; i++) {
		sender->letters[i].sender = sender->number;
		sender->letters[i].number = i;
		if (mailbox_put(sender->box, &sender->letters[i].mail))
			eventfd_write(sender->wake_fd, 1);
	}
	return NULL;
}

/* The owner sleeps whenever nothing is there: a wake that is lost hangs. */
static void test_many_threads_lose_nothing_and_wake_in_time(void **state)
{
	struct mailbox box = { NULL };
	struct sender *senders = calloc(N_THREADS, sizeof(*senders));
	pthread_t threads[N_THREADS];
	unsigned next[N_THREADS] = { 0 };
	unsigned n = 0;
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned i;

	(void)state;
	assert_non_null(senders);
	for (i = 0; i < N_THREADS; i++) {
		senders[i].box = &box;
		senders[i].number = i;
		senders[i].wake_fd = fd;
		assert_int_equal(pthread_create(&threads[i], NULL, send_all,
						&senders[i]),
				 0);
	}
	while (n < N_THREADS * N_LETTERS) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		struct mail *at;
		eventfd_t count;

		assert_int_equal(poll(&poll_fd, 1, 60000), 1);
		assert_int_equal(eventfd_read(fd, &count), 0);
		for (at = mailbox_take(&box); at; at = at->next, n++) {
			const struct letter *letter = letter_of(at);

			assert_int_equal(letter->number,
					 next[letter->sender]++);
		}
	}
	for (i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	close(fd);
	free(senders);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_one_gives_nothing),
		cmocka_unit_test(test_things_come_out_in_their_order),
		cmocka_unit_test(
			test_only_the_first_one_says_that_it_was_empty),
		cmocka_unit_test(
			test_many_threads_lose_nothing_and_wake_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
