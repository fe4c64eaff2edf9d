#!/bin/bash
# Started by the first client through a socket that systemd passes, and what
# it tells systemd.
#
#   B=BUILD tests/e2e/test_activation.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

told() {
	grep -q "$1" told
}

listens() {
	[ -S "$socket" ] && grep -q 'Listening on' "$log"
}

# systemd-socket-activate becomes the daemon at the first connection.
activate() {
	: >told
	: >"$log"
	systemd-socket-activate -l "$socket" -E NOTIFY_SOCKET="$dir/notify" \
		-E WATCHDOG_USEC=200000 "$daemon" --store "$store" 2>"$log" &
	pid=$!
	await 20 listens
}

program() {
	tr '\0' '\n' <"/proc/$pid/cmdline" | head -n 1
}

n_told() {
	grep -c "$1" told
}

watched() {
	[ "$(n_told WATCHDOG=1)" -ge 4 ]
}

test_first_client() {
	check 'it listens before the daemon runs' activate
	check 'and the store is not touched' [ ! -e "$store" ]
	try "$ctl" put first 1
	judge 'the first client starts it and is served' 0 '' ''
	check 'the process is getmed' [ "$(program)" = "$daemon" ]
	check 'READY=1 is told' await 20 told READY=1
	check 'the state is told' told STATUS=serving
	check 'WATCHDOG=1 is told, again and again' await 20 watched
}

test_stop() {
	inode=$(stat -c %i "$socket")
	stop
	check 'SIGTERM: exit 0' [ "$status" -eq 0 ]
	check 'STOPPING=1 is told' await 20 told STOPPING=1
	check 'the passed socket is left alone' \
		[ "$(stat -c %i "$socket")" = "$inode" ]
}

# The socket outlives the process, as systemd's does: it is held here.
test_second_start() {
	rm "$socket"
	activate
	try "$ctl" get first
	judge 'started again by a client: the value is there' 0 1 ''
	kill_daemon
	rm "$socket"
	activate
	try "$ctl" get first
	judge 'and after a kill -9' 0 1 ''
}

test_failed_start() {
	local second=$dir/second

	systemd-socket-activate -l "$second" -E NOTIFY_SOCKET="$dir/notify" \
		"$daemon" --store "$store" 2>"$dir/second.log" &
	others+=($!)
	await 20 test -S "$second"
	try "$ctl" -s "$second" ping
	wait "${others[-1]}"
	status=$?
	: >out
	cp second.log err
	judge 'with a store that is in use: exit 1, it says who holds it' 1 '' \
		"*in use*$pid*"
	check 'the passed socket is left alone' [ -S "$second" ]
	try "$ctl" get first
	judge 'the daemon that has the store goes on' 0 1 ''
	LISTEN_PID=$BASHPID LISTEN_FDS=2 bash -c \
		'LISTEN_PID=$$ exec "$0" --store "$1" 3</dev/null 4</dev/null' \
		"$daemon" "$dir/new" >out 2>err
	status=$?
	judge 'two sockets are one too many' 1 '' \
		'*2 sockets were passed*ListenStream*'
	bash -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --store "$1" 3</dev/null' \
		"$daemon" "$dir/new" >out 2>err
	status=$?
	judge 'what is no socket is refused' 1 '' '*not a listening*'
	check 'and no store was made' [ ! -e "$dir/new" ]
}

make_dir
if ! command -v systemd-socket-activate >/dev/null; then
	skip 'socket activation' 'systemd-socket-activate is not installed'
	finish
fi
"$helpers/notify" "$dir/notify" >told &
others+=($!)
await 20 test -S "$dir/notify"
test_first_client
test_stop
test_second_start
test_failed_start
stop
check 'SIGTERM at the end: exit 0' [ "$status" -eq 0 ]
finish
