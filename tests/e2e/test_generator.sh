#!/bin/bash
# The benchmark's programs that need no other store, for a moment each: they
# get the right answers of getmed, and say so when they are not.
#
#   B=BUILD tests/e2e/test_generator.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2119 # start has options only elsewhere
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

bench=$build/tests/bench
keys=2000
line='[0-9]*.[0-9]* [0-9]*.[0-9]* [0-9-]*'

generate() { # option... WORK
	try timeout 60 "$bench/generator" -k "$keys" -s 0.05 -p "$pid" \
		"${@:1:$#-1}" getme "$socket" "${!#}"
}

test_generator() {
	local work

	for work in load get put a b c; do
		generate -c 8 -d 16 "$work"
		judge "8 connections, 16 in flight: $work" 0 "$line" ''
	done
	generate -c 1 -d 1 -l always put
	judge 'one after another, durable' 0 "$line" ''
	keys=200 generate -v 100000 -d 4 load
	judge 'long values: load' 0 "$line" ''
	keys=200 generate -v 100000 -d 4 get
	judge 'long values: get' 0 "$line" ''
	generate load
	keys=4000 generate get
	judge 'a miss ends it' 1 '' '*an error or a miss*'
	"$ctl" -s "$socket" put key:000000000000 'another value'
	keys=2 generate get
	judge 'a wrong value ends it' 1 '' '*a wrong value*'
}

test_client() {
	local work mode

	generate load
	for mode in direct off pread; do
		for work in get many c a; do
			try timeout 60 "$bench/peer_client" -k "$keys" -s 0.05 \
				-m "$mode" -n 2 "$socket" "$work"
			judge "2 processes, $mode: $work" 0 "$line" ''
		done
	done
}

test_engine() {
	local work

	for work in load get many a put sync; do
		try timeout 60 "$bench/peer_store" -k "$keys" -s 0.05 \
			"$dir/engine" "$work"
		judge "the engine: $work" 0 "$line" ''
	done
}

test_first_reply() {
	try timeout 60 "$bench/first_reply" -k "$keys" getme "$dir/first" \
		"$daemon" --store "$dir/engine" --socket "$dir/first"
	judge 'the first reply of a start' 0 '[0-9]*.[0-9]* [0-9]* -' ''
}

make_dir /dev/shm
start
test_generator
test_client
stop
test_engine
test_first_reply
[ $failed -eq 0 ]
