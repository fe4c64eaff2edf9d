/*
 * ctl_write: the commands that change single keys, or all at once.
 */
#ifndef GETME_CLIENT_CTL_WRITE_H
#define GETME_CLIENT_CTL_WRITE_H

#include "client/ctl_command.h"

enum ctl_status ctl_write_put(struct ctl *ctl);
enum ctl_status ctl_write_del(struct ctl *ctl);
enum ctl_status ctl_write_incr(struct ctl *ctl);
enum ctl_status ctl_write_touch(struct ctl *ctl);
enum ctl_status ctl_write_persist(struct ctl *ctl);
enum ctl_status ctl_write_clear(struct ctl *ctl);
enum ctl_status ctl_write_sync(struct ctl *ctl);

#endif
