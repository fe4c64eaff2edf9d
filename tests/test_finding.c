#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/finding.h"

static void keep(void *ctx, const struct finding *finding)
{
	*(struct finding *)ctx = *finding;
}

static void test_findings_are_counted_and_told(void **state)
{
	struct finding last = { .kind = FINDING_FILE };
	struct findings findings = { .each = keep, .ctx = &last };

	(void)state;
	findings_add(&findings,
		     (struct finding){ .kind = FINDING_VALUE,
				       .is_damage = true,
				       .segment_id = 7,
				       .len = 64 },
		     "number %d", 1);
	assert_int_equal(last.kind, FINDING_VALUE);
	assert_int_equal(last.segment_id, 7);
	assert_string_equal(last.text, "number 1");
	findings_add(&findings, (struct finding){ .kind = FINDING_HINT },
		     "a note");
	assert_int_equal(findings.n_damaged, 1);
	assert_int_equal(findings.damaged_bytes, 64);
	assert_int_equal(findings.n_notes, 1);
}

static void test_nobody_need_listen(void **state)
{
	struct findings findings = { .each = NULL };

	(void)state;
	findings_add(&findings, (struct finding){ .kind = FINDING_LOCK }, "x");
	assert_int_equal(findings.n_notes, 1);
}

static void test_every_kind_has_a_name_of_its_own(void **state)
{
	int kind;
	int other;

	(void)state;
	for (kind = FINDING_VALUE; kind <= FINDING_LOST; kind++) {
		const char *name = finding_kind_name((enum finding_kind)kind);

		assert_true(name && *name);
		for (other = FINDING_VALUE; other < kind; other++)
			assert_string_not_equal(
				name,
				finding_kind_name((enum finding_kind)other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings_are_counted_and_told),
		cmocka_unit_test(test_nobody_need_listen),
		cmocka_unit_test(test_every_kind_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
