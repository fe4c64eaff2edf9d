#include <errno.h>
#include <stdio.h>

#include "daemon/connection.h"
#include "daemon/dispatch.h"
#include "daemon/dispatch_methods.h"
#include "daemon/service.h"

static void fill(struct engine_share *share,
		 const struct message_options *options)
{
	share->index = options->index;
	if (options->present & OPT_PRIMARY) {
		share->what = ENGINE_SHARE_PRIMARY;
		share->number = options->primary;
	} else if (options->present & OPT_OVERFLOW) {
		share->what = ENGINE_SHARE_OVERFLOW;
		share->number = options->overflow;
	} else if (options->present & OPT_SEGMENT) {
		share->what = ENGINE_SHARE_SEGMENT;
		share->number = options->segment;
	} else {
		share->what = ENGINE_SHARE_INDEX;
	}
}

int dispatch_prepare_attach(struct request *request)
{
	if (!request->service->limits.direct_reads) {
		dispatch_fail(request, MESSAGE_ERROR_UNSUPPORTED,
			      "direct reads are switched off: read over the "
			      "socket");
		return -EINVAL;
	}
	request->engine.op = ENGINE_SHARE;
	fill(&request->engine.share, &request->message.options);
	return 0;
}

int dispatch_reply_attach(struct request *request, struct message_reply *reply)
{
	if (reply->missing)
		return 0;
	if (!connection_lend(request->connection)) {
		request_drop_fd(request);
		reply->error.code = MESSAGE_ERROR_BUSY;
		snprintf(reply->error.text, sizeof(reply->error.text),
			 "take the descriptors that were sent before asking "
			 "for more");
		metrics_add(&request->service->metrics.errors_total, 1);
		return 0;
	}
	reply->index = request->engine.share.index;
	reply->count = request->engine.share.len;
	reply->segment = request->engine.share.segment;
	return 0;
}
