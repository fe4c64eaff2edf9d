#!/bin/bash
# Starting and stopping: what is refused, and that nothing is touched then.
#
#   B=BUILD tests/e2e/test_start.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2119,SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

# Everything about a folder that a program could change.
snapshot() {
	find "$1" -printf '%p %y %m %i %s %T@\n' | sort
	find "$1" -type f -exec cksum {} + | sort
}

# refused NAME STATUS ERR OPTION...: getmed does not start, in one line.
refused() {
	local name=$1 wanted=$2 pattern=$3

	shift 3
	try timeout 30 "$daemon" "$@"
	judge "$name" "$wanted" '' "$pattern"
	check "$name: in one line" [ "$(wc -l <err)" -eq 1 ]
}

mode() {
	stat -c %a "$1"
}

test_options() {
	local args

	refused 'an unknown option' 2 'getmed: *--nope*' --nope
	refused 'an option without its argument' 2 'getmed: *--store*' --store
	refused 'an operand' 2 'getmed: *extra*' extra
	while read -r -a args; do
		refused "${args[*]}" 2 "getmed: *${args[1]}*" "${args[@]}" \
			--store "$dir/none/store" --socket "$dir/none/sock"
	done <<-'END'
		--durability maybe
		--segment-size 63K
		--segment-size 129M
		--segment-size 1X
		--sync-interval 0
		--sync-interval -5
		--sync-interval 1K
		--max-value 0
		--max-value 2G
		--socket-mode 0888
		--socket-mode 1777
		--log-level loud
		--max-connections 0
	END
	refused 'an empty store' 2 'getmed: *store*' --store ''
	check 'and nothing was made' [ ! -e none ]
	try "$daemon" --version
	judge '--version' 0 'getmed [0-9]*.[0-9]*.[0-9]*' ''
	try "$daemon" --help
	judge '--help' 0 '*--socket-mode OCTAL*--durability LEVEL*' ''
}

test_config() {
	cat >config <<-END
		# how the store is kept
		store = $dir/configured/store
		socket = $socket
		socket-mode = 0600
		durability = none
	END
	run_daemon "$daemon" --config config
	check 'the config file chooses the store' [ -e configured/store/LOCK ]
	check "and the socket's mode" [ "$(mode "$socket")" = 600 ]
	try "$ctl" --json put k v
	judge 'and the durability' 0 '*"durability":"none"*' ''
	stop
	run_daemon "$daemon" --durability always --config config
	try "$ctl" --json put k v
	judge 'the command line wins' 0 '*"durability":"always"*' ''
	check 'over its own lines only' [ "$(mode "$socket")" = 600 ]
	stop
	echo 'durabilty = none' >bad
	refused 'a config file with an unknown name' 2 \
		'getmed: bad:1: durabilty*' --config bad
	printf '\nsync-interval = 0\n' >bad
	refused 'one with a wrong value, told on the command line too' 2 \
		'getmed: bad:2: sync-interval*' --sync-interval 1s --config bad
	refused 'one that is not there' 1 'getmed: *nowhere*' --config nowhere
}

test_modes() {
	local mask

	for mask in 000 077; do
		umask "$mask"
		start
		umask 022
		check "umask $mask: the socket has mode 0660" \
			[ "$(mode "$socket")" = 660 ]
		check "umask $mask: the store has mode 0700" \
			[ "$(mode "$store")" = 700 ]
		check "umask $mask: nothing in it is for others" \
			[ -z "$(find "$store" -perm /077 -print -quit)" ]
		stop
		check "SIGTERM: exit 0" [ "$status" -eq 0 ]
		check 'and the socket is removed' [ ! -e "$socket" ]
		rm -rf "$store"
	done
	start
	"$ctl" put k v
	kill -INT "$pid"
	wait "$pid"
	status=$?
	check 'SIGINT: exit 0' [ "$status" -eq 0 ]
	check 'and the socket is removed' [ ! -e "$socket" ]
	start
	try "$ctl" get k
	judge 'what was stored is there' 0 v ''
	stop
}

spare_is_ready() {
	[ "$(stat_row spare_segments)" = 1 ]
}

test_second_daemon() {
	local before after

	# Nothing begins by itself while the folder is watched.
	start --compact-dead-share 100 --compact-small 1000000
	"$ctl" put k v
	# What the put made it prepare is there.
	await 10 spare_is_ready
	before=$(snapshot "$store"; stat -c '%i %Y' "$socket")
	refused 'a second daemon on the store' 1 "getmed: *in use*$pid*" \
		--store "$store" --socket "$dir/made/by/it/sock"
	check 'and the folder for its socket is gone again' [ ! -e made ]
	refused 'on the same store and socket' 1 'getmed: *in use*' \
		--store "$store" --socket "$socket"
	refused 'on another store and the same socket' 1 \
		"getmed: *$socket*in use*" \
		--store "$dir/other/store" --socket "$socket"
	check 'and the folder for its store is gone again' [ ! -e other ]
	after=$(snapshot "$store"; stat -c '%i %Y' "$socket")
	check 'nothing was touched, the socket neither' \
		[ "$before" = "$after" ]
	try "$ctl" get k
	judge 'the first daemon serves on' 0 v ''
	kill_daemon
	check 'a kill -9 leaves a stale socket' [ -S "$socket" ]
	start
	try "$ctl" get k
	judge 'which the next start replaces' 0 v ''
	stop
}

test_sockets() {
	local long

	long=$dir/$(printf 's%.0s' {1..120})
	refused 'a socket path that is too long' 1 'getmed: *shorter*' \
		--store "$dir/none" --socket "$long"
	: >plain
	refused 'a socket path that is a file' 1 'getmed: *plain*not a socket*' \
		--store "$dir/none" --socket "$dir/plain"
	check 'no store was made, and the file is there' \
		[ -e plain -a ! -e none ]
}

test_folders() {
	local before

	mkdir things
	echo mine >things/letter
	before=$(snapshot things)
	refused 'a folder with other things' 1 \
		'getmed: *things*other things*letter*' \
		--store things --socket "$socket"
	check 'is left as it was' [ "$before" = "$(snapshot things)" ]
	refused 'a store below a file' 1 'getmed: *' \
		--store things/letter/store --socket "$socket"
	refused 'a store that is a file' 1 'getmed: *' \
		--store things/letter --socket "$socket"
	check 'is left as it was, too' [ "$before" = "$(snapshot things)" ]

	mkdir things/segments
	cp "$store"/*.seg things/segments
	before=$(snapshot things)
	refused 'segments without a manifest' 1 'getmed: *repair*' \
		--store things/segments --socket "$socket"
	check 'are left as they were' [ "$before" = "$(snapshot things)" ]

	for file in 0 1; do
		cp -r "$store" newer
		"$helpers/manifest_version" newer/MANIFEST.$file 99
		before=$(snapshot newer | grep -v LOCK)
		refused "a newer format in MANIFEST.$file" 1 \
			'getmed: *newer format*' \
			--store newer --socket "$socket"
		check 'is not touched' \
			[ "$before" = "$(snapshot newer | grep -v LOCK)" ]
		rm -rf newer
	done
	check 'no socket was left' [ ! -e "$socket" ]
}

# A stop does not wait for ever for a peer that never reads.
test_deaf_peer() {
	start --drain-timeout 300ms
	head -c 1M /dev/zero | "$ctl" put large -
	mkfifo deaf.in
	"$helpers/hostile" deaf "$socket" 3 large <deaf.in >deaf.out &
	others+=($!)
	exec 9>deaf.in
	check 'peers that never read are there' await 20 grep -qs ready deaf.out
	stop
	check 'SIGTERM: exit 0 though they do not take their replies' \
		[ "$status" -eq 0 ]
	exec 9>&-
}

# as_user COMMAND...: without root's rights, with just these variables.
as_user() {
	local drop=()

	[ "$(id -u)" -ne 0 ] ||
		drop=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	"${drop[@]}" env -i PATH="$PATH" "${as_vars[@]}" "$@"
}

user_answers() {
	as_user "$open/getmectl" ping >/dev/null 2>&1
}

# user_store NAME STORE SOCKET: getmed of a user, without options.
user_store() {
	as_user "$open/getmed" 2>>"$log" &
	others+=($!)
	check "$1: it starts, and getmectl finds it" await 20 user_answers
	check "$1: the store" [ -e "$2/LOCK" ]
	check "$1: the socket" [ -S "$3" ]
	check "$1: its folder is the user's alone" \
		[ "$(mode "${3%/*}")" = 700 ]
	as_user "$open/getmectl" put k v
	pkill -TERM -P "${others[-1]}" 2>/dev/null || kill "${others[-1]}"
	wait "${others[-1]}"
	status=$?
	check "$1: SIGTERM: exit 0" [ "$status" -eq 0 ]
}

# foreign_files STORE: what getmed was once run on as root.
foreign_files() {
	local file

	for file in "$1"/*.hint "$1"/*.seg "$1"/MANIFEST.? "$1"/LOCK; do
		chown 0 "$file"
		[[ $file != *.hint ]] || continue
		try as_user timeout 20 "$open/getmed" --store "$1" \
			--socket "$open/home/sock"
		judge "another user's ${file##*/}" 1 '' \
			'getmed: *ermission denied*chown -R*'
	done
}

# Below /tmp, since $dir may be root's alone.
test_users() {
	local uid=65534

	[ "$(id -u)" -eq 0 ] || uid=$(id -u)
	open=$(mktemp -d /tmp/gmu.XXXXXX)
	chmod 755 "$open"
	cp "$daemon" "$ctl" "$open"
	mkdir "$open/home" "$open/closed"
	chown "$uid" "$open/home"
	chmod 700 "$open/closed"
	as_vars=("XDG_STATE_HOME=$open/home/state"
		"XDG_RUNTIME_DIR=$open/home/run")
	user_store 'XDG folders' "$open/home/state/getme" \
		"$open/home/run/getme/getme.sock"
	chmod 755 "$open/home/run/getme"
	try as_user "$open/getmed"
	judge 'a folder of the socket that is open to others' 1 '' \
		'getmed: *open to others*'
	if [ -e "/tmp/getme-$uid" ]; then
		skip 'without XDG folders' "/tmp/getme-$uid is there"
	else
		as_vars=("HOME=$open/home")
		user_store 'without XDG folders' \
			"$open/home/.local/state/getme" \
			"/tmp/getme-$uid/getme.sock"
		rmdir "/tmp/getme-$uid"
	fi
	if [ "$(id -u)" -eq 0 ]; then
		try as_user "$open/getmed" --store "$open/closed/store" \
			--socket "$open/home/sock"
		judge 'a store where the user may not' 1 '' 'getmed: *closed*'
		foreign_files "$open/home/state/getme"
		GETME_SOCKET=$open/sock run_daemon "$daemon" --store "$store" \
			--socket "$open/sock"
		try as_user "$open/getmectl" -s "$open/sock" ping
		judge 'a socket whose mode forbids it' 4 '' 'getmectl: *'
		try env -u GETME_SOCKET "$ctl" -s "$open/sock" ping
		judge 'and allows it to its owner' 0 '*' ''
		stop
	else
		skip 'permissions' 'this needs root'
	fi
}

remove_open() {
	[ -z "${open:-}" ] || rm -rf "$open"
}

at_end=remove_open
make_dir
test_options
test_config
test_modes
test_second_daemon
test_sockets
test_folders
test_deaf_peer
test_users
finish
