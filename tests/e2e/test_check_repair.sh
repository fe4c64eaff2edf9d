#!/bin/bash
# A store that a real getmed wrote, damaged byte by byte on the disk: what
# getmectl check and repair say and make of it.
#
#   B=BUILD tests/e2e/test_check_repair.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2119,SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
make_dir
new=$dir/new

# Everything in a folder that a program could change.
snapshot() {
	find "$1" -printf '%p %y %m %i %s %T@\n' | sort
	find "$1" -type f -exec cksum {} + | sort
}

# The offset of TEXT in FILE.
offset() {
	LC_ALL=C grep -obaF -- "$1" "$2" | head -n 1 | cut -d: -f1
}

# flip FILE OFFSET: another byte there.
flip() {
	local byte

	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "\\x$(printf '%02x' $((byte ^ 255)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

make_store() {
	rm -rf "$store" "$new"
	start --segment-size 64K
	"$ctl" put old 'value one'
	"$ctl" put old 'value two'
	"$ctl" put keep 'kept value'
	"$ctl" put gone 'value gone'
	"$ctl" del gone >/dev/null
	"$ctl" put --ttl 1d later 'expires'
	printf '{"op":"put","key":"b1","value":"1"}
{"op":"put","key":"b2","value":"2"}\n' | "$ctl" batch >/dev/null
	try "$ctl" check "$store"
	judge 'check of a store in use' 4 '' \
		'getmectl: check: *in use by process*'
	try "$ctl" repair "$store" "$new"
	judge 'repair of a store in use' 4 '' \
		'getmectl: repair: *in use by process*'
	version=$("$ctl" stat keep | sed -n 's/^version //p')
	stop
}

test_whole() {
	make_store
	snapshot "$store" >before
	try "$ctl" check "$store"
	judge 'check of a whole store' 0 '* segments, * entries, * whole' ''
	snapshot "$store" >after
	check 'check changes nothing' cmp -s before after
	try "$ctl" repair "$store" "$store/inner"
	judge 'repair into the store itself' 5 '' '*is not to be changed*'
	try "$ctl" check "$dir/nothing"
	judge 'check of nothing' 5 '' '*No such file*'
	try "$ctl" check "$dir/before"
	judge 'check of a file' 5 '' "*$dir/before: Not a directory"
	try "$ctl" check
	judge 'check without a folder' 2 '' '*operand is missing*'
	try "$ctl" repair "$store"
	judge 'repair without a new folder' 2 '' '*operand is missing*'
}

test_damaged() {
	local segment

	segment=$(grep -la 'value two' "$store"/*.seg)
	flip "$segment" "$(offset 'value two' "$segment")"
	snapshot "$store" >before
	try "$ctl" check "$store"
	judge 'check of a damaged value' 5 \
		'damaged: segment *"key":"old": the value is damaged
*1 damaged (*' '*getmectl repair*'
	try "$ctl" --json check "$store"
	judge 'check --json' 5 \
		'{"finding":"value","damage":true,"segment":*"key":"old"*
{"summary":"check",*"damaged":1,*}' '*getmectl repair*'
	try "$ctl" repair "$store" "$new"
	judge 'repair' 0 \
		'*left out: segment *"key":"old"*
*is a whole store now: 4 keys, *1 keys left out, 1 files in quarantine' ''
	snapshot "$store" >after
	check 'repair leaves the damaged store as it is' cmp -s before after
	check 'the damaged entry is in quarantine' \
		grep -qa 'alue two' "$new"/quarantine/*.seg.from-*
	try "$ctl" check "$new"
	judge 'check of what repair made' 0 '*: whole' ''
	try "$ctl" repair "$store" "$new"
	judge 'repair into it once more' 5 '' '*is not empty*'
}

serve() {
	store=$1 start
}

test_served() {
	serve "$new"
	try "$ctl" get old
	judge 'a damaged key is not there, nor its older value' 1 '' '*'
	try "$ctl" get gone
	judge 'nor one that was deleted' 1 '' '*'
	try "$ctl" get keep
	judge 'the others are' 0 'kept value' ''
	try "$ctl" stat keep
	judge 'with their versions' 0 "version $version
*" ''
	try "$ctl" stat later
	judge 'and their expiry' 0 '*expires_at [1-9]*' ''
	try "$ctl" mget b1 b2
	judge 'and batches' 0 '*"value":"1"*"value":"2"*' ''
	try "$ctl" put old 'new'
	judge 'it takes writes' 0 '' ''
	stop
	check 'and stops cleanly' [ "$status" -eq 0 ]
	try "$ctl" check "$new"
	judge 'and is whole after that' 0 '*: whole' ''
}

test_lost_manifests() {
	make_store
	rm "$store"/MANIFEST.?
	try timeout 30 "$daemon" --store "$store" --socket "$socket"
	judge 'getmed names repair' 1 '' '*getmectl repair*'
	try "$ctl" repair "$store" "$new"
	judge 'repair without manifests' 0 \
		'damaged: both manifests are missing*
*is a whole store now: 5 keys, *' ''
	serve "$new"
	try "$ctl" get old
	judge 'and all is there' 0 'value two' ''
	stop
}

test_killed() {
	rm -rf "$store" "$new"
	start --segment-size 64K
	"$ctl" put durable yes
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	pid=''
	try "$ctl" check "$store"
	judge 'check of a killed store' 0 '*not stopped cleanly: whole*' ''
}

test_read_only() {
	if [ "$(id -u)" -ne 0 ] || ! unshare -m true 2>/dev/null; then
		skip 'a read-only medium' 'needs a mount namespace'
		return
	fi
	# shellcheck disable=SC2016 # it is the inner shell's
	try unshare -m sh -c \
		'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" &&
		! touch "$1/x" 2>/dev/null && exec "$2" check "$1"' \
		sh "$new" "$ctl"
	judge 'check of a store on a read-only medium' 0 '*: whole' ''
}

test_whole
test_damaged
test_served
test_read_only
test_lost_manifests
test_killed
exit "$failed"
