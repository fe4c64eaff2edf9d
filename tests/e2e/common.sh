# shellcheck shell=bash
# What the tests of this folder share; sourced first.
#
# Gives: $build, $ctl and $daemon (the programs), $helpers (the folder of the
# C helpers), $dir (an empty folder, the current one, removed at the end),
# $socket, $store, $log; and the functions below.
set -u
export LC_ALL=C.UTF-8
build=$(realpath -e "${GETME_BUILD:-${B:-build}}") || exit 1
ctl=$(realpath -e "$build/getmectl") || exit 1
daemon=$(realpath -e "$build/getmed") || exit 1
helpers=$build/tests/e2e
dir='' socket='' store='' log='' pid='' tracer='' status=0 failed=0
others=() # processes to end with the test

ok() {
	echo "ok - $1"
}

not_ok() {
	failed=1
	echo "not ok - $1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/#   /'
}

skip() {
	echo "skip - $1: $2"
}

# check NAME COMMAND...: the command succeeds.
check() {
	local name=$1

	shift
	if "$@"; then
		ok "$name"
	else
		not_ok "$name" "status $?: $*"
	fi
}

# try COMMAND...: its output goes to the files out and err, and sets $status.
try() {
	"$@" >"$dir/out" 2>"$dir/err"
	status=$?
}

# judge NAME STATUS OUT ERR: what try left; OUT and ERR are patterns.
judge() {
	local out err

	out=$(tr '\0' '@' <"$dir/out")
	err=$(tr '\0' '@' <"$dir/err")
	# shellcheck disable=SC2053 # they are patterns
	if [ "$status" -eq "$2" ] && [[ $out == $3 && $err == $4 ]]; then
		ok "$1"
	else
		not_ok "$1" "status $status, expected $2" \
			"stdout: ${out:0:300}" "expected: $3" \
			"stderr: ${err:0:300}" "expected: $4"
	fi
}

# await SECONDS COMMAND...: until the command succeeds, at most so long.
await() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		read -rt 0.02 <>"$dir/never"
	done
	return 0
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

cleanup() {
	local process

	trap - EXIT
	for process in "$pid" "${others[@]}"; do
		[ -z "$process" ] || kill -KILL "$process" 2>/dev/null
	done
	wait
	"${at_end:-:}"
	cd / && rm -rf "$dir"
}

# Makes $dir: below the first of the folders given that is there and takes
# files, else below $TMPDIR.  Socket paths are short there.
make_dir() {
	local parent

	for parent in "$@" "${TMPDIR:-/tmp}"; do
		dir=$(mktemp -d "$parent/gm.XXXXXX" 2>/dev/null) && break
	done
	cd "$dir" || exit 1
	trap cleanup EXIT
	trap 'exit 130' INT TERM HUP
	mkfifo never
	socket=$dir/sock store=$dir/store log=$dir/log
	: >"$log"
	export GETME_SOCKET=$socket
}

# As make_dir, on a file system that is on a disk.
make_disk_dir() {
	local parent type

	for parent in "${TMPDIR:-/tmp}" /var/tmp "$build"; do
		type=$(stat -f -c %T "$parent")
		[ "$type" = tmpfs ] || [ "$type" = ramfs ] || break
	done
	make_dir "$parent"
	echo "# on $(stat -f -c %T "$dir")"
}

answers() {
	"$ctl" --timeout 10s ping >/dev/null 2>&1
}

answers_or_gone() {
	answers || gone "$pid"
}

# run_daemon COMMAND...: in the background; then it must answer.
run_daemon() {
	"$@" 2>>"$log" &
	pid=$!
	await 60 answers_or_gone && answers && return 0
	not_ok "getmed starts" "$(tail -n 5 "$log")"
	exit 1
}

# start [OPTION...]: getmed on $store and $socket; test_threads.sh gives it
# $GETME_THREADS.
start() {
	run_daemon "$daemon" --store "$store" --socket "$socket" \
		${GETME_THREADS:+--threads "$GETME_THREADS"} "$@"
}

# Sets $status to getmed's.
stop() {
	kill -TERM "$pid"
	wait "$pid"
	status=$?
	pid=''
}

kill_daemon() {
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	pid=''
}

# stat_row NAME: its value.
stat_row() {
	"$ctl" stats | awk -v name="$1" '$1 == name {print $2}'
}

traced() {
	! grep -q 'TracerPid:[[:space:]]*0$' "/proc/$pid/task"/*/status
}

# inject FAULT: from now on, as strace says it; of the segments alone, since
# strace counts the calls of each thread.
inject() {
	local file paths=()

	for file in "$store"/*.seg; do
		paths+=(-P "$file")
	done
	strace -f -qq -o /dev/null -e trace="${1%%:*}" -e inject="$1" \
		"${paths[@]}" -p "$pid" 2>strace.err &
	tracer=$!
	others+=("$tracer")
	await 20 traced
}

end_inject() {
	kill -INT "$tracer"
	wait "$tracer" 2>/dev/null
}

can_trace() {
	strace -f -qq -o /dev/null -e trace=fdatasync \
		-e inject=fdatasync:error=EIO:when=1 true 2>/dev/null
}

finish() {
	exit "$failed"
}
