#include "common/finding.h"

#include <stdarg.h>
#include <stdio.h>

void findings_add(struct findings *findings, struct finding finding,
		  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding.text, sizeof(finding.text), format, args);
	va_end(args);
	if (finding.is_damage) {
		findings->n_damaged++;
		findings->damaged_bytes += finding.len;
	} else {
		findings->n_notes++;
	}
	if (findings->each)
		findings->each(findings->ctx, &finding);
}

const char *finding_kind_name(enum finding_kind kind)
{
	static const char *const names[] = {
		[FINDING_VALUE] = "value",	 [FINDING_ENTRY] = "entry",
		[FINDING_BYTES] = "bytes",	 [FINDING_BATCH] = "batch",
		[FINDING_SEQUENCE] = "sequence", [FINDING_HEADER] = "header",
		[FINDING_SEGMENT] = "segment",	 [FINDING_HINT] = "hint",
		[FINDING_MANIFEST] = "manifest", [FINDING_TAIL] = "tail",
		[FINDING_FILE] = "file",	 [FINDING_LOCK] = "lock",
		[FINDING_DISK] = "disk",	 [FINDING_LOST] = "lost",
	};

	return names[kind];
}
