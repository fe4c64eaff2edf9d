/*
 * checksum: CRC-32C (Castagnoli, reflected, as iSCSI and ext4 use it).
 *
 * Computed by libisal, which picks the processor's instructions itself.
 */
#ifndef GETME_COMMON_CHECKSUM_H
#define GETME_COMMON_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * The CRC of DATA continued from CRC; 0 begins.  crc32c(crc32c(0, a), b) is
 * the CRC of a followed by b.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
