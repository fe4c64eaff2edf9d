/*
 * death: how an index ends for those who read it directly.  The owner's word
 * and the closed flag in its header (common/index_owner.c; index_close;
 * lookup_is_current) against a daemon that is killed, stops (store_close) or
 * clears its store (store_make_cleared), and against its successor.
 *
 * Modelled: one key, whose every change gets the next number, on the disk
 * first.  The daemon's loop does one thing at a time.  It puts a change that
 * was logged into the index, then acknowledges it.  It lends the index: the
 * header, then a part, by the index' number.  It answers reads from the index
 * as it was when they came in, since the pool may do them later.  A clear ends
 * the old index, begins another one and is acknowledged.  The daemon may be
 * killed at each step: then the kernel marks the word and frees LOCK, and until
 * then the log thread may still write.  Its successor waits for LOCK and makes
 * an index of what is on the disk.
 *
 * A client (client/direct.c) loads the word, then the flag, then looks up.
 * Where the index is not current it lets go of it and attaches again; in any
 * doubt it asks over the socket, the successor too; what a connection lent ends
 * with it.  One client reads; one writes as well, and may read while its write
 * is under way.
 *
 * Memory order: flag and index are stored with release order and loaded with
 * acquire order, so what a reader sees is one of the interleavings here.  Who
 * has heard of an answer, over whatever sockets, also sees what was stored
 * before it.  The kernel marks the word before LOCK is free (as long as it can
 * read the list that the word is in: common/index_owner.c), so before all that
 * a successor does.  Not modelled: lookups (bucket.pml), entries and segments
 * (reclaim.pml), many keys, a connection that is lost while the daemon lives,
 * what could not be attached and is let be for a while, a failed sync.
 *
 * Holds: a read returns no older change than any that was acknowledged, or
 * returned to anyone on either path, before it began.  A read behind a write
 * of the same client returns no older one than that.
 *
 * tests/model/run names the steps that can be left out.  A clear and a stop
 * tell twice that the index has ended, by the flag and by a word without an
 * owner: one is enough, so both are left out.  The look after attaching is one
 * too many: what was lent then was current during the call.
 */
#ifndef ENDS
#define ENDS 2 /* of indexes: by a death, a stop or a clear */
#endif
#ifndef PUTS
#define PUTS 2
#endif

/* Shared memory: indexes, from 1 on; 0: none. */
#define N_INDEXES (ENDS + 2)
#define NOBODY	  0
#define OWNED	  1
#define DIED	  2
byte word[N_INDEXES];
bit closed[N_INDEXES];
byte content[N_INDEXES]; /* the newest change in it */
byte n_indexes;

/* The disk: the newest change, and LOCK. */
byte disk;
bit locked;

/* What a client has asked for, over which connection. */
#define READER	 0
#define WRITER	 1
#define IDLE	 0
#define ATTACH	 1
#define PART	 2 /* of this index */
#define READ	 3
#define READING	 4 /* in this index */
#define ANSWERED 5 /* with this */
typedef peer {
	byte connection; /* to the daemon of this start; 0: none */
	byte ask;
	byte what;
};
peer peers[2];
byte serving; /* the daemon of this start; 0: none */

#define LOST(client)	   (peers[client].connection != serving)
#define ASKS(client, kind) (peers[client].ask == kind && !LOST(client))

/* The writer's put, as it knows of it. */
#define SENT  1
#define TAKEN 2
#define ACKED 3 /* not collected yet */
byte put;
byte behind; /* the oldest change that was read behind it */
byte n_puts;

/* The put and the clear that the daemon has under way; 0: none. */
#define QUEUED	1
#define LOGGED	2
#define VISIBLE 3
byte job;
byte job_change;
byte clear;
byte clear_change;

byte n_starts;
byte n_ends;
byte current; /* the daemon's index */
byte late;    /* where a step is left out: an index that is ended later */
bit killed;

byte told; /* the newest change that anyone was told of */

inline tell(change)
{
	if
	:: change > told -> told = change
	:: else
	fi
}

/* ---- the daemon ---- */

inline begin_index(change)
{
	n_indexes++;
	current = n_indexes;
	content[current] = change
}

/* index_close */
inline end_index(index)
{
	closed[index] = 1;
	word[index] = NOBODY
}

inline answer(client, with)
{
	peers[client].ask = ANSWERED;
	peers[client].what = with
}

#ifdef READ_BESIDE_WRITE
#define IS_TURN(client) true
#else
#define IS_TURN(client) (client != WRITER || (put != SENT && put != TAKEN))
#endif

#ifdef NUMBER_UNASKED
#define IS_LENT(index) true
#else
#define IS_LENT(index) (index == current)
#endif

inline serve(client)
{
	if
	:: ASKS(client, ATTACH) ->
		word[current] = OWNED;
		answer(client, current)
	:: ASKS(client, PART) && IS_LENT(peers[client].what) ->
		answer(client, current)
	:: ASKS(client, PART) && !IS_LENT(peers[client].what) ->
		answer(client, 0)
	:: ASKS(client, READ) && IS_TURN(client) ->
		peers[client].ask = READING;
		peers[client].what = current
	:: ASKS(client, READING) ->
		answer(client, content[peers[client].what])
	fi
}

inline log_job()
{
	disk++;
	job_change = disk;
	job = LOGGED
}

inline end_job()
{
	job = 0;
	job_change = 0
}

inline acknowledge()
{
	assert(job_change <= behind);
	tell(job_change);
	behind = 0;
	put = ACKED
}

/* In which state it is logged. */
#ifdef INDEX_BEFORE_LOG
#define TO_LOG VISIBLE
#else
#define TO_LOG QUEUED
#endif
#define IS_LOGGED(job) (job != QUEUED && job != TO_LOG)

/* A put; behind a clear it waits. */
inline write()
{
	if
	:: put == SENT && !LOST(WRITER) && !clear -> put = TAKEN; job = QUEUED
#if defined(INDEX_BEFORE_LOG)
	:: job == QUEUED -> content[current] = disk + 1; job = TO_LOG
	:: job == TO_LOG -> log_job()
	:: job == LOGGED -> acknowledge(); end_job()
#elif defined(ACK_BEFORE_INDEX)
	:: job == QUEUED -> log_job()
	:: job == LOGGED -> acknowledge(); job = VISIBLE
	:: job == VISIBLE -> content[current] = job_change; end_job()
#else
	:: job == QUEUED -> log_job()
	:: job == LOGGED -> content[current] = job_change; job = VISIBLE
	:: job == VISIBLE -> acknowledge(); end_job()
#endif
	fi
}

inline log_clear()
{
	disk++;
	clear_change = disk;
	clear = LOGGED
}

inline end_clear()
{
	tell(clear_change);
	clear = 0;
	clear_change = 0
}

/* Behind the puts that came before it. */
inline make_cleared()
{
	if
#ifdef CLEAR_BEFORE_LOG
	:: clear == QUEUED && !job ->
		end_index(current);
		atomic { begin_index(disk + 1); clear = VISIBLE }
	:: atomic { clear == VISIBLE -> log_clear(); end_clear() }
#else
	:: atomic { clear == QUEUED && IS_LOGGED(job) -> log_clear() }
	:: clear == LOGGED && !job ->
#if defined(CLEAR_TOLD_LATE)
		late = current;
#elif !defined(CLEAR_UNTOLD)
		end_index(current);
#endif
		atomic { begin_index(clear_change); end_clear() }
#endif
	fi
}

inline start()
{
	atomic {
#ifndef NO_LOCK
		!locked;
#endif
		locked = 1;
#ifndef RECOVER_BEFORE_LOCK
		found = disk
#endif
	}
	atomic { begin_index(found); serving = n_starts }
}

inline stop()
{
	serving = 0;
#if defined(STOP_TOLD_LATE)
	late = current;
#elif !defined(STOP_UNTOLD)
	end_index(current);
#endif
	atomic { current = 0; locked = 0 }
}

active proctype daemon()
{
	byte found; /* on the disk */

	do
	:: true ->
		n_starts++;
		{
			start();
			do
			:: atomic { serve(READER) }
			:: atomic { serve(WRITER) }
			:: atomic { write() }
			:: atomic { n_ends < ENDS && !clear ->
				n_ends++;
				clear = QUEUED
			}
			:: make_cleared()
#ifdef RECOVER_BEFORE_LOCK
			/* The successor is there already, and looks. */
			:: found = disk
#endif
			:: n_ends < ENDS && !job && !clear ->
				n_ends++;
				stop();
				break
			od
		} unless {
			killed -> killed = 0
		}
	od
}

/* ---- the death of a process ---- */

inline mark()
{
	if
	:: word[owned] == OWNED -> word[owned] = DIED
	:: else
	fi
}

inline free()
{
	locked = 0;
	job = 0;
	job_change = 0;
	clear = 0;
	clear_change = 0
}

active proctype kernel()
{
	byte owned;

	do
	:: atomic { n_ends < ENDS && locked ->
		n_ends++;
		killed = 1;
		owned = current;
		current = 0
	}
#ifdef LOCK_BEFORE_WORD
		atomic { !killed -> serving = 0; free() }
		atomic { mark(); owned = 0 }
#else
		atomic { !killed -> mark(); owned = 0; serving = 0 }
		/* Connections end from now on; other threads still run. */
		do
		:: atomic { job == TO_LOG -> log_job() }
		:: atomic { clear == QUEUED && IS_LOGGED(job) -> log_clear() }
		:: atomic { free(); break }
		od
#endif
#if defined(CLEAR_TOLD_LATE) || defined(STOP_TOLD_LATE)
	:: late -> end_index(late); late = 0
#endif
	od
}

/* ---- clients ---- */

/* Whether a write of this client is under way, or not collected. */
#ifdef WRITES_UNASKED
#define BEHIND_A_PUT 0
#else
#define BEHIND_A_PUT (me == WRITER && put)
#endif

inline let_go()
{
	header = 0;
#ifndef PARTS_KEPT
	part = 0
#endif
}

/* What was sent on a connection that is lost may have been done. */
inline lose()
{
	let_go();
	part = 0;
	peers[me].connection = 0;
	peers[me].ask = IDLE;
	peers[me].what = 0;
	if
	:: me == WRITER && (put == SENT || put == TAKEN) ->
		put = 0;
		behind = 0
	:: else
	fi
}

/* The other end may be gone, without anyone here having noticed. */
inline connect()
{
	if
	:: peers[me].connection == 0 -> peers[me].connection = serving
	:: else
	fi;
	ok = peers[me].connection != 0
}

inline send(kind, which)
{
	peers[me].ask = kind;
	peers[me].what = which
}

/* OK: GOT is the answer. */
inline receive()
{
	if
	:: peers[me].ask == ANSWERED ->
		got = peers[me].what;
		peers[me].ask = IDLE;
		peers[me].what = 0;
		ok = 1
	:: peers[me].ask != ANSWERED && LOST(me) -> lose(); ok = 0
	fi
}

/*
 * A read begins with its first step and ends with its last one: if it took
 * longer, less would be asked of it, and of others.
 */
inline begin_read()
{
	least = told
}

inline forget_read()
{
	least = 0;
	got = 0;
	ok = 0
}

inline end_read()
{
	assert(got >= least);
	tell(got);
	if
	:: me == WRITER && got < behind -> behind = got
	:: else
	fi;
	forget_read();
	goto again
}

inline attach()
{
	connect();
	if
	:: ok -> send(ATTACH, 0); goto attached
	:: else -> goto failed
	fi
}

inline read_elsewhere()
{
	connect();
	if
	:: ok -> send(READ, 0); goto answered
	:: else -> goto failed
	fi
}

inline look_up()
{
	if
	:: part -> goto found
	:: else -> send(PART, header); goto lent
	fi
}

/* lookup_is_current, its two loads. */
inline load_word()
{
#if defined(DEATH_UNASKED)
	ok = word[header] != NOBODY
#elif defined(END_UNASKED)
	ok = word[header] != DIED
#else
	ok = word[header] == OWNED
#endif
}

inline load_flag()
{
#ifndef END_UNASKED
	ok = !closed[header]
#else
	skip
#endif
}

/* An atomic sequence is a step: a jump to its begin does not belong to it. */
proctype client(byte me)
{
	byte header, part; /* of these indexes; 0: none */
	byte least, got;
	bit ok;

again:	if
	:: atomic { me == WRITER && !put && n_puts < PUTS ->
		n_puts++;
		connect();
		if
		:: ok -> put = SENT; behind = 255; ok = 0
		:: else
		fi;
		goto again
	}
	:: atomic { me == WRITER && put == ACKED -> put = 0; goto again }
	:: atomic { me == WRITER && (put == SENT || put == TAKEN) && LOST(me) ->
		lose();
		goto again
	}
	:: atomic { BEHIND_A_PUT -> begin_read(); read_elsewhere() }
	:: atomic { !BEHIND_A_PUT && !header -> begin_read(); attach() }
	:: atomic { !BEHIND_A_PUT && header ->
		begin_read();
#ifdef CHECK_ONCE
		look_up()
#else
		load_word();
		if
		:: ok
		:: else -> let_go(); attach()
		fi
#endif
	}
	fi;
	atomic {
		load_flag();
		if
		:: ok -> look_up()
		:: else -> let_go(); attach()
		fi
	}
attached:
	atomic {
		receive();
		if
		:: ok -> header = got; load_word()
		:: else -> goto elsewhere
		fi;
		if
		:: ok
		:: else -> read_elsewhere()
		fi
	}
	atomic {
		load_flag();
		if
		:: ok -> look_up()
		:: else -> read_elsewhere()
		fi
	}
lent:	atomic {
		receive();
		if
		:: ok && got -> part = got
		:: ok && !got -> read_elsewhere()
		:: else -> goto elsewhere
		fi
	}
found:	atomic {
		/* With the shape of another index nothing is found. */
		got = (part == header -> content[part] : 0);
		end_read()
	}
elsewhere:
	atomic { read_elsewhere() }
answered:
	atomic {
		receive();
		if
		:: ok -> end_read()
		:: else -> goto elsewhere
		fi
	}
failed:	atomic { forget_read(); goto again }
}

init {
	atomic {
		run client(READER);
		run client(WRITER)
	}
}
