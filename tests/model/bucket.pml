/*
 * bucket: the version words of buckets and the shape word, as the writer
 * (common/index.c, index_chain.h) stores them and a reader (common/lookup.c,
 * view_get_many in common/view.c) loads them.
 *
 * Modelled: each store and each load of a shared word by itself.  A table of
 * one bucket that becomes two by a split; buckets of one slot, so that every
 * second key is in an overflow bucket; overflow buckets that are freed, and
 * taken again by the other chain.  The writer does up to OPS of: put (also
 * over an old one, which is what a move does), remove, a batch of two keys, a
 * split.  The reader does one lookup, or a get_many of two keys, with as many
 * tries as it takes.  It stores nothing, so one stands for any number.
 *
 * Memory order: there is one writer, whose stores have release order (but
 * that of the odd version: what follows it has), and the reader's loads have
 * acquire order.  So it sees the stores in their order, at its own pace, and
 * any such pace is an interleaving here.  Its two relaxed loads cannot rise
 * above the acquire loads before them, but sink: for the shape that is
 * modelled (early, or after the slots were read); a stamp that is looked at
 * later says more, not less.  Not modelled: that a pace may also lag behind
 * the clock, which no one can tell who has not heard from the writer; chunks;
 * versions that wrap around; giving up after LOOKUP_TRIES.
 *
 * Holds: what a lookup says of a key, absence too, was so at an instant during
 * the call; what a get_many says of two keys was so of both at one instant.
 * A key is at place 0 while it is absent, and else each time at another.
 *
 * tests/model/run names the steps that can be left out.
 */
#ifndef OPS
#define OPS 2
#endif

/* Keys: A stays in bucket 0, B and C belong into bucket 1 when there is one. */
#define A	0
#define B	1
#define C	2
#define N_KEYS	3
#define BUCKET_OF(key, n) (((n) == 2 && (key) != A) -> 1 : 0)

/* Shared memory.  Nodes are buckets: two primary ones, then overflow ones. */
#define SHAPE		0
#define VERSION(bucket) (1 + (bucket))
#define NEXT(node)	(3 + 5 * (node)) /* 0: none */
#define USED(node)	(4 + 5 * (node))
#define TAG(node)	(5 + 5 * (node)) /* a key + 1 */
#define WORD0(node)	(6 + 5 * (node)) /* the halves of a place */
#define WORD1(node)	(7 + 5 * (node))
#define N_NODES		5
#define N_WORDS		(3 + 5 * N_NODES)

#define NO_NODE	 7
#define TORN	 9 /* halves of two places */
#define N_PLACES (OPS + 2)
#define BIT(x)	 (1 << (x))
#define REVEAL	 128 /* with a word's number: what was done is true now */
#define STORES	 40  /* that one operation makes, at most */

byte mem[N_WORDS];

/* What is true; what was so during the call, as bits. */
byte truth[N_KEYS];
byte soon[N_KEYS]; /* when the operation's first bucket is even */
int was;

/* What the reader asks for. */
bit many;
byte key_x, key_y;
bit done;

inline note()
{
	if
	:: many -> was = was | BIT(truth[key_x] * N_PLACES + truth[key_y])
	:: else -> was = was | BIT(truth[key_x])
	fi
}

/*
 * The writer is alone: what it will store is known when it begins.  So an
 * operation is done on the writer's own copy of the memory, and leaves a list
 * of stores; then each of them is a step.
 */
byte own[N_WORDS];
byte free_node;
bit in_batch;
byte n_stores;
byte words[STORES];
byte values[STORES];

inline store(word, value)
{
	words[n_stores] = word;
	values[n_stores] = value;
	own[word] = values[n_stores];
	n_stores++
}

inline make_odd(bucket)
{
	assert(own[VERSION(bucket)] % 2 == 0);
	store(VERSION(bucket), own[VERSION(bucket)] + 1)
}

inline make_even(bucket)
{
	assert(own[VERSION(bucket)] % 2 == 1);
	store(VERSION(bucket), own[VERSION(bucket)] + 1);
	words[n_stores - 1] = words[n_stores - 1] + REVEAL
}

inline begin_one(bucket)
{
	if
	:: !in_batch -> make_odd(bucket)
	:: else
	fi
}

inline end_one(bucket)
{
	if
	:: !in_batch -> make_even(bucket)
	:: else
	fi
}

inline set(node, tag, word0, word1)
{
	store(TAG(node), tag);
	store(WORD0(node), word0);
	store(WORD1(node), word1)
}

inline copy(to, node)
{
	set(to, own[TAG(node)], own[WORD0(node)], own[WORD1(node)])
}

/* Frees what is behind NODE. */
inline cut(node)
{
	cut_off = own[NEXT(node)];
	store(NEXT(node), 0);
	do
	:: cut_off != 0 ->
		after = own[NEXT(cut_off)];
		store(NEXT(cut_off), free_node);
		free_node = cut_off;
		cut_off = after
	:: else -> break
	od
}

/* A slot behind a chain's last one, which NODE is, and moves to. */
inline make_slot(node)
{
	if
	:: own[USED(node)] ->
		fresh = free_node;
		assert(fresh != 0);
		free_node = own[NEXT(fresh)];
		store(USED(fresh), 0);
		store(NEXT(fresh), 0);
		store(NEXT(node), fresh);
		node = fresh
	:: else
	fi;
	store(USED(node), 1)
}

/* FOUND: the key's node, or NO_NODE; LAST, BEFORE: its chain's last two. */
inline find(key)
{
	in = BUCKET_OF(key, own[SHAPE]);
	found = NO_NODE;
	before = in;
	last = in;
	do
	:: own[USED(last)] && own[TAG(last)] == key + 1 -> found = last; break
	:: else ->
		if
		:: own[NEXT(last)] == 0 -> break
		:: else -> last = own[NEXT(last)]
		fi
	od;
	last = in;
	do
	:: own[NEXT(last)] != 0 -> before = last; last = own[NEXT(last)]
	:: else -> break
	od
}

inline put(key, place)
{
	find(key);
	soon[key] = place;
#ifndef ODD_LATE
	begin_one(in);
#endif
	if
	:: found == NO_NODE -> make_slot(last); found = last
	:: else
	fi;
	set(found, key + 1, place, place);
#ifdef ODD_LATE
	begin_one(in);
#endif
	end_one(in)
}

/* The chain's last slot fills the hole. */
inline remove(key)
{
	find(key);
	if
	:: found != NO_NODE ->
		soon[key] = 0;
		begin_one(in);
#ifdef EVEN_EARLY
		end_one(in);
#endif
		if
		:: found != last -> copy(found, last)
		:: else
		fi;
		if
		:: last >= 2 -> cut(before)
		:: else -> store(USED(last), 0)
		fi;
#ifndef EVEN_EARLY
		end_one(in)
#endif
	:: else
	fi
}

/* Y is put, X put or, to place 0, removed. */
inline batch(x, y, place_x, place_y)
{
	soon[x] = place_x;
	soon[y] = place_y;
	n = own[SHAPE];
#ifndef BATCH_ONE_BY_ONE
	in_batch = 1;
	make_odd(BUCKET_OF(x, n));
	if
	:: BUCKET_OF(x, n) != BUCKET_OF(y, n) -> make_odd(BUCKET_OF(y, n))
	:: else
	fi;
#endif
	if
	:: place_x != 0 -> put(x, place_x)
	:: else -> remove(x)
	fi;
	put(y, place_y);
#ifndef BATCH_ONE_BY_ONE
	in_batch = 0;
	make_even(BUCKET_OF(x, n));
	if
	:: BUCKET_OF(x, n) != BUCKET_OF(y, n) -> make_even(BUCKET_OF(y, n))
	:: else
	fi
#endif
}

inline split()
{
#ifdef SHAPE_EARLY
	store(SHAPE, 2);
#endif
#ifndef SPLIT_EVEN
	make_odd(0);
#endif
	make_odd(1);
	last = 0;  /* looked at */
	found = 0; /* where A, the one key that stays, goes */
	before = 1; /* where the others go */
	n = 0;
	do
	:: !own[USED(last)] -> break
	:: else ->
		if
		:: own[TAG(last)] == A + 1 -> copy(found, last); n = 1
		:: else -> make_slot(before); copy(before, last)
		fi;
		if
		:: own[NEXT(last)] == 0 -> break
		:: else -> last = own[NEXT(last)]
		fi
	od;
	cut(found);
	store(USED(found), n);
#if !defined(SHAPE_LATE) && !defined(SHAPE_EARLY)
	store(SHAPE, 2);
#endif
	make_even(1);
#ifndef SPLIT_EVEN
	make_even(0);
#endif
#ifdef SHAPE_LATE
	store(SHAPE, 2)
#endif
}

/* One store; with the last one all is as if it had never been. */
inline step()
{
	mem[words[at] % REVEAL] = values[at];
	if
	:: words[at] >= REVEAL ->
		truth[0] = soon[0];
		truth[1] = soon[1];
		truth[2] = soon[2];
		note()
	:: else
	fi;
	words[at] = 0;
	values[at] = 0;
	at++;
	if
	:: at == n_stores -> at = 0; n_stores = 0
	:: else
	fi
}

#define NEW_PLACE (op + 1) /* of the operation that is the OPth */

inline forget()
{
	in = 0; found = 0; last = 0; before = 0;
	fresh = 0; cut_off = 0; after = 0; n = 0
}

active proctype writer()
{
	byte op, at;
	byte in, found, last, before, fresh, cut_off, after, n;

	(mem[SHAPE] != 0);
	do
	:: n_stores == 0 && op < OPS && !done ->
		op++;
		if
		:: d_step { put(key_x, NEW_PLACE); forget() }
		:: d_step { remove(key_x); forget() }
		:: d_step { remove(A); forget() }
		:: many -> d_step { put(key_y, NEW_PLACE); forget() }
		:: many -> d_step {
				batch(key_x, key_y, NEW_PLACE, NEW_PLACE);
				forget()
			}
		:: many -> d_step {
				batch(key_x, key_y, 0, NEW_PLACE);
				forget()
			}
		:: own[SHAPE] == 1 -> d_step { split(); forget() }
		fi
	:: n_stores > 0 -> d_step { step() }
	:: n_stores == 0 && (op == OPS || done) -> break
	od
}

/* ---- the reader: each load is a step ---- */

inline check_shape()
{
#ifndef NO_SHAPE_CHECK
	if
	:: mem[SHAPE] != n -> ok = 0
	:: else
	fi
#else
	skip
#endif
}

inline walk(key, answer, bucket)
{
	d_step {
		answer = 0;
		node = bucket;
		steps = 0;
		taken = 1
	}
	do
	:: atomic { steps == N_NODES -> ok = 0; break }
	:: atomic { steps < N_NODES -> steps++; taken = mem[USED(node)] }
		if
		:: mem[TAG(node)] == key + 1 && taken ->
			answer = mem[WORD0(node)];
			if
			:: mem[WORD1(node)] != answer -> answer = TORN
			:: else
			fi;
			break
		:: else
		fi;
		atomic {
			node = mem[NEXT(node)];
			if
			:: node == 0 -> break
			:: else
			fi
		}
	od;
	atomic { node = 0; steps = 0; taken = 0 }
}

/* lookup_find: ANSWER, true as long as the version of BUCKET is STAMP. */
inline lookup(key, answer, bucket, stamp)
{
	ok = 0;
	do
	:: atomic { ok -> ok = 0; n = 0; break }
	:: atomic { !ok -> n = mem[SHAPE] }
		atomic {
			bucket = BUCKET_OF(key, n);
			stamp = mem[VERSION(bucket)];
			ok = 1;
#ifndef NO_ODD_CHECK
			ok = 1 - stamp % 2;
#endif
		}
		if
		:: !ok
		:: ok -> check_shape();
			if
			:: ok -> walk(key, answer, bucket)
			:: else
			fi
		:: ok -> walk(key, answer, bucket);
			check_shape()
		fi;
#ifndef NO_VERSION_CHECK
		if
		:: mem[VERSION(bucket)] != stamp -> ok = 0
		:: else
		fi
#endif
	od
}

inline renew(key, due, answer, bucket, stamp)
{
	if
	:: due -> lookup(key, answer, bucket, stamp)
	:: else
	fi
}

/* Until a round over the stamps finds all of them as they were. */
inline get_many()
{
	due_x = 1;
	due_y = 1;
	do
	:: !due_x && !due_y -> break
	:: else ->
		renew(key_x, due_x, answer_x, bucket_x, stamp_x);
		renew(key_y, due_y, answer_y, bucket_y, stamp_y);
#ifdef MANY_UNCHECKED
		break;
#endif
#ifdef MANY_CHECKED_ONCE
		if
		:: again -> break
		:: else -> again = 1
		fi;
#endif
		due_x = mem[VERSION(bucket_x)] != stamp_x;
		due_y = mem[VERSION(bucket_y)] != stamp_y
	od
}

proctype reader()
{
	byte n, node, steps;
	byte answer_x, bucket_x, stamp_x;
	byte answer_y, bucket_y, stamp_y;
	bit ok, taken, due_x, due_y, again;

	d_step { was = 0; note() }
	if
	:: !many -> lookup(key_x, answer_x, bucket_x, stamp_x)
	:: many -> get_many()
	fi;
	done = 1;
	assert(answer_x != TORN && answer_y != TORN);
	assert(many || (was & BIT(answer_x)));
	assert(!many || (was & BIT(answer_x * N_PLACES + answer_y)))
}

/* Some of the keys are there already. */
init {
	byte op, found, last, before, fresh, cut_off, after, in;
	byte i;

	atomic {
		own[SHAPE] = 1;
		free_node = 2;
		own[NEXT(2)] = 3;
		own[NEXT(3)] = 4;
		if
		:: d_step { put(A, 1); put(B, 1); n_stores = 0; put(C, 1) }
		:: d_step { put(B, 1); put(A, 1) }
		:: skip
		fi;
		d_step {
			i = 0;
			do
			:: i < STORES -> words[i] = 0; values[i] = 0; i++
			:: else -> break
			od;
			n_stores = 0;
			own[VERSION(0)] = 0;
			i = 0;
			do
			:: i < N_KEYS -> truth[i] = soon[i]; i++
			:: else -> break
			od
		}
		if
		:: key_x = B; key_y = A
		:: key_x = C; key_y = B
		fi;
		if
		:: many = 0
		:: many = 1
		fi;
		d_step {
			i = 0;
			do
			:: i < N_WORDS -> mem[i] = own[i]; i++
			:: else -> break
			od;
			i = 0;
			found = 0; last = 0; before = 0; fresh = 0;
			cut_off = 0; after = 0; in = 0;
		}
		run reader()
	}
}
