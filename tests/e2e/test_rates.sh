#!/bin/bash
# What pipelining and group commit are worth on a disk, all at the durability
# "always": an import against one put a round trip, and 16 connections
# against one.  Nothing else should run beside it; the best of three counts.
#
#   B=BUILD tests/e2e/test_rates.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2119,SC2317 # called through check
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

n_records=63000 import_times=8 commit_times=5
one_ms=1500 # a measurement
put_rate=$helpers/put_rate

# Sets $one, $many and $imported: puts a second.
measure() {
	local began

	one=$("$put_rate" "$socket" 1 "$one_ms") || return
	many=$("$put_rate" "$socket" 16 "$one_ms") || return
	began=${EPOCHREALTIME/[.,]/}
	"$ctl" import records.json 2>/dev/null || return
	imported=$((n_records * 1000000 / (${EPOCHREALTIME/[.,]/} - began)))
	echo "# puts a second: $one on one connection, $many on 16," \
		"$imported by import"
}

make_disk_dir
echo "$n_records" | "$helpers/records" generated records.json digests
start
best_many=0 best_import=0
for _ in 1 2 3; do
	check 'measured' measure
	[ "$one" -gt 0 ] || break
	[ $((many * 10 / one)) -le "$best_many" ] ||
		best_many=$((many * 10 / one))
	[ $((imported * 10 / one)) -le "$best_import" ] ||
		best_import=$((imported * 10 / one))
	[ "$best_many" -lt $((commit_times * 10)) ] ||
		[ "$best_import" -lt $((import_times * 10)) ] || break
done
echo "# times one connection, in tenths: import $best_import," \
	"16 connections $best_many"
check "an import is $import_times times as fast as puts one by one" \
	[ "$best_import" -ge $((import_times * 10)) ]
check "16 connections put $commit_times times as fast as one" \
	[ "$best_many" -ge $((commit_times * 10)) ]
stop
check 'the daemon stops in order' [ "$status" -eq 0 ]
finish
