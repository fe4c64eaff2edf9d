#!/bin/bash
# Nine of ten keys are deleted; a compaction gives nine tenths of the disk
# back, and no deleted key comes back although getmed is killed ten times
# while it runs.
#
#   B=BUILD tests/e2e/test_delete_most.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

n_keys=100000
n_kills=10
segment=131072 # so small that every part of the way ends some runs
batch=10000
padding=$(printf '%0100d' 0) # values have some 100 bytes

# Nothing is compacted before it is asked for, and that not faster than it can
# be watched.
start_slow() {
	start --segment-size "$segment" --compact-dead-share 100 \
		--compact-small 100000 --compact-rate 8M --durability none
}

# Keys on standard input to records.
records() {
	sed 's/.*/{"key":"key&","value":"& '"$padding"'"}/'
}

fill() {
	seq "$n_keys" | records | "$ctl" import >/dev/null 2>&1
}

# All but each tenth.
delete_most() {
	seq "$n_keys" | grep -v '0$' |
		sed 's/.*/{"op":"delete","key":"key&"}/' | split -l "$batch" - part.
	for part in part.*; do
		"$ctl" batch "$part" >/dev/null || return
	done
}

# What is there, and nothing else.
holds_the_rest() {
	"$ctl" export 2>/dev/null | sort | cmp - rest
}

disk_use() {
	du -s --block-size=1 "$store" | cut -f1
}

# The compaction under way has come so far, or is over.
has_done() {
	[ "$(stat_row compact_done_bytes)" -ge "$1" ] || gone "$compaction"
}

compact_and_kill() {
	"$ctl" compact >/dev/null 2>&1 &
	compaction=$!
	others=("$compaction")
	await 30 has_done "$step" || return
	# Over already: it would not be killed on its way.
	! gone "$compaction" || return
	kill_daemon
	wait "$compaction"
	start_slow
	holds_the_rest
}

make_disk_dir
start_slow
check "$n_keys keys" fill
"$ctl" sync
before=$(disk_use)
check 'nine of ten are deleted' delete_most
seq "$n_keys" | grep '0$' | records | sort >rest
check 'the others are there' holds_the_rest
step=$(($(stat_row disk_bytes) / (n_kills + 1)))
for ((i = 1; i <= n_kills; i++)); do
	check "kill $i in a compaction: no key comes back, none is lost" \
		compact_and_kill
done
check 'a compaction that is left alone' "$ctl" compact
check 'the others are still there' holds_the_rest
after=$(disk_use)
# The active segment, the spare, the reserve for deletes; LOCK, the manifests
# and what each hint's file leaves of its last block are less than another.
fixed=$((4 * segment))
echo "# disk use: $before bytes before, $after after, of which $fixed fixed"
check 'nine tenths of the disk are free again' \
	[ "$((after - fixed))" -le "$((before * 12 / 100))" ]
stop
check 'the store passes its check' "$ctl" check "$store"
start_slow
check 'and the others are there after another start' holds_the_rest
stop
finish
