#!/bin/bash
# getmectl against a real getmed: every command, exit status and message that
# scripts rely on.
#
#   B=BUILD tests/e2e/test_getmectl.sh    (GETME_BUILD is taken, too)
set -u
export LC_ALL=C.UTF-8
build=${GETME_BUILD:-${B:-build}}
ctl=$(realpath -e "$build/getmectl") || exit 1
daemon=$(realpath -e "$build/getmed") || exit 1
stats_page=$(realpath -e man/getme_stats.3) || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/ctl.XXXXXX") || exit 1
cd "$dir" || exit 1
export GETME_SOCKET=$dir/sock
pid='' failed=0

ok() {
	echo "ok - $1"
}

not_ok() {
	failed=1
	echo "not ok - $1"
	shift
	printf '#   %s\n' "$@"
}

# check NAME COMMAND...: the command succeeds.
check() {
	local name=$1

	shift
	if "$@"; then
		ok "$name"
	else
		not_ok "$name" "failed: $*"
	fi
}

# Runs getmectl into the files out and err, and sets $status.
run() {
	"$ctl" "$@" >out 2>err
	status=$?
}

# judge NAME STATUS OUT ERR: what run left; OUT and ERR are patterns.
judge() {
	local out err

	out=$(tr '\0' '@' <out)
	err=$(tr '\0' '@' <err)
	# shellcheck disable=SC2053 # they are patterns
	if [ "$status" -eq "$2" ] && [[ $out == $3 && $err == $4 ]]; then
		ok "$1"
	else
		not_ok "$1" "status $status, expected $2" \
			"stdout: $out" "expected: $3" \
			"stderr: $err" "expected: $4"
	fi
}

# expect NAME STATUS OUT ERR ARGUMENT...
expect() {
	local name=$1 wanted=$2 out=$3 err=$4

	shift 4
	run "$@"
	judge "$name" "$wanted" "$out" "$err"
}

version() {
	"$ctl" stat "$1" | sed -n 's/^version //p'
}

await_daemon() {
	local i

	for ((i = 0; i < 500; i++)); do
		"$ctl" ping >/dev/null 2>&1 && return 0
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.02
	done
	return 1
}

start() {
	"$daemon" --store "$dir/store" --socket "$GETME_SOCKET" "$@" \
		2>>"$dir/log" &
	pid=$!
	await_daemon && return
	not_ok "getmed starts" "$(tail -5 "$dir/log")"
	exit 1
}

stop() {
	[ -n "$pid" ] || return 0
	kill -CONT "$pid" 2>/dev/null
	kill -TERM "$pid" 2>/dev/null
	wait "$pid"
	pid=''
}

cleanup() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

fresh() {
	"$ctl" clear --yes || not_ok "clear between tests" "status $?"
}

# ---- without a daemon ----

test_usage() {
	local name

	expect "no command is a usage error" 2 '' \
		'getmectl: a command is missing*--help*'
	expect "--version prints the version" 0 'getmectl [0-9]*.[0-9]*.[0-9]*' \
		'' --version
	expect "--help goes to standard output" 0 'usage: getmectl *Exit status*' \
		'' --help
	expect "-h does, too" 0 'usage: getmectl *' '' -h
	for name in ping put get exists stat del mget batch incr touch persist \
		keys count clear import export stats sync compact backup check \
		repair; do
		expect "$name --help shows its usage" 0 \
			"usage: getmectl \[OPTIONS\] $name*--json*" '' \
			$name --help
	done
	for name in watch shell top completion; do
		expect "$name is not in this version" 2 '' \
			"getmectl: $name: not in this version" $name x
	done
	expect "an unknown command" 2 '' "getmectl: unknown command 'nope'*" nope
	expect "an unknown option" 2 '' "getmectl: unknown option '--nope'*" \
		--nope get k
	expect "an unknown option of a command" 2 '' \
		"getmectl: get: unknown option '--ttl'*" get --ttl 1 k
	expect "a negative operand needs --" 2 '' \
		"getmectl: get: unknown option '-5'*" get -5
	expect "an option without its argument" 2 '' '*needs its PATH*' -s
	expect "an empty socket path" 2 '' 'getmectl: *--socket*' -s '' ping
	expect "--timeout 0" 2 '' "getmectl: '0' is not right*" --timeout 0 ping
	expect "--timeout that is no time" 2 '' 'getmectl: *' --timeout 1K ping
	expect "--user and --system" 2 '' 'getmectl: *' --user --system ping
	expect "get without a key" 2 '' 'getmectl: get: an operand is missing*' \
		get
	expect "get with two" 2 '' 'getmectl: get: too many operands*' get a b
	expect "an option behind the operands" 2 '' \
		'getmectl: put: too many operands (options come before*' \
		put k v --if-absent
	expect "del without a key" 2 '' 'getmectl: del: an operand*' del
	expect "mget without a key" 2 '' 'getmectl: mget: an operand*' mget
	expect "ping with an operand" 2 '' 'getmectl: ping: too many*' ping x
	expect "a --ttl of 0" 2 '' 'getmectl: put: *at least 1 ms*' \
		put --ttl 0 k v
	expect "a --ttl below 0" 2 '' 'getmectl: put: *' put --ttl -1 k v
	expect "a --ttl that is no time" 2 '' 'getmectl: put: *' put --ttl x k v
	expect "--if-version 0" 2 '' 'getmectl: put: *' put --if-version 0 k v
	expect "--if-absent and --if-version" 2 '' \
		'getmectl: put: *exclude each other*' \
		put --if-absent --if-version 1 k v
	expect "a wrong --durability" 2 '' 'getmectl: put: *' \
		put --durability maybe k v
	expect "a wrong --by" 2 '' 'getmectl: incr: *' incr --by 1.5 k
	expect "--limit 0" 2 '' 'getmectl: keys: *' keys --limit 0
	expect "touch without --ttl" 2 '' 'getmectl: touch: needs --ttl*' touch k
	expect "clear without --yes" 2 '' 'getmectl: clear: *--yes*' clear
	expect "del --if-version of two keys" 2 '' \
		'getmectl: del: --if-version takes exactly one key*' \
		del --if-version 1 a b
	expect "stats in two formats" 2 '' 'getmectl: stats: *' \
		stats --json --openmetrics
	expect "an input file that is not there" 2 '' \
		'getmectl: import: cannot open nowhere: *' import nowhere
	expect "a batch file that is not there" 2 '' \
		'getmectl: batch: cannot open nowhere: *' batch nowhere
}

test_no_daemon() {
	local long

	expect "get without a daemon" 3 '' "getmectl: *$dir/sock*" get k
	expect "put without a daemon" 3 '' 'getmectl: *' put k v
	expect "import without a daemon" 3 '' 'getmectl: *' import /dev/null
	expect "-s wins over \$GETME_SOCKET" 3 '' "getmectl: *$dir/other*" \
		-s "$dir/other" ping
	echo old >kept
	expect "export without a daemon" 3 '' 'getmectl: *' export kept
	check "and leaves the file as it was" [ "$(<kept)" = old ]
	printf -v long '%0200d' 0
	expect "a socket path that is too long" 2 '' 'getmectl: *' \
		-s "/$long" ping
	: >plain
	expect "a socket that is a file" 3 '' 'getmectl: *' -s "$dir/plain" ping
}

# ---- one key ----

test_put_and_get() {
	expect "ping prints the time" 0 '+([0-9]).[0-9][0-9][0-9] ms' '' ping
	expect "ping --json" 0 '{"ms":*.[0-9][0-9][0-9]}' '' ping --json
	expect "put prints nothing" 0 '' '' put k v
	expect "get prints the value" 0 'v' '' get k
	printf v >expected
	check "and not a byte more" cmp -s out expected
	expect "get of a missing key" 1 '' 'getmectl: get: no such key' get none
	expect "a value that looks like an option" 0 '' '' put temp -5
	expect "is stored" 0 '-5' '' get temp
	expect "so does one like ours" 0 '' '' put temp --json
	expect "is stored, too" 0 '--json' '' get temp
	expect "an empty value" 0 '' '' put empty ''
	expect "is a value" 0 '' '' get empty
	expect "a key behind --" 0 '' '' put -- -key v
	expect "is found behind --" 0 'v' '' get -- -key
	run put - dash
	expect "a key - is a key" 0 'dash' '' get -
	run put file - </dev/null
	expect "a value - is standard input" 0 '' '' get file
	head -c 300000 /dev/urandom >random
	run put file <random
	judge "put reads standard input" 0 '' ''
	run get file
	check "byte for byte" cmp -s out random
	printf '\0\n\xff\n' >random
	run put file - <random
	run get file
	check "NUL, newline and all" cmp -s out random
	head -c 500000 /dev/zero | "$ctl" put file
	check "from a pipe" [ "$("$ctl" get file | wc -c)" = 500000 ]
	expect "put --json" 0 '{"version":+([0-9]),"durability":"always"}' '' \
		put --json k v
	expect "--json before the command" 0 \
		'{"version":+([0-9]),"durability":"none"}' '' \
		--json put --durability none k v
	expect "put --durability interval" 0 '*"interval"}' '' \
		--json put --durability interval k v
	expect "get --json" 0 \
		'{"key":"k","value":"v","version":+([0-9]),"size":1,"expires_at":null}' \
		'' get --json k
	printf '\xff' | "$ctl" put bytes
	expect "get --json of other bytes" 0 \
		'{"key":"bytes","value_b64":"/w==","version":*,"size":1,*}' '' \
		get --json bytes
	run put $'\xfe' $'q"\\\n\t\x01é'
	expect "get --json of another key" 0 \
		'{"key_b64":"/g==","value":"q\\"\\\\\\n\\t\\u0001é",*' '' \
		get --json $'\xfe'
}

test_keys_have_a_length() {
	local name

	printf '%065535d' 0 >key
	expect "a key of 65,535 bytes" 0 '' '' put "$(<key)" long
	expect "is found" 0 'long' '' get "$(<key)"
	for name in put get exists stat del mget incr persist; do
		expect "$name of an empty key" 5 '' \
			"getmectl: $name: a key has 1 to 65,535 bytes*" $name ''
		expect "$name of a key that is too long" 5 '' \
			"getmectl: $name: a key has 1 to 65,535 bytes*" \
			$name "$(<key)0"
	done
	expect "touch of an empty key" 5 '' 'getmectl: touch: a key has*' \
		touch --ttl 1d ''
	run del "$(<key)"
}

test_conditions() {
	local old

	run put cond one
	expect "put --if-absent of one that is there" 1 '' \
		'getmectl: put: the condition is not met*' \
		put --if-absent cond two
	expect "changes nothing" 0 'one' '' get cond
	expect "put --if-absent of a new one" 0 '' '' put --if-absent new v
	old=$(version cond)
	expect "put --if-version" 0 '' '' put --if-version "$old" cond two
	expect "put --if-version of the past" 1 '' \
		'getmectl: put: the condition is not met*' \
		put --if-version "$old" cond three
	expect "changes nothing, too" 0 'two' '' get cond
	expect "del --if-version of the past" 1 '' \
		'getmectl: del: the condition is not met*' \
		del --if-version "$old" cond
	expect "del --if-version" 0 '1' '' \
		del --if-version "$(version cond)" cond
	expect "del --if-version of a missing key" 1 '' 'getmectl: del: *' \
		del --if-version "$old" cond
}

test_exists_and_stat() {
	run put k value
	expect "exists" 0 '' '' exists k
	expect "exists not" 1 '' '' exists none
	expect "exists --json" 0 '{"exists":true}' '' exists --json k
	expect "exists not, --json" 1 '{"exists":false}' '' exists --json none
	expect "stat" 0 $'version +([0-9])\nsize 5\nexpires_at -' '' stat k
	expect "stat of a missing key" 1 '' 'getmectl: stat: no such key' \
		stat none
	expect "stat --json" 0 \
		'{"key":"k","version":+([0-9]),"size":5,"expires_at":null}' '' \
		stat --json k
	check "a version is not 0" [ "$(version k)" -gt 0 ]
}

test_expiry() {
	local before now=$EPOCHREALTIME at old

	before=$((${now/[.,]/} / 1000))
	run put --ttl 1h k v
	at=$("$ctl" stat k | sed -n 's/^expires_at //p')
	check "--ttl sets the expiry" [ $((at - before - 3600000)) -ge 0 ] &&
		check "to that time" [ $((at - before - 3600000)) -lt 60000 ]
	expect "stat --json shows it" 0 "*\"expires_at\":$at}" '' stat --json k
	run put k v
	expect "put without --ttl clears it" 0 '*expires_at -' '' stat k
	old=$(version k)
	expect "touch" 0 '' '' touch --ttl 2d k
	expect "sets it again" 0 $'*expires_at +([0-9])' '' stat k
	check "with a new version" [ "$(version k)" != "$old" ]
	expect "and leaves the value" 0 'v' '' get k
	expect "persist" 0 '' '' persist k
	expect "removes it" 0 '*expires_at -' '' stat k
	expect "touch of a missing key" 1 '' 'getmectl: touch: no such key' \
		touch --ttl 1s none
	expect "persist of a missing key" 1 '' 'getmectl: persist: no such key' \
		persist none
	run put --ttl 1 short v
	for ((i = 0; i < 100; i++)); do
		"$ctl" exists short || break
		sleep 0.01
	done
	expect "what has expired is gone" 1 '' '*no such key' get short
}

test_incr() {
	run del n
	expect "incr of a missing key" 0 '1' '' incr n
	expect "incr --by" 0 '43' '' incr --by 42 n
	expect "incr --by below 0" 0 '40' '' incr --by -3 n
	expect "incr --by=-" 0 '-10' '' incr --by=-50 n
	expect "incr --json" 0 '{"value":-9,"version":+([0-9])}' '' \
		incr --json n
	expect "incr stores what it prints" 0 '-9' '' get n
	run put n 9223372036854775807
	expect "incr beyond 64 bits" 5 '' 'getmectl: incr: *' incr n
	expect "changes nothing" 0 9223372036854775807 '' get n
	run put n text
	expect "incr of text" 5 '' 'getmectl: incr: *' incr n
	expect "changes nothing, either" 0 text '' get n
	run put --ttl 1h n 1
	run incr n
	expect "incr keeps the expiry" 0 '*expires_at +([0-9])' '' stat n
}

test_del() {
	run put a 1
	run put b 2
	expect "del counts what was there" 0 '2' '' del a b none
	expect "del of nothing" 0 '0' '' del a
	run put a 1
	expect "del --json" 0 '{"deleted":1}' '' del --json a none
	expect "what is deleted is gone" 1 '' '*no such key' get a
}

test_limits() {
	head -c 1048577 /dev/zero >bytes
	run put big <bytes
	judge "a value over the daemon's limit" 5 '' 'getmectl: put: *'
	head -c 1048576 /dev/zero >bytes
	run put big <bytes
	judge "a value of just the limit" 0 '' ''
	run del big
}

# ---- many keys ----

test_mget() {
	run put a 1
	run put b $'\xff'
	expect "mget keeps the order" 0 $'{"key":"b","value_b64":"/w==","version":+([0-9]),"size":1,"expires_at":null}
{"key":"none","value":null,*}
{"key":"a","value":"1","version":+([0-9]),"size":1,"expires_at":null}
{"key":"a","value":"1",*}' '' mget b none a a
	expect "mget --json is the same" 0 '{"key":"a","value":"1",*}' '' \
		mget --json a
}

test_keys() {
	fresh
	for name in a:1 a:2 b:1; do
		run put $name x
	done
	run put $'n\nl' x
	check "keys lists all" \
		[ "$("$ctl" keys | sort | tr '\n' ' ')" = 'a:1 a:2 b:1 l n ' ]
	check "keys PREFIX" \
		[ "$("$ctl" keys a: | sort | tr '\n' ' ')" = 'a:1 a:2 ' ]
	expect "keys of a prefix that none has" 0 '' '' keys zzz
	check "keys -0" [ "$("$ctl" keys -0 | tr -dc '\0' | wc -c)" = 4 ]
	expect "keys -0 PREFIX" 0 $'n\nl@' '' keys -0 n
	check "keys --limit" \
		[ "$("$ctl" keys -0 --limit 2 | tr -dc '\0' | wc -c)" = 2 ]
	expect "keys --json" 0 '{"key":"n\\nl"}' '' keys --json n
	expect "count" 0 '4' '' count
	expect "count --json" 0 '{"count":4}' '' count --json
	expect "clear --yes" 0 '' '' clear --yes
	expect "removes everything" 0 '' '' keys
	expect "count of nothing" 0 '0' '' count
	expect "sync" 0 '' '' sync
}

test_batch() {
	local old i

	fresh
	run put gone x
	run put cond x
	old=$(version cond)
	run batch - <<-END
		{"op":"put","key":"a","value":"1"}

		{"op":"put","key":"a","value":"2","ttl":"1h"}
		{"op":"put","key_b64":"/w==","value_b64":"/w==","ttl":3600000}
		{"op":"delete","key":"gone"}
		{"op":"put","key":"cond","value":"y","if_version":$old}
		{"op":"put","key":"new","value":"z","if_absent":true}
	END
	judge "batch" 0 '' ''
	expect "the last on a key wins" 0 2 '' get a
	expect "with its expiry" 0 '*expires_at +([0-9])' '' stat a
	expect "bytes of all kinds" 0 '*"value_b64":"/w=="*' '' \
		get --json $'\xff'
	expect "a delete" 1 '' '*' exists gone
	expect "a condition that holds" 0 y '' get cond

	cat >lines <<-END
		{"op":"put","key":"a","value":"3"}
		{"op":"put","key":"b","value":"3"}

		{"op":"put","key":"new","value":"3","if_absent":true}
	END
	expect "a condition that does not hold" 1 '' \
		'getmectl: batch: line 4: the condition is not met; nothing was applied' \
		batch lines
	expect "applies nothing" 0 2 '' get a
	expect "at all" 1 '' '' exists b

	for i in '{"op":"put","key":"a"}' '{"op":"get","key":"a"}' 'x' \
		'{"op":"put","key":"","value":"v"}' \
		'{"op":"put","key":"a","value":"v","ttl":0}' \
		'{"op":"put","key":"a","value":"v","a":1}'; do
		printf '{"op":"put","key":"b","value":"3"}\n%s\n' "$i" >lines
		expect "batch refuses $i" 2 '' \
			'getmectl: batch: line 2: *; nothing was applied' \
			batch lines
	done
	expect "and applied nothing" 1 '' '' exists b

	seq -f '{"op":"put","key":"k%.0f","value":"v"}' 16384 >lines
	expect "16,384 operations" 0 '' '' batch --durability none lines
	check "are all there" [ "$("$ctl" keys k | wc -l)" = 16384 ]
	echo '{"op":"delete","key":"a"}' >>lines
	expect "16,385 are too many" 2 '' 'getmectl: batch: line 16385: *' \
		batch lines
	{
		echo '{"op":"put","key":"b","value":"3"}'
		printf '{"op":"put","key":"big","value":"'
		head -c 1048577 /dev/zero | tr '\0' x
		echo '"}'
	} >lines
	expect "a value over the daemon's limit in a batch" 2 '' \
		'getmectl: batch: line 2: *' batch lines
	expect "applied nothing" 1 '' '' exists b
	expect "an empty batch" 0 '' '' batch /dev/null
	expect "batch --json" 0 '{"applied":1,"durability":"always"}' '' \
		batch --json - <<<'{"op":"delete","key":"a"}'
	expect "a folder as a batch" 2 '' 'getmectl: batch: cannot read *' batch .
}

test_import_and_export() {
	local i

	fresh
	{
		seq -f '{"key":"k%.0f","value":"v"}' 3000
		printf '{"key":"%s","value":"x","expires_at":4102444800000}\n' \
			expires 'q\"\u0000\n'
		printf '{"key_b64":"/wA=","value_b64":"%s","expires_at":null}\n' \
			"$(head -c 4000 /dev/urandom | base64 -w0)"
		printf '{"key":"big","value_b64":"'
		head -c 1048576 /dev/urandom | base64 -w0
		printf '"}\n{"key":"last","value":""}'
	} >lines
	expect "import" 0 '' '3005 records imported' import lines
	expect "count after import" 0 3005 '' count
	expect "import keeps the expiry" 0 '*"expires_at":4102444800000}' '' \
		stat --json expires
	expect "export to a file" 0 '' '' export first
	run export
	judge "export to standard output" 0 '*' ''
	check "is the same" cmp -s <(sort first) <(sort out)
	fresh
	run import - <first
	judge "import from standard input" 0 '' '3005 records imported'
	expect "export again" 0 '' '' export second
	check "export and import give an equal store" \
		cmp -s <(sort first) <(sort second)

	{
		seq -f '{"key":"k","value":"%.0f"}' 2999
		echo '{"key":"k","value":"last"}'
	} | "$ctl" import 2>/dev/null
	expect "the last of a key wins" 0 last '' get k

	fresh
	{
		seq -f '{"key":"k%.0f","value":"v"}' 999
		echo '{"key":"k1000","value":"v"'
		echo '{"key":"k1001","value":"v"}'
	} >lines
	expect "import stops at a bad line" 2 '' \
		'getmectl: import: line 1000: not valid JSON: *; 999 records before it are stored' \
		import --durability none lines
	expect "and the records before it stay" 0 999 '' count
	for i in '{"key":"","value":"v"}' '{"key":"a"}' \
		'{"key":"a","value":"v","expires_at":0}' \
		'{"key":"a","key_b64":"","value":"v"}' \
		'{"key":"a","value":"v","value":"v"}' \
		'{"key":"a","value_b64":"?"}' '[]' \
		'{"key":"a","value":"v","ttl":1}' $'{"key":"\xff","value":"v"}' \
		$'{"key":"\xed\xa0\x80","value":"v"}'; do
		run import - <<<"$i"
		judge "import refuses $i" 2 '' \
			'getmectl: import: line 1: *; 0 records before it are stored'
	done
	printf '{"key":"a","value":"\0"}\n' >lines
	expect "import refuses a NUL byte" 2 '' \
		'getmectl: import: line 1: not valid JSON: *' import lines
	{
		echo '{"key":"small","value":"v"}'
		printf '{"key":"big","value":"'
		head -c 1048577 /dev/zero | tr '\0' x
		printf '"}\n{"key":"behind","value":"v"}\n'
	} >lines
	expect "import refuses a value over the daemon's limit" 2 '' \
		'getmectl: import: line 2: *; 1 records before it are stored' \
		import lines
	expect "and stops there" 1 '' '' exists behind
	expect "import of nothing" 0 '' '0 records imported' import /dev/null
	run import - <<<'{"key":"past","value":"v","expires_at":1}'
	judge "import of what has expired" 0 '' '1 records imported'
	expect "which is not there" 1 '' '' exists past
	expect "export into a folder that is not there" 5 '' \
		'getmectl: export: cannot open nowhere/x: *' export nowhere/x
	expect "a folder as input" 2 '' 'getmectl: import: cannot read *' import .
}

# all_lines PATTERN...: each line of out is one of these.
all_lines() {
	local pattern

	for pattern; do
		printf '^%s$\n' "$pattern"
	done >patterns
	[ -s out ] && ! grep -vqEf patterns out
}

# all_documented: the manual has each name in the file out.
all_documented() {
	local name

	while read -r name _; do
		case $name in requests_*) name=requests_ ;; esac
		grep -q "^\.It Va.* $name\( \|$\)" "$stats_page" || return 1
	done <out
}

test_stats() {
	expect "stats" 0 $'*\n*' '' stats
	check "are lines of name and value" all_lines '[a-z][a-z0-9_]* +[^ ].*'
	check "are in getme_stats(3)" all_documented
	expect "stats --json" 0 '{"*":*}' '' stats --json
	expect "stats --openmetrics" 0 $'# TYPE getme_*\n# EOF' '' \
		stats --openmetrics
	check "are named getme_" all_lines '# EOF' \
		'# (HELP|TYPE) getme_[a-z0-9_]+ .*' 'getme_[a-z0-9_]+ [0-9]+' \
		'getme_[a-z0-9_]+_info\{[a-z0-9_]+=".*"\} 1'
	check "each family once" \
		[ -z "$(sed -n 's/^# TYPE //p' out | sort | uniq -d)" ]
}

# ---- trouble ----

test_outputs() {
	run put k v
	"$ctl" get k >/dev/full 2>err
	status=$?
	: >out
	judge "a full disk under the output" 5 '' \
		'getmectl: cannot write to standard output: *'
	"$ctl" keys >/dev/full 2>err
	status=$?
	judge "under keys, too" 5 '' 'getmectl: cannot write *'
	expect "under export, too" 5 '' \
		'getmectl: export: cannot write /dev/full: *' export /dev/full
	"$ctl" get k >&- 2>err
	status=$?
	judge "a closed output" 5 '' 'getmectl: cannot write *'
	"$ctl" put k w >&- 2>err
	status=$?
	judge "a closed output that is not needed" 0 '' ''
	"$ctl" put k - <&- >out 2>err
	status=$?
	judge "a closed input" 2 '' 'getmectl: put: cannot read standard input*'
	if command -v script >/dev/null; then
		run put k v
		check "a terminal gets a newline" [ "$(script -qec \
			"'$ctl' get k" /dev/null </dev/null | od -An -c |
			tr -d ' ')" = 'v\r\n' ]
	else
		echo "skip - a terminal gets a newline: script is missing"
	fi
}

test_not_allowed() {
	local as=()

	if [ "$(id -u)" -eq 0 ]; then
		as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
		"${as[@]}" test -x "$ctl" 2>/dev/null || {
			echo "skip - the socket's mode forbids it:" \
				"another user cannot run $ctl"
			return
		}
		chmod 755 "$dir"
	fi
	chmod 0 "$GETME_SOCKET"
	"${as[@]}" "$ctl" get k >out 2>err
	status=$?
	chmod 660 "$GETME_SOCKET"
	judge "the socket's mode forbids it" 4 '' 'getmectl: *'
}

# While the daemon is stopped, nothing is answered.
test_no_answer() {
	kill -STOP "$pid"
	expect "a read that is not answered" 7 '' 'getmectl: *' --timeout 100 get k
	kill -CONT "$pid"
	mkfifo fifo
	"$ctl" --timeout 200 import fifo >out 2>err &
	import=$!
	exec 3>fifo
	echo '{"key":"answered","value":"v"}' >&3
	for ((i = 0; i < 500; i++)); do
		"$ctl" exists answered && break
		sleep 0.01
	done
	kill -STOP "$pid"
	echo '{"key":"unanswered","value":"v"}' >&3
	wait $import
	status=$?
	exec 3>&-
	kill -CONT "$pid"
	judge "a write that is not answered" 6 '' \
		'getmectl: import: line 2: *; 1 records before it are stored'
	rm -f fifo
}

# Flips a bit in the value of a store at rest: the bytes of NEEDLE are in one
# place of one segment.
damage() {
	local file offset byte

	file=$(grep -laF -- "$1" "$dir"/store/*.seg 2>/dev/null | head -1)
	[ -n "$file" ] || return 1
	offset=$(grep -abobF -- "$1" "$file" | head -1 | cut -d: -f1)
	byte=$(od -An -tu1 -j "$offset" -N1 "$file")
	printf '%b' "\\0$(printf '%o' $((byte ^ 1)))" |
		dd of="$file" bs=1 seek="$offset" conv=notrunc status=none
}

test_damage() {
	fresh
	run put bad needle-in-the-segment
	run put good fine
	stop
	if ! damage needle-in-the-segment; then
		echo "skip - damaged values: no segment holds the value"
		start --max-value 1M
		return
	fi
	start --max-value 1M
	expect "get of a damaged value" 5 '' 'getmectl: get: *' get bad
	expect "mget of a damaged value" 5 \
		$'{"key":"bad","error":"*"}\n{"key":"good","value":"fine",*}' \
		'getmectl: mget: "key":"bad": *' mget bad good
	expect "export leaves it out" 5 '{"key":"good","value":"fine"}' \
		$'getmectl: export: left out "key":"bad": *\ngetmectl: export: 1 records were left out' \
		export
	expect "keys lists it" 0 '*bad*' '' keys
	expect "a new value heals it" 0 '' '' put bad new
	expect "for good" 0 'new' '' get bad
}

shopt -s extglob
test_usage
test_no_daemon
start --max-value 1M
test_put_and_get
test_keys_have_a_length
test_conditions
test_exists_and_stat
test_expiry
test_incr
test_del
test_limits
test_mget
test_keys
test_batch
test_import_and_export
test_stats
test_outputs
test_not_allowed
test_no_answer
test_damage
stop
[ $failed -eq 0 ]
