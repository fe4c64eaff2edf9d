#include "tests/crash/simtree.h"

#include <stdlib.h>
#include <string.h>

/* Nodes and names */

struct simnode *simnode_new(bool is_dir)
{
	struct simnode *node = sim_alloc(sizeof(*node));

	node->refs = 1;
	node->is_dir = is_dir;
	node->lock_fd = SIM_NO_FD;
	return node;
}

struct simnode *simnode_get(struct simnode *node)
{
	node->refs++;
	return node;
}

static void names_deinit(struct simnames *names)
{
	for (size_t i = 0; i < names->n; i++) {
		free(names->at[i].name);
		simnode_put(names->at[i].node);
	}
	free(names->at);
}

void simnode_put(struct simnode *node)
{
	if (!node || --node->refs)
		return;
	simbytes_deinit(&node->seen);
	simbytes_deinit(&node->durable);
	names_deinit(&node->seen_names);
	names_deinit(&node->durable_names);
	free(node);
}

static struct simname *find_name(const struct simnames *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (!strcmp(names->at[i].name, name))
			return &names->at[i];
	return NULL;
}

struct simnode *simnames_find(const struct simnames *names, const char *name)
{
	struct simname *found = find_name(names, name);

	return found ? found->node : NULL;
}

void simnames_set(struct simnames *names, const char *name,
		  struct simnode *node)
{
	struct simname *found = find_name(names, name);

	simnode_get(node);
	if (found) {
		simnode_put(found->node);
		found->node = node;
		return;
	}
	names->at = sim_grow(names->at, names->n, sizeof(*names->at));
	names->at[names->n].name = sim_strdup(name);
	names->at[names->n].node = node;
	names->n++;
}

void simnames_remove(struct simnames *names, const char *name)
{
	struct simname *found = find_name(names, name);

	if (!found)
		return;
	free(found->name);
	simnode_put(found->node);
	names->n--;
	memmove(found, found + 1,
		(size_t)(names->at + names->n - found) * sizeof(*found));
}

/* Changes of bytes */

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void simchange_apply(const struct simchange *change, struct simbytes *to,
		     uint64_t skip, uint64_t len)
{
	switch (change->kind) {
	case SIMCHANGE_WRITE:
		simbytes_write(to, change->off + skip, change->data + skip,
			       len);
		break;
	case SIMCHANGE_ALLOCATE:
		simbytes_allocate(to, change->off + skip, len);
		break;
	case SIMCHANGE_PUNCH:
		simbytes_punch(to, change->off + skip, len);
		break;
	}
}

static void change_deinit(struct simchange *change)
{
	simnode_put(change->node);
	free(change->data);
}

/* DATA is taken over.  The change is made visible. */
void simtree_add_change(struct simfs *fs, struct simnode *node,
			enum simchange_kind kind, uint64_t off, uint64_t len,
			uint8_t *data)
{
	struct simchange *change;

	fs->changes = sim_grow(fs->changes, fs->n_changes, sizeof(*change));
	change = &fs->changes[fs->n_changes++];
	*change = (struct simchange){
		.seq = ++fs->seq,
		.kind = kind,
		.node = simnode_get(node),
		.off = off,
		.len = len,
		.data = data,
	};
	simchange_apply(change, &node->seen, 0, len);
}

/* The part FROM to TO of a change; the reference to the node is as it was. */
static struct simchange part_of(const struct simchange *change, uint64_t from,
				uint64_t to)
{
	struct simchange part = *change;

	part.off = from;
	part.len = to - from;
	if (change->data) {
		part.data = sim_alloc(part.len);
		memcpy(part.data, change->data + (from - change->off),
		       part.len);
	}
	return part;
}

/*
 * What was lost by a failed sync and written again and synced is durable
 * now: takes the range of DONE out of the lost changes before it.
 */
static void cover_lost(struct simfs *fs, const struct simchange *done)
{
	uint64_t from = done->off, to = done->off + done->len;

	for (size_t i = 0; i < fs->n_changes; i++) {
		struct simchange lost = fs->changes[i];
		uint64_t end = lost.off + lost.len;

		if (!lost.lost || lost.node != done->node ||
		    lost.seq >= done->seq || lost.off >= to || end <= from)
			continue;
		fs->changes[i] =
			part_of(&lost, lost.off, max_u64(lost.off, from));
		if (end > to) {
			fs->changes = sim_grow(fs->changes, fs->n_changes,
					       sizeof(lost));
			memmove(&fs->changes[i + 2], &fs->changes[i + 1],
				(fs->n_changes - i - 1) * sizeof(lost));
			fs->changes[i + 1] = part_of(&lost, to, end);
			simnode_get(lost.node);
			fs->n_changes++;
			i++;
		}
		free(lost.data);
	}
}

static void drop_changes(struct simfs *fs, const struct simnode *synced)
{
	size_t kept = 0;

	for (size_t i = 0; i < fs->n_changes; i++) {
		struct simchange *change = &fs->changes[i];

		if ((change->node == synced && !change->lost) || !change->len)
			change_deinit(change);
		else
			fs->changes[kept++] = *change;
	}
	fs->n_changes = kept;
}

bool simtree_sync(struct simfs *fs, struct simnode *node)
{
	bool changed = node->durable.size != node->seen.size;

	for (size_t i = 0; i < fs->n_changes; i++) {
		struct simchange change = fs->changes[i];

		if (change.node != node || change.lost)
			continue;
		simchange_apply(&change, &node->durable, 0, change.len);
		changed = true;
	}
	/* Apart, since it may move the changes. */
	for (size_t i = 0; i < fs->n_changes; i++) {
		struct simchange done = fs->changes[i];

		if (done.node == node && !done.lost &&
		    done.kind != SIMCHANGE_ALLOCATE)
			cover_lost(fs, &done);
	}
	drop_changes(fs, node);
	simbytes_grow(&node->durable, node->seen.size);
	return changed;
}

/* The size is not among the pages: a later sync writes that. */
bool simtree_fail_sync(struct simfs *fs, const struct simnode *node)
{
	bool changed = false;

	for (size_t i = 0; i < fs->n_changes; i++) {
		struct simchange *change = &fs->changes[i];

		if (change->node != node || change->lost ||
		    change->kind == SIMCHANGE_ALLOCATE)
			continue;
		change->lost = true;
		changed = true;
	}
	return changed;
}

/* Changes of names */

static void link_deinit(struct simlink *link)
{
	free(link->removed);
	free(link->added);
	simnode_put(link->from);
	simnode_put(link->to);
	simnode_put(link->node);
}

/* Makes it visible, and remembers it. */
void simtree_add_link(struct simfs *fs, struct simnode *from,
		      const char *removed, struct simnode *to,
		      const char *added, struct simnode *node)
{
	struct simlink *link;

	fs->links = sim_grow(fs->links, fs->n_links, sizeof(*link));
	link = &fs->links[fs->n_links++];
	memset(link, 0, sizeof(*link));
	link->seq = ++fs->seq;
	if (to) {
		link->to = simnode_get(to);
		link->added = sim_strdup(added);
		link->node = simnode_get(node);
		simnames_set(&to->seen_names, added, node);
	}
	if (from) {
		link->from = simnode_get(from);
		link->removed = sim_strdup(removed);
		simnames_remove(&from->seen_names, removed);
	}
}

static void end_added(struct simlink *link)
{
	if (!link->to)
		return;
	simnames_set(&link->to->durable_names, link->added, link->node);
	simnode_put(link->to);
	simnode_put(link->node);
	free(link->added);
	link->to = NULL;
	link->node = NULL;
	link->added = NULL;
}

static void end_removed(struct simlink *link)
{
	if (!link->from)
		return;
	simnames_remove(&link->from->durable_names, link->removed);
	simnode_put(link->from);
	free(link->removed);
	link->from = NULL;
	link->removed = NULL;
}

/*
 * Makes durable what was done to DIR up to SEQ.  A file that DIR lost to
 * another folder is there in that one, and so is all that was done before
 * to the other: a journal has an order.
 */
static void sync_links(struct simfs *fs, const struct simnode *dir,
		       uint64_t seq)
{
	for (size_t i = 0; i < fs->n_links && fs->links[i].seq <= seq; i++) {
		struct simlink *link = &fs->links[i];
		bool from = link->from == dir, to = link->to == dir;

		if (from && link->to && !to)
			sync_links(fs, link->to, link->seq - 1);
		if (from || to)
			end_added(link);
		if (from)
			end_removed(link);
	}
}

bool simtree_sync_names(struct simfs *fs, const struct simnode *dir)
{
	uint64_t seq = fs->seq;
	size_t kept = 0;
	bool changed = false;

	for (size_t i = 0; i < fs->n_links; i++)
		if (fs->links[i].from == dir || fs->links[i].to == dir)
			changed = true;
	sync_links(fs, dir, seq);
	for (size_t i = 0; i < fs->n_links; i++) {
		if (fs->links[i].from || fs->links[i].to)
			fs->links[kept++] = fs->links[i];
		else
			link_deinit(&fs->links[i]);
	}
	fs->n_links = kept;
	return changed;
}

void simtree_clear(struct simfs *fs)
{
	for (size_t i = 0; i < fs->n_changes; i++)
		change_deinit(&fs->changes[i]);
	for (size_t i = 0; i < fs->n_links; i++)
		link_deinit(&fs->links[i]);
	free(fs->changes);
	free(fs->links);
	simnode_put(fs->root);
}
