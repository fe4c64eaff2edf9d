/*
 * ctl_files: the files that getmectl reads and writes.
 */
#ifndef GETME_CLIENT_CTL_FILES_H
#define GETME_CLIENT_CTL_FILES_H

#include <stddef.h>
#include <stdio.h>

/*
 * Opens descriptors 0 to 2 where they are closed, so that no socket gets
 * their numbers; reading and writing them then fails.
 */
void ctl_files_guard_standard(void);

/*
 * Raises the soft limit of descriptors to the hard one, for who opens many
 * segments; that it fails does not matter.
 */
void ctl_files_raise_limit(void);

/*
 * Opens PATH for reading; NULL and "-" are standard input.  0 and *FD (close
 * it with ctl_files_close_input), or a negative errno.
 */
int ctl_files_open_input(const char *path, int *fd);
void ctl_files_close_input(int fd);

/*
 * Opens PATH for writing, emptied; NULL and "-" are standard output.
 * 0 or a negative errno.
 */
int ctl_files_open_output(const char *path, FILE **file);

/* Writes out what is buffered and closes.  0 or a negative errno. */
int ctl_files_close_output(FILE *file);

/*
 * Reads FD to its end.  0, *DATA (free() it; never NULL) and *LEN; -EFBIG:
 * more than LIMIT bytes; -ENOMEM; another negative errno of read().
 */
int ctl_files_read_all(int fd, size_t limit, void **data, size_t *len);

#endif
