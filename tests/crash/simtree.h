/*
 * simtree: the simulation's own structures, shared by simfs.c (the calls)
 * and simfs_states.c (the power cuts).  Nobody else includes it.
 *
 * Invariants, between two calls
 *  1. What is visible of a file is what is durable of it with all of its
 *     changes applied in their order; likewise for the names of a folder.
 *  2. Changes and links are in the order of their sequence.
 *  3. A node lives while a name, a change, a link or a descriptor refers to
 *     it.
 */
#ifndef GETME_TESTS_CRASH_SIMTREE_H
#define GETME_TESTS_CRASH_SIMTREE_H

#include <pthread.h>

#include "tests/crash/simbytes.h"
#include "tests/crash/simfs.h"

enum {
	SIM_NO_FD = -1,
};

struct simname {
	char *name;
	struct simnode *node;
};

struct simnames {
	struct simname *at;
	size_t n;
};

/* A file or a folder. */
struct simnode {
	unsigned refs;
	bool is_dir;
	int lock_fd; /* who has it locked, or SIM_NO_FD */
	struct simbytes seen, durable;
	struct simnames seen_names, durable_names;
	/* While the tree is copied: this node's copy, if the stamps match. */
	uint64_t stamp;
	struct simnode *twin;
};

enum simchange_kind {
	SIMCHANGE_WRITE,
	SIMCHANGE_ALLOCATE,
	SIMCHANGE_PUNCH,
};

/* Bytes of a file that are visible and not durable. */
struct simchange {
	uint64_t seq;
	enum simchange_kind kind;
	bool lost; /* a sync failed: no later one covers it */
	struct simnode *node;
	uint64_t off, len;
	uint8_t *data; /* of a write */
};

/* Names that are visible and not durable; either half may be missing. */
struct simlink {
	uint64_t seq;
	struct simnode *from; /* loses the name REMOVED */
	char *removed;
	struct simnode *to; /* gets the name ADDED for NODE */
	char *added;
	struct simnode *node;
};

struct simfd {
	struct simnode *node; /* NULL: free */
	bool writable;
};

struct simfs {
	struct io io; /* must be first */
	pthread_mutex_t lock;
	struct simnode *root;
	struct simfd *fds;
	size_t n_fds;
	struct simchange *changes;
	size_t n_changes;
	struct simlink *links;
	size_t n_links;
	uint64_t seq;
	uint64_t stamp;
	uint64_t clock_ms;
	bool is_cold;
	uint64_t n_calls[SIMFS_N_CALLS];
	unsigned n_misused;
	struct simfs_fault fault;
	bool fault_paused;
	uint64_t n_fault_calls;
	uint64_t n_faults;
	simfs_hook *hook;
	void *hook_ctx;
	FILE *trace;
};

struct simnode *simnode_new(bool is_dir);
struct simnode *simnode_get(struct simnode *node);
void simnode_put(struct simnode *node);

/* Borrowed, or NULL. */
struct simnode *simnames_find(const struct simnames *names, const char *name);
/* Adds or replaces. */
void simnames_set(struct simnames *names, const char *name,
		  struct simnode *node);
void simnames_remove(struct simnames *names, const char *name);

/* LEN bytes of the change from its offset SKIP on. */
void simchange_apply(const struct simchange *change, struct simbytes *to,
		     uint64_t skip, uint64_t len);

/* Makes it visible; DATA, LEN bytes of malloc for a write, is taken over. */
void simtree_add_change(struct simfs *fs, struct simnode *node,
			enum simchange_kind kind, uint64_t off, uint64_t len,
			uint8_t *data);

/* Makes it visible.  FROM, or TO with NODE, may be NULL. */
void simtree_add_link(struct simfs *fs, struct simnode *from,
		      const char *removed, struct simnode *to,
		      const char *added, struct simnode *node);

/* These return whether anything changed. */
bool simtree_sync(struct simfs *fs, struct simnode *node);
bool simtree_fail_sync(struct simfs *fs, const struct simnode *node);
bool simtree_sync_names(struct simfs *fs, const struct simnode *dir);

/* Frees the nodes, the changes and the links. */
void simtree_clear(struct simfs *fs);

#endif
