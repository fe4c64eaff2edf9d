/*
 * ctl_check: verifies a store at rest; needs no daemon.
 */
#ifndef GETME_CLIENT_CTL_CHECK_H
#define GETME_CLIENT_CTL_CHECK_H

#include "client/ctl_command.h"

enum ctl_status ctl_check(struct ctl *ctl);

#endif
