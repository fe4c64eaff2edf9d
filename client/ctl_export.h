/*
 * ctl_export: the store as lines for import.
 */
#ifndef GETME_CLIENT_CTL_EXPORT_H
#define GETME_CLIENT_CTL_EXPORT_H

#include "client/ctl_command.h"

enum ctl_status ctl_export(struct ctl *ctl);

#endif
