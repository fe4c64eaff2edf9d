/*
 * A whole program: stores a value under a key and reads it back.
 *
 *   cc example.c $(pkg-config --cflags --libs getme-client) -o example
 *   ./example greeting hello
 */
#include <getme.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct getme *store;
	struct getme_value value;
	char error[256];
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: %s KEY VALUE\n", argv[0]);
		return 2;
	}
	if (getme_open(NULL, &store, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	r = getme_put(store, argv[1], strlen(argv[1]), argv[2], strlen(argv[2]),
		      NULL, NULL);
	if (r == 0)
		r = getme_get(store, argv[1], strlen(argv[1]), &value);
	if (r == 0)
		printf("%s: %.*s\n", argv[1], (int)value.len,
		       value.len ? (const char *)value.data : "");
	else
		fprintf(stderr, "%s\n", getme_last_error(store));
	getme_close(store);
	return r == 0 ? 0 : 1;
}
