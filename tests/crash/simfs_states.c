/*
 * The states of the disk that a power cut may leave.
 *
 * Everything that is visible and not durable is laid out as a list of
 * pieces (bytes, cut at the pages' borders) and a list of links (names).  A
 * state is a choice among both.
 */
#include "tests/crash/simtree.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/hashset.h"

enum {
	SECTOR = 512,
	N_SUBSETS = 3,	  /* random ones, of bytes and of names */
	N_EXHAUSTIVE = 4, /* links of which every subset is tried */
	N_SINGLES = 24,	  /* prefixes, and single losses, at most */
	CHOICE_TEXT_LEN = 48,
	STATE_TEXT_LEN = 128,
};

#define NO_PIECE SIZE_MAX

/* A run of bytes of one change, within one page. */
struct piece {
	const struct simchange *change;
	uint64_t skip, len;
};

/* Which pieces, or links, made it to the disk. */
struct choice {
	bool *kept;
	/* Of this piece, which is kept, only the bytes FROM to TO. */
	size_t torn;
	uint64_t torn_from, torn_to;
	bool with_sizes; /* files have their new size whatever was lost */
	char text[CHOICE_TEXT_LEN];
};

struct choices {
	struct choice *at;
	size_t n;
	size_t n_items; /* pieces or links that there are to choose from */
};

/* All that a cut at this instant has to choose from. */
struct cut {
	struct simfs *fs;
	struct piece *pieces;
	struct choices bytes;
	struct choices names;
	uint64_t random;
};

static uint64_t below(uint64_t *random, uint64_t n)
{
	return sim_random(random) % n;
}

/* The list of choices */

__attribute__((format(printf, 3, 4))) static struct choice *
add_choice(struct choices *choices, bool kept, const char *text, ...)
{
	struct choice *choice;
	va_list args;

	choices->at = sim_grow(choices->at, choices->n, sizeof(*choice));
	choice = &choices->at[choices->n++];
	memset(choice, 0, sizeof(*choice));
	choice->kept = sim_alloc(choices->n_items * sizeof(bool));
	choice->torn = NO_PIECE;
	for (size_t i = 0; i < choices->n_items; i++)
		choice->kept[i] = kept;
	va_start(args, text);
	vsnprintf(choice->text, sizeof(choice->text), text, args);
	va_end(args);
	return choice;
}

static void choices_deinit(struct choices *choices)
{
	for (size_t i = 0; i < choices->n; i++)
		free(choices->at[i].kept);
	free(choices->at);
}

static void add_prefix(struct choices *choices, size_t n)
{
	struct choice *choice = add_choice(choices, false, "first %zu of %zu",
					   n, choices->n_items);

	for (size_t i = 0; i < n; i++)
		choice->kept[i] = true;
}

static void add_lost(struct choices *choices, size_t lost)
{
	struct choice *choice = add_choice(choices, true, "all but %zu of %zu",
					   lost, choices->n_items);

	choice->kept[lost] = false;
}

static void add_subset(struct choices *choices, uint64_t *random)
{
	struct choice *choice =
		add_choice(choices, false, "some of %zu", choices->n_items);

	for (size_t i = 0; i < choices->n_items; i++)
		choice->kept[i] = sim_random(random) & 1;
}

/* None, all, prefixes, single losses, subsets. */
static void add_common(struct choices *choices, uint64_t *random)
{
	size_t n = choices->n_items;
	size_t step = 1 + n / N_SINGLES;

	add_choice(choices, false, "none of %zu", n);
	if (n)
		add_choice(choices, true, "all of %zu", n);
	for (size_t i = 1 + below(random, step); i < n; i += step)
		add_prefix(choices, i);
	/* All but the last is a prefix. */
	for (size_t i = below(random, step); i + 1 < n; i += step)
		add_lost(choices, i);
	for (int i = 0; i < N_SUBSETS && n > 2; i++)
		add_subset(choices, random);
}

static void list_name_choices(struct cut *cut)
{
	struct choices *names = &cut->names;

	names->n_items = cut->fs->n_links;
	if (names->n_items > N_EXHAUSTIVE) {
		add_common(names, &cut->random);
		return;
	}
	for (unsigned set = 0; set < 1u << names->n_items; set++) {
		struct choice *choice = add_choice(
			names, false, "set %#x of %zu", set, names->n_items);

		for (size_t i = 0; i < names->n_items; i++)
			choice->kept[i] = set >> i & 1;
	}
}

/* Keeps the first pieces up to TORN, and of that the bytes FROM to TO. */
static void add_torn(struct choices *choices, size_t torn, uint64_t from,
		     uint64_t to)
{
	struct choice *choice =
		add_choice(choices, false, "first %zu, then bytes %u to %u",
			   torn, (unsigned)from, (unsigned)to);

	for (size_t i = 0; i <= torn; i++)
		choice->kept[i] = true;
	choice->torn = torn;
	choice->torn_from = from;
	choice->torn_to = to;
}

/* Head kept and tail kept, cut at a sector and at any byte. */
static void add_tears(struct cut *cut, size_t torn)
{
	const struct piece *piece = &cut->pieces[torn];
	uint64_t at = (piece->change->off + piece->skip) % SECTOR;
	uint64_t first = SECTOR - at, byte;

	if (piece->change->kind == SIMCHANGE_ALLOCATE || piece->len < 2)
		return;
	if (first < piece->len) {
		uint64_t n = (piece->len - first - 1) / SECTOR + 1;
		uint64_t sector = first + below(&cut->random, n) * SECTOR;

		add_torn(&cut->bytes, torn, 0, sector);
		add_torn(&cut->bytes, torn, sector, piece->len);
	}
	byte = 1 + below(&cut->random, piece->len - 1);
	add_torn(&cut->bytes, torn, 0, byte);
	byte = 1 + below(&cut->random, piece->len - 1);
	add_torn(&cut->bytes, torn, byte, piece->len);
}

static void list_byte_choices(struct cut *cut)
{
	struct choices *bytes = &cut->bytes;
	size_t n = bytes->n_items;

	add_common(bytes, &cut->random);
	if (!n)
		return;
	add_choice(bytes, false, "sizes of %zu", n)->with_sizes = true;
	add_tears(cut, n - 1);
	if (n > 1)
		add_tears(cut, below(&cut->random, n - 1));
}

/* Whether a power cut could leave a name for NODE. */
static bool has_name(const struct simnode *node, const struct simnode *dir)
{
	for (size_t i = 0; i < dir->durable_names.n; i++) {
		const struct simnode *at = dir->durable_names.at[i].node;

		if (at == node || (at->is_dir && has_name(node, at)))
			return true;
	}
	return false;
}

static bool may_be_named(const struct simfs *fs, const struct simnode *node)
{
	for (size_t i = 0; i < fs->n_links; i++)
		if (fs->links[i].node == node ||
		    (fs->links[i].node && fs->links[i].node->is_dir &&
		     has_name(node, fs->links[i].node)))
			return true;
	return has_name(node, fs->root);
}

static void add_pieces(struct cut *cut, const struct simchange *change)
{
	uint64_t len;

	for (uint64_t skip = 0; skip < change->len; skip += len) {
		struct piece *piece;

		len = SIMBYTES_BLOCK - (change->off + skip) % SIMBYTES_BLOCK;
		if (len > change->len - skip ||
		    change->kind == SIMCHANGE_ALLOCATE)
			len = change->len - skip;
		cut->pieces = sim_grow(cut->pieces, cut->bytes.n_items,
				       sizeof(*piece));
		piece = &cut->pieces[cut->bytes.n_items++];
		piece->change = change;
		piece->skip = skip;
		piece->len = len;
	}
}

static void cut_init(struct cut *cut, struct simfs *fs, uint64_t seed)
{
	memset(cut, 0, sizeof(*cut));
	cut->fs = fs;
	cut->random = seed;
	for (size_t i = 0; i < fs->n_changes; i++)
		if (may_be_named(fs, fs->changes[i].node))
			add_pieces(cut, &fs->changes[i]);
	list_byte_choices(cut);
	list_name_choices(cut);
}

static void cut_deinit(struct cut *cut)
{
	choices_deinit(&cut->bytes);
	choices_deinit(&cut->names);
	free(cut->pieces);
}

/* Copies of the tree */

/* The new node of OLD, if this copy has met it. */
static struct simnode *twin_of(const struct simfs *fs,
			       const struct simnode *old)
{
	return old->stamp == fs->stamp ? old->twin : NULL;
}

static struct simnode *make_twin(const struct simfs *fs, struct simnode *old)
{
	old->twin = simnode_new(old->is_dir);
	old->stamp = fs->stamp;
	return old->twin;
}

static void apply_pieces(const struct cut *cut, const struct choice *choice,
			 const struct simnode *old, struct simbytes *to)
{
	for (size_t i = 0; i < cut->bytes.n_items; i++) {
		const struct piece *piece = &cut->pieces[i];
		uint64_t from = 0, end = piece->len;

		if (piece->change->node != old || !choice->kept[i])
			continue;
		if (i == choice->torn) {
			from = choice->torn_from;
			end = choice->torn_to;
		}
		simchange_apply(piece->change, to, piece->skip + from,
				end - from);
	}
	if (choice->with_sizes)
		simbytes_grow(to, old->seen.size);
}

static void apply_links(const struct simfs *fs, const struct choice *choice,
			const struct simnode *dir, struct simnames *names)
{
	for (size_t i = 0; i < fs->n_links; i++) {
		const struct simlink *link = &fs->links[i];

		if (!choice->kept[i])
			continue;
		if (link->to == dir)
			simnames_set(names, link->added, link->node);
		if (link->from == dir)
			simnames_remove(names, link->removed);
	}
}

static struct simnode *cut_node(const struct cut *cut,
				const struct choice *bytes,
				const struct choice *names,
				struct simnode *old);

static void cut_dir(const struct cut *cut, const struct choice *bytes,
		    const struct choice *names, const struct simnode *old,
		    struct simnode *node)
{
	struct simnames kept = { NULL, 0 };

	for (size_t i = 0; i < old->durable_names.n; i++)
		simnames_set(&kept, old->durable_names.at[i].name,
			     old->durable_names.at[i].node);
	apply_links(cut->fs, names, old, &kept);
	for (size_t i = 0; i < kept.n; i++) {
		struct simnode *child =
			cut_node(cut, bytes, names, kept.at[i].node);

		simnames_set(&node->seen_names, kept.at[i].name, child);
		simnames_set(&node->durable_names, kept.at[i].name, child);
		simnode_put(child);
		simnode_put(kept.at[i].node);
		free(kept.at[i].name);
	}
	free(kept.at);
}

/* The caller gets a reference. */
static struct simnode *cut_node(const struct cut *cut,
				const struct choice *bytes,
				const struct choice *names, struct simnode *old)
{
	struct simnode *node = twin_of(cut->fs, old);

	if (node)
		return simnode_get(node);
	node = make_twin(cut->fs, old);
	if (old->is_dir) {
		cut_dir(cut, bytes, names, old, node);
		return node;
	}
	simbytes_copy(&node->seen, &old->durable);
	apply_pieces(cut, bytes, old, &node->seen);
	simbytes_copy(&node->durable, &node->seen);
	return node;
}

static struct simfs *new_like(struct simfs *fs)
{
	struct simfs *copy = simfs_new();

	copy->clock_ms = fs->clock_ms;
	simnode_put(copy->root);
	copy->root = NULL;
	fs->stamp++;
	return copy;
}

static struct simfs *make_state(const struct cut *cut,
				const struct choice *bytes,
				const struct choice *names)
{
	struct simfs *state = new_like(cut->fs);

	state->root = cut_node(cut, bytes, names, cut->fs->root);
	return state;
}

static struct simnode *copy_node(struct simfs *fs, struct simnode *old);

static void copy_names(struct simfs *fs, const struct simnames *from,
		       struct simnames *to)
{
	for (size_t i = 0; i < from->n; i++) {
		struct simnode *child = copy_node(fs, from->at[i].node);

		simnames_set(to, from->at[i].name, child);
		simnode_put(child);
	}
}

/* The caller gets a reference; NULL for NULL. */
static struct simnode *copy_node(struct simfs *fs, struct simnode *old)
{
	struct simnode *node;

	if (!old)
		return NULL;
	node = twin_of(fs, old);
	if (node)
		return simnode_get(node);
	node = make_twin(fs, old);
	simbytes_copy(&node->seen, &old->seen);
	simbytes_copy(&node->durable, &old->durable);
	copy_names(fs, &old->seen_names, &node->seen_names);
	copy_names(fs, &old->durable_names, &node->durable_names);
	return node;
}

static void copy_changes(struct simfs *fs, struct simfs *copy)
{
	for (size_t i = 0; i < fs->n_changes; i++) {
		struct simchange *change;

		copy->changes = sim_grow(copy->changes, i, sizeof(*change));
		change = &copy->changes[i];
		*change = fs->changes[i];
		change->node = copy_node(fs, change->node);
		if (!change->data)
			continue;
		change->data = sim_alloc(change->len);
		memcpy(change->data, fs->changes[i].data, change->len);
	}
	copy->n_changes = fs->n_changes;
}

static void copy_links(struct simfs *fs, struct simfs *copy)
{
	for (size_t i = 0; i < fs->n_links; i++) {
		struct simlink *link;

		copy->links = sim_grow(copy->links, i, sizeof(*link));
		link = &copy->links[i];
		*link = fs->links[i];
		link->from = copy_node(fs, link->from);
		link->to = copy_node(fs, link->to);
		link->node = copy_node(fs, link->node);
		if (link->removed)
			link->removed = sim_strdup(link->removed);
		if (link->added)
			link->added = sim_strdup(link->added);
	}
	copy->n_links = fs->n_links;
}

struct simfs *simfs_clone(struct simfs *fs)
{
	struct simfs *copy;

	pthread_mutex_lock(&fs->lock);
	copy = new_like(fs);
	copy->root = copy_node(fs, fs->root);
	copy_changes(fs, copy);
	copy_links(fs, copy);
	copy->seq = fs->seq;
	pthread_mutex_unlock(&fs->lock);
	return copy;
}

/* Hashes */

static uint64_t hash_dir(const struct simnode *dir, uint64_t seed)
{
	uint64_t sum = sim_mix(seed);

	for (size_t i = 0; i < dir->seen_names.n; i++) {
		const struct simname *name = &dir->seen_names.at[i];
		uint64_t hash = sim_hash(name->name, strlen(name->name), seed);

		if (name->node->is_dir)
			sum += hash_dir(name->node, hash);
		else
			sum += sim_mix(hash ^ simbytes_hash(&name->node->seen));
	}
	return sum;
}

uint64_t simfs_hash(struct simfs *fs)
{
	uint64_t hash;

	pthread_mutex_lock(&fs->lock);
	hash = hash_dir(fs->root, 1);
	pthread_mutex_unlock(&fs->lock);
	return hash;
}

/* The enumeration */

static int visit(const struct cut *cut, size_t pair, struct hashset *seen,
		 simfs_each_state *each, void *ctx)
{
	const struct choice *bytes = &cut->bytes.at[pair % cut->bytes.n];
	const struct choice *names = &cut->names.at[pair / cut->bytes.n];
	struct simfs *state = make_state(cut, bytes, names);
	char text[STATE_TEXT_LEN];
	int result = 0;

	if (hashset_add(seen, simfs_hash(state))) {
		snprintf(text, sizeof(text), "bytes: %s; names: %s",
			 bytes->text, names->text);
		result = each(ctx, state, (unsigned)pair, text);
	}
	simfs_free(state);
	return result;
}

int simfs_crash_states(struct simfs *fs, uint64_t seed, unsigned max,
		       simfs_each_state *each, void *ctx)
{
	struct hashset seen = { .at = NULL };
	struct cut cut;
	size_t n_pairs, n_left = max;
	int result = 0;

	pthread_mutex_lock(&fs->lock);
	cut_init(&cut, fs, seed);
	n_pairs = cut.bytes.n * cut.names.n;
	/* Each pair with the odds that keep MAX of them in the end. */
	for (size_t pair = 0; pair < n_pairs && !result; pair++) {
		if (below(&cut.random, n_pairs - pair) >= n_left)
			continue;
		n_left--;
		result = visit(&cut, pair, &seen, each, ctx);
	}
	hashset_deinit(&seen);
	cut_deinit(&cut);
	pthread_mutex_unlock(&fs->lock);
	return result;
}

struct simfs *simfs_crash_random(struct simfs *fs, uint64_t seed, char *what,
				 size_t what_len)
{
	const struct choice *bytes, *names;
	struct simfs *state;
	struct cut cut;

	pthread_mutex_lock(&fs->lock);
	cut_init(&cut, fs, seed);
	bytes = &cut.bytes.at[below(&cut.random, cut.bytes.n)];
	names = &cut.names.at[below(&cut.random, cut.names.n)];
	if (what)
		snprintf(what, what_len, "bytes: %s; names: %s", bytes->text,
			 names->text);
	state = make_state(&cut, bytes, names);
	cut_deinit(&cut);
	pthread_mutex_unlock(&fs->lock);
	return state;
}

struct simfs *simfs_crash_durable(struct simfs *fs)
{
	const struct choice no_bytes = { .torn = NO_PIECE };
	struct choice no_names = { .torn = NO_PIECE };
	struct simfs *state;
	struct cut cut = { .fs = fs };

	pthread_mutex_lock(&fs->lock);
	no_names.kept = sim_alloc(fs->n_links * sizeof(bool));
	state = make_state(&cut, &no_bytes, &no_names);
	free(no_names.kept);
	pthread_mutex_unlock(&fs->lock);
	return state;
}
