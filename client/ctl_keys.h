/*
 * ctl_keys: the commands that read keys.
 */
#ifndef GETME_CLIENT_CTL_KEYS_H
#define GETME_CLIENT_CTL_KEYS_H

#include "client/ctl_command.h"

enum ctl_status ctl_keys_ping(struct ctl *ctl);
enum ctl_status ctl_keys_get(struct ctl *ctl);
enum ctl_status ctl_keys_exists(struct ctl *ctl);
enum ctl_status ctl_keys_stat(struct ctl *ctl);
enum ctl_status ctl_keys_mget(struct ctl *ctl);
enum ctl_status ctl_keys_keys(struct ctl *ctl);
enum ctl_status ctl_keys_count(struct ctl *ctl);

#endif
