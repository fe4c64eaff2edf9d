#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/tickets.h"

static void push(struct tickets *tickets, uint32_t id)
{
	struct ticket *ticket = tickets_push(tickets);

	assert_non_null(ticket);
	assert_int_equal(ticket->state, TICKET_UNDER_WAY);
	assert_null(ticket->tag);
	ticket->id = id;
}

static uint32_t pop(struct tickets *tickets)
{
	struct ticket ticket;

	tickets_pop_oldest(tickets, &ticket);
	return ticket.id;
}

static void test_tickets_come_out_in_order(void **state)
{
	struct tickets tickets = { 0 };
	uint32_t in = 0;
	uint32_t out = 0;
	int round;
	int i;

	(void)state;
	/* Grows while its beginning is anywhere in the ring. */
	for (round = 0; round < 40; round++) {
		for (i = 0; i < round * 3 + 1; i++)
			push(&tickets, in++);
		for (i = 0; i < round * 2 + 1; i++) {
			assert_int_equal(tickets_next(&tickets)->id, out);
			tickets_settle(&tickets);
			assert_int_equal(pop(&tickets), out++);
		}
	}
	assert_int_equal(tickets.n, in - out);
	tickets_deinit(&tickets);
	assert_int_equal(tickets.n, 0);
}

static void test_newest_can_be_taken_back(void **state)
{
	struct tickets tickets = { 0 };
	struct ticket ticket;

	(void)state;
	push(&tickets, 1);
	push(&tickets, 2);
	tickets_settle(&tickets);
	tickets_pop_newest(&tickets, &ticket);
	assert_int_equal(ticket.id, 2);
	assert_int_equal(tickets.n_done, 1);
	assert_null(tickets_next(&tickets));
	tickets_pop_newest(&tickets, NULL);
	assert_int_equal(tickets.n, 0);
	assert_int_equal(tickets.n_done, 0);
	push(&tickets, 3);
	assert_int_equal(tickets_next(&tickets)->id, 3);
	tickets_deinit(&tickets);
}

static void test_memory_is_given_back(void **state)
{
	struct tickets tickets = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 100000; i++)
		push(&tickets, i);
	for (i = 0; i < 100000; i++) {
		tickets_settle(&tickets);
		assert_int_equal(pop(&tickets), i);
	}
	assert_int_equal(tickets.cap, 0);
	push(&tickets, 1);
	tickets_settle(&tickets);
	assert_int_equal(pop(&tickets), 1);
	assert_int_not_equal(tickets.cap, 0);
	tickets_deinit(&tickets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tickets_come_out_in_order),
		cmocka_unit_test(test_newest_can_be_taken_back),
		cmocka_unit_test(test_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
