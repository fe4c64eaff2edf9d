/*
 * tempdir: a folder for one test, on a real file system.
 */
#ifndef GETME_TESTS_SUPPORT_TEMPDIR_H
#define GETME_TESTS_SUPPORT_TEMPDIR_H

/* Makes one below $TMPDIR or /tmp; the test fails when it cannot. */
char *tempdir_new(void);

/* Removes it with all that is in it and frees its name; NULL is fine. */
void tempdir_free(char *dir);

/* Removes any folder with all that is in it; links are not followed. */
void tempdir_remove(const char *dir);

#endif
