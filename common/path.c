#include "common/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int path_join(char out[PATH_LEN_MAX], const char *dir, const char *name)
{
	int n = snprintf(out, PATH_LEN_MAX, "%s/%s", dir, name);

	return n < 0 || n >= PATH_LEN_MAX ? -ENAMETOOLONG : 0;
}

int path_copy(char out[PATH_LEN_MAX], const char *path)
{
	size_t len = strlen(path);

	if (len >= PATH_LEN_MAX)
		return -ENAMETOOLONG;
	memcpy(out, path, len + 1);
	return 0;
}
