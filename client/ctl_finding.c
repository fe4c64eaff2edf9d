#include "client/ctl_finding.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl_json.h"

void ctl_finding_init(struct ctl_finding *shown, const struct ctl *ctl,
		      const char *verb)
{
	shown->json = ctl->options.json;
	ctl_progress_init(&shown->progress, verb);
}

static void print_json(const struct finding *finding)
{
	printf("{\"finding\":\"%s\",\"damage\":%s",
	       finding_kind_name(finding->kind),
	       finding->is_damage ? "true" : "false");
	if (finding->segment_id > 0)
		printf(",\"segment\":%" PRIu32, finding->segment_id);
	if (finding->len > 0)
		printf(",\"offset\":%" PRIu64 ",\"length\":%" PRIu64,
		       finding->off, finding->len);
	if (finding->key) {
		putchar(',');
		ctl_json_write_bytes(stdout, "key", finding->key,
				     finding->key_len);
	}
	fputs(",\"text\":", stdout);
	ctl_json_write_string(stdout, finding->text, strlen(finding->text));
	puts("}");
}

static const char *heading(const struct finding *finding)
{
	if (finding->kind == FINDING_LOST)
		return "left out";
	return finding->is_damage ? "damaged" : "note";
}

static void print_text(const struct finding *finding)
{
	printf("%s: ", heading(finding));
	if (finding->segment_id > 0)
		printf("segment %" PRIu32, finding->segment_id);
	if (finding->len > 0)
		printf(", offset %" PRIu64 ", %" PRIu64 " bytes", finding->off,
		       finding->len);
	if (finding->key) {
		fputs(", ", stdout);
		ctl_json_write_bytes(stdout, "key", finding->key,
				     finding->key_len);
	}
	printf("%s%s\n", finding->segment_id > 0 ? ": " : "", finding->text);
}

void ctl_finding_print(void *ctx, const struct finding *finding)
{
	struct ctl_finding *shown = ctx;

	ctl_progress_clear(&shown->progress);
	if (shown->json)
		print_json(finding);
	else
		print_text(finding);
}

void ctl_finding_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct ctl_finding *shown = ctx;

	ctl_progress_share(&shown->progress, done, total);
}

enum ctl_status ctl_finding_fail(struct ctl_finding *shown,
				 const struct ctl *ctl, int result,
				 const char *text)
{
	ctl_progress_clear(&shown->progress);
	ctl_complain("%s: %s", ctl->command->name, text);
	if (result == -EWOULDBLOCK || result == -EACCES || result == -EPERM)
		return CTL_NOT_ALLOWED;
	return CTL_ERROR;
}
