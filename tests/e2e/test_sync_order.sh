#!/bin/bash
# The program itself under strace: no reply to a put leaves before a sync that
# was begun when the put was written.  With eatmydata, which makes syncs
# nothing, the same check has to turn red.  And the program is killed at
# writes and syncs.
#
#   B=BUILD tests/e2e/test_sync_order.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2119 # start takes options
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

# Of a trace of puts on stable storage, one at a time on each connection: a
# request that was read is written by a call that begins later; its reply may
# begin when a sync has returned that began after that call had.  All goes to
# one segment, the one that is written to most.
# Prints replies, groups and how many replies came too early.
judge_trace() {
	local log

	log=$(grep -o 'pwritev([0-9]*<[^>]*\.seg>' trace | sort | uniq -c |
		sort -rn | sed -n '1s/.*<//p')
	awk -v log_name="${log:?}" '
	function is_log(text) {
		return index(text, "<" log_name)
	}
	function peer(text) {
		return match(text, /[0-9]+<(socket|UNIX)[^>]*>/) ? \
			substr(text, RSTART, RLENGTH) : ""
	}
	function begins(text, thread) {
		if (text ~ /^pwritev\(/ && is_log(text))
			n_begun++
		else if (text ~ /^fdatasync\(/ && is_log(text))
			covers[thread] = n_written
		else if (text ~ /^send(msg|to)\(/ && due[peer(text)] > 0) {
			n_replies++
			n_early += n_synced < due[peer(text)]
			due[peer(text)] = 0
		}
	}
	function ends(text, thread) {
		if (text ~ /^pwritev\(/ && is_log(text))
			n_written++
		else if (text ~ /^fdatasync\(.* = 0$/ && is_log(text)) {
			n_groups++
			n_synced = covers[thread]
		} else if (text ~ /^recvfrom\(.*\\243put\\.* = [1-9][0-9]*$/)
			due[peer(text)] = n_begun + 1
	}
	{
		thread = $1
		sub(/^[0-9]+ +/, "")
	}
	/<unfinished \.\.\.>$/ {
		sub(/ *<unfinished \.\.\.>$/, "")
		begun[thread] = $0
		begins($0, thread)
		next
	}
	/^<\.\.\. / {
		sub(/^<\.\.\. [a-z0-9_]+ resumed>/, "")
		ends(begun[thread] $0, thread)
		next
	}
	{
		begins($0, thread)
		ends($0, thread)
	}
	END {print n_replies + 0, n_groups + 0, n_early + 0}
	' trace
}

# trace_puts WRAPPER...: puts on four connections at once, traced.
trace_puts() {
	local n daemon_pid

	store=$dir/$1
	run_daemon strace -f -qq -y -o trace \
		-e trace=pwritev,fdatasync,recvfrom,sendto,sendmsg \
		"$@" "$daemon" --store "$store" --socket "$socket"
	n=$("$helpers/put_rate" "$socket" 4 300)
	read -r _ daemon_pid _ <"$store/LOCK"
	kill -TERM "$daemon_pid"
	wait "$pid"
	pid=''
	read -r n_replies n_groups n_early < <(judge_trace)
	echo "# $1: $n_replies replies, $n_groups syncs of the log," \
		"$n_early replies before their sync ($n puts a second)"
}

test_order() {
	trace_puts env
	check 'several groups were written and answered' \
		[ "$n_groups" -gt 5 -a "$n_replies" -gt "$n_groups" ]
	check 'no reply leaves before the sync of its group' \
		[ "$n_early" -eq 0 ]
	if ! command -v eatmydata >/dev/null; then
		skip 'the check fails without syncs' 'there is no eatmydata'
		return
	fi
	trace_puts eatmydata
	check 'the check fails without syncs' \
		[ "$n_replies" -gt 5 -a "$n_early" -eq "$n_replies" ]
}

# killed_at CALL PATTERN: the next call of that kind on the log kills; then
# all that was acknowledged is there, and of the put that was under way what
# PATTERN says.
killed_at() {
	local i

	store=$dir/killed-$1
	start
	for ((i = 1; i <= 5; i++)); do
		"$ctl" put "k$i" "$i"
	done
	inject "$1:signal=SIGKILL:when=1" || return
	try "$ctl" put struck 1
	judge "killed at its $1: the outcome is unknown" 6 '' 'getmectl: *'
	wait "$pid" 2>/dev/null
	wait "$tracer" 2>/dev/null
	start
	for ((i = 1; i <= 5; i++)); do
		"$ctl" get "k$i"
		echo
	done | tr '\n' ' ' >seen
	check "killed at its $1: all that was acknowledged is there" \
		[ "$(tr -s ' ' <seen)" = '1 2 3 4 5 ' ]
	try "$ctl" get struck
	check "killed at its $1: the put is as far as it came" \
		[ "$status $(<out)" = "$2" ]
	stop
}

make_disk_dir
if ! can_trace; then
	skip 'the order of syncs and replies' 'strace cannot trace here'
	skip 'kills at writes and syncs' 'strace cannot trace here'
	finish
fi
test_order
killed_at pwritev '1 '
killed_at fdatasync '0 1'
finish
