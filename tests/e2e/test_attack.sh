#!/bin/bash
# A client, of another user where root allows, that attacks what it was given
# to read from, while others are served; what is left of the store is whole.
#
#   B=BUILD tests/e2e/test_attack.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2094,SC2119,SC2317 # called through check and await
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

attack=$helpers/attack hostile=$helpers/hostile
nobody=65534

kib() {
	awk -v name="$1:" '$1 == name {print $2}' "/proc/$pid/status"
}

# begin NAME COMMAND...: in the background until end NAME; NAME.out.
begin() {
	local name=$1

	shift
	rm -f "$name.out"
	mkfifo "$name.in"
	"$@" <"$name.in" >"$name.out" 2>"$name.err" &
	eval "$name=$!"
	others+=($!)
	exec {input}>"$name.in"
	eval "${name}_in=$input"
}

# end NAME: sets $status.
end() {
	local input=$1_in process=$1

	eval "exec ${!input}>&-"
	wait "${!process}"
	status=$?
	rm "$1.in"
}

write_keys() { # MARK
	awk -v mark="$1" 'BEGIN {
		for (i = 0; i < 3000; i++)
			printf "{\"key\":\"k%d\",\"value\":\"%s%0300d\"}\n",
				i, mark, i
	}' | "$ctl" import --durability none - >/dev/null
}

# What a store of these keys says.
has_keys() { # MARK
	[ "$("$ctl" get k0)" = "$1$(printf %0300d 0)" ] &&
		[ "$("$ctl" get k2999)" = "$1$(printf %0300d 2999)" ]
}

run() { # UID NAME
	local before

	write_keys before
	before=$(kib VmRSS)
	begin attacker "$attack" sock "$1" # whose folders are not for all
	begin good "$hostile" good "$socket"
	check "$2: it is done" await 60 grep -qs ready attacker.out
	grep -E '^(not )?ok - ' attacker.out | sed "s/ok - /ok - $2: /"
	check "$2: it was refused every time" \
		grep -q '^ok - ' attacker.out
	grep -q '^not ok' attacker.out && failed=1
	sed 's/^/# /' attacker.err
	# It holds locks, mappings and unread descriptors all the while.
	check "$2: others write" write_keys between
	check "$2: and read" has_keys between
	check "$2: compaction goes on" "$ctl" compact
	check "$2: what was written stays" has_keys between
	check "$2: the daemon holds little for it" \
		[ $(($(kib VmRSS) - before)) -lt 65536 ]
	end good
	check "$2: the client beside it was served" \
		grep -q ' 0 refused' good.out
	sed 's/^/# /' good.err
	kill_daemon
	# Without the end of its input.
	eval "start --socket-mode 666 --segment-size 64K \
		${attacker_in:?}>&-"
	check "$2: a successor begins beside it" has_keys between
	end attacker
}

make_dir
chmod 755 "$dir"
start --socket-mode 666 --segment-size 64K
run "$(id -u)" 'as the same user'
if [ "$(id -u)" = 0 ]; then
	run $nobody 'as another user'
else
	skip 'an attack as another user' 'only root can become one'
fi
stop
check 'the daemon stops in order' [ "$status" -eq 0 ]
check 'and leaves a store without a fault' "$ctl" check "$store"
finish
