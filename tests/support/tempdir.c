#include "tests/support/tempdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	DEPTH_MAX = 16, /* descriptors that nftw may hold */
};

char *tempdir_new(void)
{
	const char *base = getenv("TMPDIR");
	char *dir;

	if (asprintf(&dir, "%s/getme-test.XXXXXX", base ? base : "/tmp") < 0 ||
	    !mkdtemp(dir)) {
		perror("cannot make a folder for the test");
		abort();
	}
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void tempdir_remove(const char *dir)
{
	nftw(dir, remove_one, DEPTH_MAX, FTW_DEPTH | FTW_PHYS);
}

void tempdir_free(char *dir)
{
	if (dir)
		tempdir_remove(dir);
	free(dir);
}
