#!/bin/bash
# Hostile, broken and greedy clients, with one beside them that must not
# notice.
#
#   B=BUILD tests/e2e/test_hostile.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2094,SC2119,SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

hostile=$helpers/hostile wire=$helpers/wire
ping='\0\0\0\x09\x94\0\x07\xa4ping\x90' # [0, 7, "ping", []]

# begin NAME MODE...: hostile in the background until end NAME; NAME.out.
begin() {
	local name=$1

	shift
	rm -f "$name.out"
	mkfifo "$name.in"
	"$hostile" "$1" "$socket" "${@:2}" <"$name.in" >"$name.out" \
		2>"$name.err" &
	eval "$name=$!"
	others+=($!)
	exec {input}>"$name.in"
	eval "${name}_in=$input"
	check "$name: begins" await 60 grep -qs ready "$name.out"
}

# end NAME: sets $status.
end() {
	local input=$1_in process=$1

	exec {input}>&-
	eval "exec ${!input}>&-"
	wait "${!process}"
	status=$?
	rm "$1.in"
}

# end_good NAME [BUSY]: how many of its requests may be refused: 0.
end_good() {
	end good
	check "$1" [ "$status" -eq 0 ]
	check "$1: ${2:-none} refused" grep -q ", ${2:-0} refused" good.out
	sed 's/^/# /' good.err
	sed -n 's/^[0-9]/# beside them: &/p' good.out
}

kib() {
	awk -v name="$1:" '$1 == name {print $2}' "/proc/$pid/status"
}

# answer NAME BYTES N PATTERN: the first N replies to BYTES (of printf).
answer() {
	local out

	# shellcheck disable=SC2059 # they are escapes
	out=$(printf "$2" | "$wire" "$socket" "$3")
	# shellcheck disable=SC2053 # it is a pattern
	if [[ $out == $4 ]]; then
		ok "$1"
	else
		not_ok "$1" "got: $out" "expected: $4"
	fi
}

test_frames() {
	local nested

	answer 'a length of 4 GiB: one error, then closed' '\xff\xff\xff\xff' 2 \
		'*too_large*closed'
	answer 'a length one over the limit is refused at once' \
		'\x10\0\0\0' 2 '*too_large*closed'
	answer 'an empty frame: one error, then closed' '\0\0\0\0' 2 \
		'*bad_frame*closed'
	nested=$(printf '\\x91%.0s' {1..1000})
	nested=$(for ((i = 0; i < 100; i++)); do printf %s "$nested"; done)
	answer 'nesting of 100,000: an error, and the connection goes on' \
		"\\0\\x01\\x86\\xa1$nested\\xc0$ping" 2 \
		'*bad_message*
\[1, 7, nil, nil\]'
	answer 'a byte behind the message: an error, and it goes on' \
		"\\0\\0\\0\\x0a${ping#??????????}\\xc0$ping" 2 \
		'*bad_message*
\[1, 7, nil, nil\]'
	answer 'an array that says it has 4 G elements' \
		"\\0\\0\\0\\x05\\xdd\\xff\\xff\\xff\\xff$ping" 2 \
		'*bad_message*
\[1, 7, nil, nil\]'
	check 'random bytes end their connections alone' \
		"$hostile" garbage "$socket" 100
	check 'frames that are cut off by the death of their client' \
		"$hostile" half "$socket" 300
	check 'and nothing of them is stored' \
		[ "$("$ctl" exists half; echo $?)" = 1 ]
}

# The daemon holds up to --max-output and one reply for each.
test_deaf() {
	local before

	head -c 1M /dev/urandom >large
	"$ctl" put large - <large
	before=$(kib VmRSS)
	begin deaf deaf 30 large
	check 'a value for a client that reads, beside 30 that never do' \
		cmp large <("$ctl" get large)
	# Each has asked for 1000 MiB.
	check 'what they did not read is bounded' \
		[ $(($(kib VmHWM) - before)) -lt $((30 * 3 * 1024 + 32768)) ]
	echo "# memory went from $before to $(kib VmHWM) KiB"
	end deaf
	begin part part 30
	check '30 in the middle of a frame hold no more than they sent' \
		[ $(($(kib VmRSS) - before)) -lt $((30 * 3 * 1024 + 32768)) ]
	end part
}

test_idle() {
	begin idle idle 500
	check '500 idle connections' grep -q '500 served' idle.out
	check 'one more client beside them' answers
	check 'they take little memory' \
		[ "$(kib VmRSS)" -lt $((128 * 1024)) ]
	end idle
}

test_flood() {
	begin flood idle 300
	check 'a flood over the limit of descriptors: the first are served' \
		grep -q 'ready [1-9][0-9]* served' flood.out
	check 'and the rest is refused' grep -qv '300 served' flood.out
	try "$ctl" ping
	judge 'a refused client is told why' 5 '' 'getmectl: *later*'
	end flood
	check 'when it is over clients are served again' await 20 answers
}

test_no_descriptors() {
	local n

	n=$(find "/proc/$pid/fd" -type l | wc -l)
	prlimit --pid "$pid" --nofile=$((n + 3))
	begin flood idle 20
	check 'accept fails for want of descriptors: some were served' \
		grep -q 'ready [1-9]' flood.out
	try "$ctl" ping
	judge 'the others are told why' 5 '' 'getmectl: *descriptors*'
	end flood
	check 'and it recovers by itself' await 20 answers
}

make_dir
start --max-output 1M
begin good good
test_frames
test_deaf
test_idle
end_good 'the good client was served well all the time'
stop
check 'the daemon stops in order' [ "$status" -eq 0 ]

run_daemon prlimit --nofile=64 "$daemon" --store "$store" --socket "$socket"
begin good good
test_flood
end_good 'the good client was served well beside the flood'
stop
check 'the daemon stops in order after the flood' [ "$status" -eq 0 ]

start
begin good good
test_no_descriptors
# A write that needs a file may be refused meanwhile.
end_good 'the good client was served without descriptors' '[0-9]*'
stop
check 'the daemon stops in order in the end' [ "$status" -eq 0 ]
finish
