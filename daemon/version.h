/*
 * version: what --version and hello tell.  The build sets it.
 */
#ifndef GETME_DAEMON_VERSION_H
#define GETME_DAEMON_VERSION_H

#ifndef GETME_VERSION
#define GETME_VERSION "0.1.0"
#endif

#endif
