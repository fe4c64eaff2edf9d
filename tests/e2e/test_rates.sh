#!/bin/bash
# What pipelining and group commit are worth on a disk, all at the durability
# "always": an import against one put a round trip, and 16 connections
# against one.  The rates are printed; what is tested is why they are so: how
# many syncs the puts took.  Nothing else should run beside it.
#
#   B=BUILD tests/e2e/test_rates.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2119,SC2317 # called through check
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

n_records=63000
one_ms=1500 # a measurement
put_rate=$helpers/put_rate

# syncs_for COMMAND...: sets $puts, the syncs that it took to $syncs.
syncs_for() {
	local before

	before=$(stat_row syncs)
	puts=$("$@") || return
	syncs=$(($(stat_row syncs) - before))
}

# Prints the records a second.
import_rate() {
	local began=${EPOCHREALTIME/[.,]/}

	"$ctl" import records.json 2>/dev/null || return
	echo $((n_records * 1000000 / (${EPOCHREALTIME/[.,]/} - began)))
}

make_disk_dir
echo "$n_records" | "$helpers/records" generated records.json digests
start
check 'puts on one connection' syncs_for "$put_rate" "$socket" 1 "$one_ms"
one=$puts
check 'puts on 16 connections' syncs_for "$put_rate" "$socket" 16 "$one_ms"
many=$puts
check '16 connections share syncs: two puts a sync at least' \
	[ $((many * one_ms / 1000)) -ge $((syncs * 2)) ]
check 'an import' syncs_for import_rate
check 'its records share syncs: 50 a sync at least' \
	[ "$n_records" -ge $((syncs * 50)) ]
echo "# puts a second: $one on one connection, $many on 16, $puts by import"
echo "# times one connection, in tenths: 16 connections $((many * 10 / one))," \
	"import $((puts * 10 / one))"
stop
check 'the daemon stops in order' [ "$status" -eq 0 ]
finish
