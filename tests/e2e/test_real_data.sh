#!/bin/bash
# Real data in, out, and through a kill -9 in the middle of an import: the
# machine's package index, then its programs.
#
#   B=BUILD tests/e2e/test_real_data.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2119,SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

n_generated=63000 n_single=1000
file_max=$((32 << 20)) files_sum=$((150 << 20))
records=$helpers/records

exported() {
	"$ctl" export | "$records" json | sort >got
}

# all_there NAME DIGESTS: the export has these records, and no other.
all_there() {
	check "$1" exported
	sort "$2" >wanted
	check "$1: every byte is as it went in" cmp got wanted
}

# 1,000 records, or what there is, spread over the input.
sample() {
	local step=$(($(wc -l <old.digests) / n_single))

	: >sample.json
	awk -v step=$((step > 0 ? step : 1)) -v most="$n_single" '
	{getline digests <"old.digests"}
	NR % step == 0 && /^{"key":/ && n < most {
		n++
		print >"sample.json"
		print digests >"sample.digests"
	}' old.json
	jq -r .key sample.json >keys
}

# A digest of the tests is what b2sum calls BLAKE2b with 128 bits.
get_each() {
	local key

	while IFS= read -r key; do
		"$ctl" get "$key" | b2sum -l 128
	done <keys | cmp - <(sed 's/.* //; s/$/  -/' sample.digests)
}

# At least a third is written.
under_way() {
	local last

	gone "$importer" && return
	last=$(stat_row last_sequence)
	[ "${last:-0}" -ge $((n_before + n_records / 3)) ]
}

killed_import() {
	local stored

	n_before=$(stat_row last_sequence)
	"$ctl" import new.json >/dev/null 2>err &
	importer=$!
	await 60 under_way
	kill_daemon
	wait "$importer"
	status=$?
	: >out
	# 3: none was under way just then, so nothing is unknown.
	[ "$status" -ne 3 ] || status=6
	judge "$1: an import that lost its daemon says what it knows" 6 '' \
		'getmectl: import: line*; * records before it are stored*'
	stored=$(sed -n 's/.*; \([0-9]*\) records before.*/\1/p' err)
	start
	check "$1: export after the kill" exported
	# Field 2 is the old value's digest, field 4 the new one's.
	# shellcheck disable=SC2016 # awk's
	check "$1: each key has its old value or its new one, a prefix of them \
new, with all that the import counted" \
		awk -v stored="${stored:-none}" '
	FILENAME == "got" {value[$1] = $2; n++; next}
	{n--}
	value[$1] == $4 && !ended {prefix++; next}
	value[$1] == $2 {ended = 1; next}
	{fault++}
	END {
		print "# " prefix + 0 " records are new, " stored \
			" were counted, of " FNR
		exit !(fault == 0 && n == 0 && prefix < FNR &&
			prefix >= stored + 0 && stored != "none")
	}' got <(paste -d ' ' old.digests new.digests)
}

# data_set NAME KIND INPUT: INPUT is what records reads.
data_set() {
	local name=$1

	store=$dir/$2
	"$records" "$2" old.json old.digests <"$3"
	n_records=$(wc -l <old.digests)
	echo "# $name: $n_records records, $(stat -c %s old.json) bytes"
	start
	try "$ctl" import old.json
	judge "$name: import" 0 '' "$n_records records imported"
	all_there "$name: export" old.digests
	sample
	rm old.json
	check "$name: $(wc -l <keys) keys by single gets" get_each
	"$records" "$2" new.json new.digests '
second: yes' <"$3"
	killed_import "$name"
	if [ "$2" != files ]; then # they take long
		try "$ctl" import new.json
		judge "$name: import again after the kill" 0 '' \
			"$n_records records imported"
		all_there "$name: export of the second import" new.digests
	fi
	stop
	check "$name: the daemon stops in order" [ "$status" -eq 0 ]
	rm -rf "$store"
}

choose_files() {
	find /usr/bin -type f -size "-$((file_max + 1))c" -readable \
		! -name '*
*' -printf '%s %p\n' | sort -n |
		awk -v most="$files_sum" '
	{sum += $1}
	sum > most {exit}
	{sub(/^[0-9]+ /, ""); print}'
}

make_disk_dir
apt-cache dumpavail >index 2>/dev/null
if [ -s index ]; then
	data_set 'package index' stanzas index
else
	skip 'package index' 'apt-cache dumpavail gives nothing'
	echo "$n_generated" >index
	data_set 'generated records' generated index
fi
choose_files >paths
data_set 'files of /usr/bin' files paths
finish
