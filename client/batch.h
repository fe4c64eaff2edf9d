/*
 * batch: writes gathered to be applied together.
 */
#ifndef GETME_CLIENT_BATCH_H
#define GETME_CLIENT_BATCH_H

#include "client/handle.h"

/*
 * Makes REQUEST apply BATCH.  The caller frees request->ops.  0, -EINVAL (no
 * batch, or an empty one; an option that it does not take), -ENOMEM.
 */
int batch_ask(struct getme *handle, const struct getme_batch *batch,
	      const struct getme_write_options *options,
	      struct message_request *request);

#endif
