/*
 * reclaim: a segment whose live entries were copied elsewhere is emptied
 * while a client still copies an entry out of it (common/view.c, get();
 * common/compaction.h; common/upkeep_round.c).
 *
 * Modelled: one key.  Its entry is a header and a value, which are written,
 * copied and emptied one after the other, into segments that are used once.
 * A run copies what the index points to, moves the index if it still points
 * there, and empties the old segment; meanwhile the key is put again or
 * removed, and the medium may damage one entry (a run copies damage as it is).
 * The reader looks up, copies, checks its copy, and looks up again when the
 * check fails.  A lookup is one step: tests/model/bucket.pml is about that.
 * A segment that a client has not mapped and cannot get any more reads like
 * an empty one.  Not modelled: ATTEMPTS, after which the daemon is asked.
 *
 * Holds: a value or absence that is returned was so at an instant during the
 * call; "damaged" is said of a damaged entry alone.
 */
#define N_SEGMENTS 6
#define NONE	   15 /* not in the index */
#define ZEROS	   0
#define DAMAGED	   14
#define BIT(x)	   (1 << (x))

byte header[N_SEGMENTS]; /* of the value with this number, from 1 on */
byte value[N_SEGMENTS];
byte index = NONE; /* the segment of the key's entry */
byte n_segments;   /* that were begun */
byte n_values;
byte truth; /* 0: absent */
int was;    /* bits of values, during the call */
bit damaged;
bit done;

inline write_entry(segment, new_header, new_value)
{
	header[segment] = new_header;
	value[segment] = new_value
}

inline tell(new)
{
	truth = new;
	was = was | BIT(truth)
}

/* A turn of the loop: the log's entry is there before it is in the index. */
active proctype writer()
{
	byte segment;

	do
	:: n_values < 3 && n_segments < N_SEGMENTS && !done ->
		atomic {
			n_values++;
			segment = n_segments;
			n_segments++;
			write_entry(segment, n_values, n_values)
		}
		atomic {
			index = segment;
			tell(n_values)
		}
	:: index != NONE && !done ->
		atomic {
			index = NONE;
			tell(0)
		}
	:: n_values == 3 || done -> break
	od
}

active proctype compactor()
{
	byte from, to, runs;

	do
	:: runs < 2 && index != NONE && n_segments < N_SEGMENTS && !done ->
		atomic {
			runs++;
			from = index;
			if
			:: from == NONE -> from = 0
			:: else
			fi;
			to = n_segments;
			n_segments++
		}
#ifdef MOVE_BEFORE_COPY
		index = to;
#endif
#ifdef PUNCH_BEFORE_MOVE
		atomic { write_entry(to, header[from], value[from]) }
		header[from] = ZEROS;
		value[from] = ZEROS;
#endif
#ifndef PUNCH_BEFORE_MOVE
		header[to] = header[from];
		value[to] = value[from];
#endif
#ifdef MOVE_UNASKED
		index = to;
#else
		if
		:: atomic { index == from -> index = to }
		:: atomic { index != from }
		fi;
#endif
		header[from] = ZEROS;
		value[from] = ZEROS
	:: runs == 2 || done -> break
	od
}

/* One bit flips, in the header or in the value of one entry. */
active proctype medium()
{
	if
	:: atomic { index != NONE -> value[index] = DAMAGED; damaged = 1 }
	:: atomic { index != NONE -> header[index] = DAMAGED; damaged = 1 }
	:: skip
	fi
}

#define GOOD (copy != ZEROS && copy != DAMAGED && copy_value == copy)

active proctype reader()
{
	byte place, copy, copy_value, failed;

	failed = NONE;
	d_step { was = 0; tell(truth) }
	do
	:: place = index;
		if
		:: place == NONE -> copy_value = 0; break
		:: else
		fi;
		copy = header[place];
#ifdef CHECK_BEFORE_COPY
		/* What was checked is not what is returned. */
		copy_value = value[place];
		if
		:: GOOD -> copy_value = value[place]; break
		:: else
		fi;
#else
		copy_value = value[place];
#endif
#ifdef UNCHECKED
		break;
#else
#ifndef CHECK_BEFORE_COPY
		if
		:: GOOD -> break
		:: else
		fi;
#endif
#ifdef FIRST_FAILURE_IS_DAMAGE
		assert(damaged);
		goto end;
#endif
		if
		:: place == failed -> assert(damaged); goto end
		:: else -> failed = place
		fi
#endif
	od;
	assert(copy_value != DAMAGED);
	assert(was & BIT(copy_value));
end:	done = 1
}
