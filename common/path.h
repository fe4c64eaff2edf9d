/*
 * path: the names of a store's files.
 */
#ifndef GETME_COMMON_PATH_H
#define GETME_COMMON_PATH_H

enum {
	PATH_LEN_MAX = 4096, /* bytes, the end mark included */
};

/* OUT = PATH.  0 or -ENAMETOOLONG. */
int path_copy(char out[PATH_LEN_MAX], const char *path);

/* OUT = DIR/NAME.  0 or -ENAMETOOLONG. */
int path_join(char out[PATH_LEN_MAX], const char *dir, const char *name);

#endif
