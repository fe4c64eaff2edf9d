#!/bin/bash
# Bad input is told what is wrong with it, and harms nobody else.
#
#   B=BUILD tests/e2e/test_bad_input.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2119,SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

wire=$helpers/wire

# frame BYTES: the escapes of a frame with this body, itself in escapes.
frame() {
	local len

	# shellcheck disable=SC2059 # they are escapes
	len=$(printf "$1" | wc -c)
	printf '\\x%02x' $((len >> 24)) $((len >> 16 & 255)) \
		$((len >> 8 & 255)) $((len & 255))
	printf %s "$1"
}

ping=$(frame '\x94\0\x07\xa4ping\x90')

# fault NAME BODY PATTERN: an error reply, and the connection goes on.
fault() {
	local out

	# shellcheck disable=SC2059 # they are escapes
	out=$(printf "$(frame "$2")$ping" | "$wire" "$socket" 2)
	# shellcheck disable=SC2053 # it is a pattern
	if [[ $out == $3$'\n''[1, 7, nil, nil]' ]]; then
		ok "$1"
	else
		not_ok "$1" "got: $out" "expected: $3, and a ping's reply"
	fi
}

test_requests() {
	# [0, 9, METHOD, PARAMS]
	fault 'an unknown method is named' '\x94\0\x09\xa4gets\x91\xc4\x01k' \
		'\[1, 9, \[3, "unknown_method", "*gets*"\], nil\]'
	fault 'a key that is a number' '\x94\0\x09\xa3get\x91\x05' \
		'\[1, 9, \[4, "bad_params", "*key*"\], nil\]'
	fault 'a value that is a map' '\x94\0\x09\xa3put\x92\xc4\x01k\x80' \
		'\[1, 9, \[4, "bad_params", "*value*"\], nil\]'
	fault 'parameters that are no array' '\x94\0\x09\xa3get\xc4\x01k' \
		'\[1, 9, \[*\], nil\]'
	fault 'too few parameters' '\x94\0\x09\xa3put\x91\xc4\x01k' \
		'\[1, 9, \[4, "bad_params", "*"\], nil\]'
	fault 'too many parameters' '\x94\0\x09\xa4ping\x92\xc4\x01k\x05' \
		'\[1, 9, \[4, "bad_params", "*"\], nil\]'
	fault 'an unknown option is named' \
		'\x94\0\x09\xa3put\x93\xc4\x01k\xc4\x01v\x81\xa4fast\xc3' \
		'\[1, 9, \[4, "bad_params", "*fast*"\], nil\]'
	fault 'an option of another type' \
		'\x94\0\x09\xa3put\x93\xc4\x01k\xc4\x01v\x81\xa3ttl\xa11' \
		'\[1, 9, \[4, "bad_params", "*ttl*"\], nil\]'
	fault 'a ttl of 0' \
		'\x94\0\x09\xa3put\x93\xc4\x01k\xc4\x01v\x81\xa3ttl\x00' \
		'\[1, 9, \[4, "bad_params", "*ttl*"\], nil\]'
	fault 'an empty key' '\x94\0\x09\xa3put\x92\xc4\0\xc4\x01v' \
		'\[1, 9, \[*key*\], nil\]'
	fault 'a batch with an operation that is none' \
		'\x94\0\x09\xa5batch\x91\x91\x92\xa3pop\xc4\x01k' \
		'\[1, 9, \[4, "bad_params", "*"\], nil\]'
	fault 'an array in place of the message' '\x93\1\2\3' \
		'\[1, 0, \[2, "bad_message", "*"\], nil\]'
	fault 'a map in place of the message' '\x80' \
		'\[1, 0, \[2, "bad_message", "*"\], nil\]'
	fault 'a notification' '\x93\2\xa4ping\x90' \
		'\[1, 0, \[2, "bad_message", "*"\], nil\]'
	fault 'a byte behind the message' '\x94\0\x09\xa4ping\x90\xc0' \
		'\[1, *, \[2, "bad_message", "*behind*"\], nil\]'
	fault 'a message that is cut off' '\x94\0\x09\xa4ping' \
		'\[1, *, \[2, "bad_message", "*"\], nil\]'
	fault 'an extension type' '\x94\0\x09\xa3get\x91\xd4\x01\x01' \
		'\[1, *, \[*\], nil\]'
	fault 'a key of 65,536 bytes' \
		'\x94\0\x09\xa3put\x92\xc6\0\x01\0\0'"$(printf 'k%.0s' \
			{1..65536})"'\xc4\x01v' \
		'\[1, 9, \[5, "too_large", "*key*"\], nil\]'
	check 'nothing of it is stored' [ "$("$ctl" count)" = 0 ]
}

test_commands() {
	local long

	long=$(printf 'k%.0s' {1..65536})
	try "$ctl" put "$long" v
	judge 'put with a key of 65,536 bytes' 5 '' 'getmectl: *65*'
	try "$ctl" get "$long"
	judge 'get with one' 5 '' 'getmectl: *65*'
	try "$ctl" put "${long:1}" v
	judge 'a key of 65,535 bytes is one' 0 '' ''
	try "$ctl" get "${long:1}"
	judge 'and is found' 0 v ''
	"$ctl" del "${long:1}" >out
	try "$ctl" put '' v
	judge 'an empty key' 5 '' 'getmectl: *key*'
	try "$ctl" put --ttl never k v
	judge 'an option that cannot be' 2 '' 'getmectl: put: *never*'
	head -c 2M /dev/zero >large
	try "$ctl" put k - <large
	judge 'a value over the limit' 5 '' 'getmectl: put: too large*'
	check 'nothing of it is stored' [ "$("$ctl" count)" = 0 ]
}

# records FIRST LAST
records() {
	awk -v first="$1" -v last="$2" 'BEGIN {
		for (i = first; i <= last; i++)
			printf("{\"key\":\"k%d\",\"value\":\"v%d\"}\n", i, i)
	}'
}

# 1,500 records, LINE in place of the 1,000th.
make_lines() {
	records 1 999
	printf '%s\n' "$1"
	records 1001 1500
}

# bad_line NAME LINE PATTERN
bad_line() {
	make_lines "$2" >lines
	try "$ctl" import lines
	judge "import: $1 in line 1,000" 2 '' \
		"getmectl: import: line 1000: $3; 999 records before it are \
stored"
	check "import: $1: those are there, and nothing else" \
		[ "$("$ctl" count) $("$ctl" get k1) $("$ctl" get k999)" = \
			'999 v1 v999' ]
	"$ctl" clear --yes
}

test_import() {
	bad_line 'JSON cut off' '{"key":"k1000","value":"v' '*'
	bad_line 'no JSON' 'key: k1000' '*'
	bad_line 'an array' '["k1000", "v1000"]' '*'
	bad_line 'a value that is missing' '{"key":"k1000"}' '*value*'
	bad_line 'a key that is a number' '{"key":1000,"value":"v"}' '*key*'
	bad_line 'an unknown member' '{"key":"k","value":"v","ttk":1}' '*ttk*'
	bad_line 'wrong base64' '{"key":"k","value_b64":"v"}' '*value_b64*'
	bad_line 'an empty key' '{"key":"","value":"v"}' '*key*'
	bad_line 'a key of 65,536 bytes' \
		"{\"key\":\"$(printf 'k%.0s' {1..65536})\",\"value\":\"v\"}" \
		'*key*'
	bad_line 'a value over the limit' \
		"{\"key\":\"k\",\"value\":\"$(head -c 1100000 /dev/zero |
			tr '\0' v)\"}" '*'
}

test_batch() {
	printf '%s\n' '{"op":"put","key":"a","value":"1"}' \
		'{"op":"put","key":"b"}' >lines
	try "$ctl" batch lines
	judge 'batch: a bad line is named' 2 '' 'getmectl: batch: line 2: *'
	check 'batch: and nothing is stored' [ "$("$ctl" count)" = 0 ]
}

make_dir
start --max-value 1M
test_requests
test_commands
test_import
test_batch
try "$ctl" put k v
judge 'the daemon serves on' 0 '' ''
stop
check 'and stops in order' [ "$status" -eq 0 ]
finish
