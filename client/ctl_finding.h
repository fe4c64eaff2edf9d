/*
 * ctl_finding: how check and repair show what they find.
 *
 * As text, a line each, with what there is to tell:
 *	damaged: segment 3, offset 4096, 64 bytes, "key":"a": the value is ...
 *	note: segment 3: there is no hint; the next start writes it
 *	left out: segment 3, ...
 * As JSON, an object a line, members left out that do not apply:
 *	{"finding":"value","damage":true,"segment":3,"offset":4096,
 *	 "length":64,"key":"a","text":"the value is damaged"}
 * A key that is not UTF-8 is base64 in "key_b64", in both.
 */
#ifndef GETME_CLIENT_CTL_FINDING_H
#define GETME_CLIENT_CTL_FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "client/ctl_command.h"
#include "client/ctl_progress.h"
#include "common/finding.h"

struct ctl_finding {
	bool json;
	struct ctl_progress progress;
};

/* VERB: "checked", "repaired". */
void ctl_finding_init(struct ctl_finding *shown, const struct ctl *ctl,
		      const char *verb);

/* For the finding and the progress of check_run and repair_run. */
void ctl_finding_print(void *ctx, const struct finding *finding);
void ctl_finding_progress(void *ctx, uint64_t done, uint64_t total);

/* Complains about a negative errno of these, with TEXT. */
enum ctl_status ctl_finding_fail(struct ctl_finding *shown,
				 const struct ctl *ctl, int result,
				 const char *text);

#endif
