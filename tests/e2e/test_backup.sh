#!/bin/bash
# Backups: made while others write, served by a second daemon, compared; and
# folders that will not do.
#
#   B=BUILD tests/e2e/test_backup.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

# serve DIR COMMAND...: the command, with the backup in DIR served.
serve() {
	local server result

	"$daemon" --store "$1" --socket "$dir/second" 2>>"$log" &
	server=$!
	others+=("$server")
	shift
	if GETME_SOCKET=$dir/second await 30 answers; then
		GETME_SOCKET=$dir/second "$@"
		result=$?
	else
		result=1
	fi
	kill -TERM "$server"
	wait "$server" || return
	return "$result"
}

export_sorted() {
	"$ctl" export 2>/dev/null | sort
}

# The backup in DIR holds what was exported to the file.
holds() {
	serve "$1" export_sorted | cmp - "$2"
}

# Keys a and b have the same value all the time.
write_pairs() {
	local i=0

	while [ ! -e enough ]; do
		i=$((i + 1))
		printf '{"op":"put","key":"%s","value":"'"$i"'"}\n' a b |
			"$ctl" batch >/dev/null || return
	done
	echo "$i" >pairs
}

same_pair() {
	local a b

	a=$("$ctl" get a) && b=$("$ctl" get b) || return
	echo "# the backup has pair $a"
	[ "$a" = "$b" ]
}

fill() {
	seq 3000 | sed 's/.*/{"key":"key&","value":"&&&&&&&&&&&&&&&&"}/' |
		"$ctl" import --durability none >/dev/null 2>&1
	"$ctl" put --ttl 30d expires later
	"$ctl" del key7 >/dev/null
}

test_while_writing() {
	local writer

	write_pairs &
	writer=$!
	others+=("$writer")
	await 10 "$ctl" exists b
	try "$ctl" backup "$dir/pairs.backup"
	judge 'while others write: it is made' 0 '' ''
	: >enough
	check 'while others write: the writer goes on' wait "$writer"
	check 'batches are whole in it' serve "$dir/pairs.backup" same_pair
}

test_same() {
	export_sorted >before
	mkdir sub
	(cd sub && try "$ctl" backup relative && exit "$status")
	check 'DIR is relative to the current folder' [ -d sub/relative ]
	check 'a backup holds the same' holds "$dir/sub/relative" before
	check 'its segments are links' \
		[ "$(find sub/relative -name '*.seg' -links +1 | wc -l)" -gt 0 ]
	try "$ctl" --json stats
	check 'it is counted' grep -q '"backups":2' out
	"$ctl" clear --yes
	"$ctl" put new value
	check 'the original is cleared: the backup is as it was' \
		holds "$dir/sub/relative" before
	check 'a store can go on from it' serve "$dir/sub/relative" \
		"$ctl" put key1 changed
}

# Another file system: copies.
test_elsewhere() {
	local other

	other=$(mktemp -d /dev/shm/gm.XXXXXX 2>/dev/null) || other=''
	if [ -z "$other" ] ||
		[ "$(stat -c %d "$other")" = "$(stat -c %d "$dir")" ]; then
		skip 'another file system: it is copied' 'there is none'
		return
	fi
	at_end_remove=$other
	fill
	export_sorted >before
	try "$ctl" backup "$other/backup"
	judge 'another file system: it is copied' 0 '' ''
	check 'and holds the same' holds "$other/backup" before
	rm -rf "$other"
}

test_refused() {
	mkdir full && : >full/file
	try "$ctl" backup "$dir/full"
	judge 'a folder with a file in it' 5 '' 'getmectl: backup: *not empty (file*'
	check 'which is left alone' [ "$(ls full)" = file ]
	try "$ctl" backup "$dir/full/file"
	judge 'a file' 5 '' 'getmectl: backup: *not a folder*'
	try "$ctl" backup "$dir/no/such"
	judge 'a folder in none' 5 '' 'getmectl: backup: *make that first'
	try "$ctl" backup "$store/inside"
	judge 'a folder inside the store' 5 '' 'getmectl: backup: *inside a store*'
	check 'which is not made' [ ! -e "$store/inside" ]
	try "$ctl" backup ''
	judge 'no name' 2 '' 'getmectl: backup: *'
	try "$ctl" backup
	judge 'no folder' 2 '' 'getmectl: backup: an operand is missing*'
	try "$ctl" get new
	judge 'all goes on' 0 value ''
}

# The daemon is another user, who may not write where it is asked to.
test_not_allowed() {
	if [ "$(id -u)" -ne 0 ] || ! getent passwd nobody >row; then
		skip 'a folder that the daemon may not write' 'needs root'
		return
	fi
	# Below /tmp, since $dir may be root's alone; so may $build.
	theirs=$(mktemp -d /tmp/gmb.XXXXXX)
	cp "$daemon" "$theirs"
	chown nobody "$theirs"
	store=$theirs/store socket=$theirs/sock
	export GETME_SOCKET=$socket
	run_daemon setpriv --reuid nobody --regid "$(cut -d: -f4 row)" \
		--clear-groups "$theirs/getmed" --store "$store" \
		--socket "$socket"
	"$ctl" put a b
	try "$ctl" backup "$dir/denied"
	judge 'where the daemon may not write: exit 5, its user is named' 5 '' \
		'getmectl: backup: *user, nobody, may not write*'
	check 'nothing is made' [ ! -e denied ]
	try "$ctl" backup "$theirs/backup"
	judge 'where it may: it is made' 0 '' ''
	stop
	rm -rf "$theirs"
}

# Room comes back, nothing is lost, and a backup made before stays whole.
test_compact() {
	local before after i

	store=$dir/compacted socket=$dir/sock
	export GETME_SOCKET=$socket
	start --segment-size 64K --compact-dead-share 100
	for i in 1 2 3; do
		fill
	done
	export_sorted >before
	"$ctl" backup "$dir/early"
	before=$(stat_row disk_bytes)
	try timeout 60 "$ctl" compact
	judge 'compact: it ends, and says nothing' 0 '' ''
	after=$(stat_row disk_bytes)
	echo "# compact: $before bytes before, $after after"
	check 'compact: room comes back' [ "$after" -lt $((before / 2)) ]
	check 'compact: nothing is lost' cmp before <(export_sorted)
	check 'compact: the backup is as it was' holds "$dir/early" before
	try "$ctl" backup "$dir/late"
	judge 'compact: what is left is backed up' 0 '' ''
	check 'and holds the same' holds "$dir/late" before
	stop
}

# Killed at some point of it: no store, or all of it.
test_killed() {
	local i whole=0

	store=$dir/killed socket=$dir/sock
	export GETME_SOCKET=$socket
	start --segment-size 64K
	fill
	export_sorted >before
	for i in 002 005 010 020 040 080; do
		"$ctl" backup "$dir/killed.$i" 2>/dev/null &
		read -rt "0.$i" <>"$dir/never"
		kill_daemon
		wait $!
		if [ -e "killed.$i/MANIFEST.0" ]; then
			whole=$((whole + 1))
			check "killed $i: the backup is whole" \
				holds "$dir/killed.$i" before
		fi
		start --segment-size 64K
	done
	echo "# killed: $whole of 6 backups were whole before"
	check 'killed: the store is as it was' cmp before <(export_sorted)
	stop
}

remove_other() {
	[ -z "$at_end_remove" ] || rm -rf "$at_end_remove"
}

at_end=remove_other at_end_remove=''
make_dir
start
fill
test_while_writing
test_same
test_elsewhere
test_refused
stop
check 'a stop in order' [ "$status" -eq 0 ]
test_not_allowed
test_compact
test_killed
finish
