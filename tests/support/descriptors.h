/*
 * descriptors: what a test has open.
 */
#ifndef GETME_TESTS_SUPPORT_DESCRIPTORS_H
#define GETME_TESTS_SUPPORT_DESCRIPTORS_H

#include <stddef.h>

/* Only to be compared with itself: the look counts, too. */
size_t n_descriptors(void);

#endif
