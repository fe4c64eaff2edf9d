#include "daemon/answers.h"

#include "daemon/clock.h"

static void end_all(struct answers *answers, struct metrics *metrics)
{
	uint64_t now_us = clock_monotonic_us();

	for (size_t i = 0; i < answers->n; i++) {
		const struct answers_row *row = &answers->rows[i];
		uint64_t us = now_us - row->arrived_us;

		latency_add_some(&metrics->get, us, row->n_gets);
		latency_add_some(&metrics->put, us, row->n_puts);
	}
	answers->n = 0;
}

void answers_end(struct answers *answers, struct metrics *metrics)
{
	if (answers->n > 0)
		end_all(answers, metrics);
}

void answers_add(struct answers *answers, struct metrics *metrics,
		 uint64_t arrived_us, bool is_put)
{
	struct answers_row *row =
		answers->n > 0 ? &answers->rows[answers->n - 1] : NULL;

	/* They come in the order of the requests, most of the time. */
	if (!row || row->arrived_us != arrived_us) {
		if (answers->n == ANSWERS_MAX)
			end_all(answers, metrics);
		row = &answers->rows[answers->n++];
		*row = (struct answers_row){ .arrived_us = arrived_us };
	}
	row->n_gets += !is_put;
	row->n_puts += is_put;
}
