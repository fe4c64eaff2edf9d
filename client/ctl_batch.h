/*
 * ctl_batch: many puts and deletes, all or nothing.
 */
#ifndef GETME_CLIENT_CTL_BATCH_H
#define GETME_CLIENT_CTL_BATCH_H

#include "client/ctl_command.h"

enum ctl_status ctl_batch(struct ctl *ctl);

#endif
