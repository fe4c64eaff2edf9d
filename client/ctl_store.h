/*
 * ctl_store: the commands on the whole store that take their time.
 */
#ifndef GETME_CLIENT_CTL_STORE_H
#define GETME_CLIENT_CTL_STORE_H

#include <stddef.h>

#include "client/ctl_command.h"

enum ctl_status ctl_store_compact(struct ctl *ctl);
enum ctl_status ctl_store_backup(struct ctl *ctl);

/*
 * PATH as seen from the folder FROM, which is an absolute path.  The caller
 * frees it; NULL: no memory.
 */
char *ctl_store_absolute(const char *from, const char *path);

#endif
