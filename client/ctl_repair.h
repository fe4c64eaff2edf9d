/*
 * ctl_repair: a clean store out of a damaged one at rest; needs no daemon.
 */
#ifndef GETME_CLIENT_CTL_REPAIR_H
#define GETME_CLIENT_CTL_REPAIR_H

#include "client/ctl_command.h"

enum ctl_status ctl_repair(struct ctl *ctl);

#endif
