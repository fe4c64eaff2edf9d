/*
 * ctl_import: records from JSON Lines into the store.
 *
 * Records go in the order of their lines, gathered into batches, several of
 * which are under way at a time.  It stops at the first line that is wrong,
 * once everything before it is stored, and tells how many records those are.
 */
#ifndef GETME_CLIENT_CTL_IMPORT_H
#define GETME_CLIENT_CTL_IMPORT_H

#include "client/ctl_command.h"

enum ctl_status ctl_import(struct ctl *ctl);

#endif
