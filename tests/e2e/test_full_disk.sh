#!/bin/bash
# A full disk, limits on files, and disks that fail: puts are refused with a
# clear error, all else goes on, and nothing that was acknowledged is lost.
#
#   B=BUILD tests/e2e/test_full_disk.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2094,SC2119,SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

mounted=''

unmount() {
	[ -z "$mounted" ] || umount -l "$dir/disk"
}

# Sets $mounted to what it is; nothing: none can be had.
mount_disk() {
	mkdir disk
	if truncate -s 16M image && mkfs.ext4 -q -F image 2>err &&
		mount -o loop image disk 2>>err; then
		mounted='ext4, 16 MB'
	elif mount -t tmpfs -o size=16M none disk 2>>err; then
		mounted='tmpfs, 16 MB'
	fi
}

# Puts keys until one is refused; $n is how many there are.
fill() {
	while [ "$n" -lt 500 ]; do
		try "$ctl" put "k$((n + 1))" - <value
		[ "$status" -eq 0 ] || return 0
		n=$((n + 1))
	done
}

all_there() {
	local i

	for ((i = 2; i <= n; i++)); do
		"$ctl" get "k$i" | cmp - value || return
	done
}

state() {
	[ "$(stat_row state)" = "$1" ]
}

can_put() {
	"$ctl" put again - <value 2>/dev/null
}

test_full() {
	store=$dir/disk/store n=0
	head -c 50000 /dev/urandom >value
	start --segment-size 1M
	head -c 6M /dev/zero >disk/ballast
	fill
	echo "# $mounted: $n puts of 50,000 bytes until it is full"
	judge 'full: puts are refused with a clear error' 5 '' \
		'getmectl: *full*'
	check 'full: it took some puts before' [ "$n" -gt 5 ]
	check 'full: gets go on' all_there
	check 'full: the state is told' state full
	try "$ctl" del k1
	judge 'full: deletes go on' 0 1 ''
	try "$ctl" get k1
	judge 'full: what is deleted is gone' 1 '' '*'
	try "$ctl" put "k$((n + 1))" - <value
	judge 'full: the next put is refused, too' 5 '' 'getmectl: *full*'
	kill_daemon
	start --segment-size 1M
	check 'full: after a kill -9 it starts, and all is there' all_there
	try "$ctl" get k1
	judge 'full: and what was deleted is still gone' 1 '' '*'
	rm disk/ballast
	check 'with room again puts resume by themselves' await 30 can_put
	check 'and the state is ok' await 10 state ok
	check 'and all is there' all_there
	stop
	check 'a stop in order' [ "$status" -eq 0 ]
	start
	check 'and all is there after it' all_there
	stop
}

# Where the limit on a file's size strikes, SIGXFSZ would kill.
test_file_size() {
	store=$dir/limited
	run_daemon prlimit --fsize=8388608 "$daemon" --store "$store" \
		--socket "$socket" --segment-size 1M
	head -c 12M /dev/zero >large
	echo small | "$ctl" put small -
	try "$ctl" put large - <large
	judge 'a value over RLIMIT_FSIZE: a clear error' 5 '' 'getmectl: *'
	sed 's/^/# /' err
	try "$ctl" get small
	judge 'reads go on' 0 small ''
	check 'and so do smaller puts' await 10 can_put
	try "$ctl" get large
	judge 'what was refused is not there' 1 '' '*'
	stop
	check 'a stop in order after that' [ "$status" -eq 0 ]
	start
	try "$ctl" get small
	judge 'all is there after it' 0 small ''
	stop
}

test_failed_sync() {
	store=$dir/unsynced
	start
	"$ctl" put before 1
	if ! inject fdatasync:error=EIO:when=1; then
		skip 'a failed sync' 'strace cannot attach'
		stop
		return
	fi
	try "$ctl" put struck 2
	judge 'a failed sync: the outcome is unknown' 6 '' 'getmectl: *'
	try "$ctl" put after 3
	judge 'the store is read-only and says what to do' 5 '' \
		'getmectl: *read-only*'
	try "$ctl" del before
	judge 'a delete is refused, too' 5 '' 'getmectl: *read-only*'
	try "$ctl" get before
	judge 'reads go on' 0 1 ''
	check 'the state is told' state read-only
	check 'and logged' grep -q 'sync failed' "$log"
	end_inject
	try "$ctl" put after 3
	judge 'it stays read-only when syncs would work again' 5 '' \
		'getmectl: *read-only*'
	kill_daemon
	start
	try "$ctl" get before
	judge 'a restart has what was acknowledged' 0 1 ''
	try "$ctl" get after
	judge 'and not what was refused' 1 '' '*'
	try "$ctl" put after 4
	judge 'and takes writes again' 0 '' ''
	stop
	check 'and stops in order' [ "$status" -eq 0 ]
}

put_arrived() {
	[ "$(stat_row requests_put_total)" -ge 1 ]
}

test_slow_sync() {
	local writer

	store=$dir/slow
	start
	inject fdatasync:delay_enter=1000000 || return
	"$ctl" put accepted 1 &
	writer=$!
	await 20 put_arrived
	stop
	check 'SIGTERM while a sync is slow: exit 0' [ "$status" -eq 0 ]
	wait "$writer"
	status=$?
	check 'and what was accepted is answered' [ "$status" -eq 0 ]
	wait "$tracer"
	start
	try "$ctl" get accepted
	judge 'and stored' 0 1 ''
	stop
}

# failed_write ERRNO PATTERN
failed_write() {
	store=$dir/write-$1
	start
	"$ctl" put before 1
	inject "pwritev:error=$1:when=1" || return
	try "$ctl" put struck 2
	judge "a write that fails with $1: a clear error" 5 '' "getmectl: *$2*"
	end_inject
	try "$ctl" get before
	judge "$1: reads go on" 0 1 ''
	try "$ctl" get struck
	judge "$1: what was refused is not there" 1 '' '*'
	check "$1: writing resumes by itself" await 30 can_put
	kill_daemon
	start
	try "$ctl" get before
	judge "$1: a restart has what was acknowledged" 0 1 ''
	check "$1: all of it" cmp value <("$ctl" get again)
	try "$ctl" get struck
	judge "$1: and not what was refused" 1 '' '*'
	stop
}

# As an unprivileged user: root of a namespace may mount a tmpfs.
if [ "$(id -u)" -ne 0 ] && [ -z "${GETME_UNSHARED:-}" ] &&
	unshare -rm true 2>/dev/null; then
	GETME_UNSHARED=1 exec unshare -rm "$0"
fi
at_end=unmount
make_dir
mount_disk
if [ -n "$mounted" ]; then
	test_full
else
	skip 'a full disk' "nothing can be mounted: $(tail -n 1 err)"
fi
head -c 50000 /dev/urandom >value
test_file_size
if can_trace; then
	test_failed_sync
	test_slow_sync
	failed_write ENOSPC full
	failed_write EIO ''
else
	skip 'failed syncs and writes' 'strace does not work here'
fi
finish
