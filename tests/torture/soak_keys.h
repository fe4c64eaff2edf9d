/*
 * soak_keys: reads of the writers' keys (tests/support/writer_model.h).
 */
#ifndef GETME_TESTS_TORTURE_SOAK_KEYS_H
#define GETME_TESTS_TORTURE_SOAK_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "client/getme.h"
#include "tests/support/writer_model.h"
#include "tests/torture/soak.h"

/*
 * N keys from FIRST on, of one instant.  False: the call failed, or (a fault
 * of CHECK) something is neither missing nor a value of its key.
 */
bool soak_keys_get(struct getme *handle, enum soak_check check,
		   unsigned int writer, unsigned int first, size_t n,
		   struct model_state *states);

/* All of them. */
bool soak_keys_view(struct getme *handle, enum soak_check check,
		    unsigned int writer, struct model_view *view);

/* STATES are those of the keys that only batches touch. */
void soak_keys_check_group(unsigned int writer,
			   const struct model_state *states);

/* Whether KEY is a writer's; then whose, and which. */
bool soak_keys_parse(const struct getme_bytes *name, unsigned int *writer,
		     unsigned int *key);

#endif
