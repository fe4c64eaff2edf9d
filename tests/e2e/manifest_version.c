/*
 * manifest_version: makes a store's manifest one of another format, with a
 * checksum that is right (common/manifest.h has the layout).
 *
 *	manifest_version FILE VERSION
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/checksum.h"

enum {
	AT_CRC = 8,
	AT_VERSION = 12,
	FILE_MAX = 1 << 20,
};

int main(int argc, char **argv)
{
	uint8_t *data = malloc(FILE_MAX);
	FILE *file = argc == 3 ? fopen(argv[1], "r+e") : NULL;
	size_t len;
	int status = 1;

	if (!data || !file)
		goto done;
	len = fread(data, 1, FILE_MAX, file);
	if (len <= AT_VERSION + 4)
		goto done;
	bytes_put32(data + AT_CRC, 0);
	bytes_put32(data + AT_VERSION, (uint32_t)strtoul(argv[2], NULL, 10));
	bytes_put32(data + AT_CRC, crc32c(0, data, len));
	rewind(file);
	status = fwrite(data, 1, len, file) != len;
done:
	if (file && fclose(file) != 0)
		status = 1;
	free(data);
	return status;
}
