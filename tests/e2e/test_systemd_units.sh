#!/bin/bash
# The units under a real systemd: activation, sandbox, crashes, watchdog,
# instances, a user's own.  A container of systemd-nspawn with this machine's
# /usr and nothing else of it; as root, some 20 s.
#
#   B=BUILD tests/e2e/test_systemd_units.sh    (GETME_BUILD is taken, too)
units=$(realpath -e systemd) || exit 1
# shellcheck source=tests/e2e/common.sh
. tests/e2e/common.sh
make_dir

# What the container's /etc gets.
prepare() {
	local unit

	mkdir -p bin etc/systemd/system/multi-user.target.wants \
		etc/systemd/user out
	cp "$daemon" "$ctl" bin
	for unit in "$units"/*.service "$units"/*.socket; do
		sed 's|@bindir@|/opt/getme|' "$unit" \
			>"etc/systemd/system/${unit##*/}"
	done
	for unit in "$units"/user/*; do
		sed 's|@bindir@|/opt/getme|' "$unit" \
			>"etc/systemd/user/${unit##*/}"
	done
	cp -r "$units/sysusers.d" "$units/tmpfiles.d" etc
	echo 'u tester - "a user" /var/lib/tester' >etc/sysusers.d/tester.conf
	echo 'd /var/lib/tester 0700 tester tester -' \
		>etc/tmpfiles.d/tester.conf
	# A user's manager without PAM, whose settings are in the real /etc.
	mkdir etc/systemd/system/{getmed,user}@.service.d
	printf '[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=/run/user/%%i\n' \
		>etc/systemd/system/user@.service.d/no-pam.conf
	printf '[Service]\nWatchdogSec=1s\n' \
		>etc/systemd/system/getmed@.service.d/watchdog.conf
	cat >etc/systemd/system/inside.service <<-'UNIT'
		[Unit]
		SuccessAction=exit-force
		FailureAction=exit-force
		[Service]
		Type=oneshot
		ExecStart=/opt/getme/inside
	UNIT
	ln -s ../inside.service etc/systemd/system/multi-user.target.wants
}

cat_inside() {
	cat <<-'INSIDE'
		#!/bin/bash
		exec >/out/results 2>&1
		PATH=/opt/getme:$PATH

		check() {
			local name=$1

			shift
			if "$@"; then
				echo "ok - $name"
			else
				echo "not ok - $name"
				journalctl --no-pager -n 20 | sed 's/^/#   /'
			fi
		}
		main_pid() {
			systemctl show -P MainPID "$1"
		}
		get_is() {
			[ "$(getmectl "${@:3}" get "$1")" = "$2" ]
		}
		killed_and_written() {
			local i

			for ((i = 0; i < 25; i++)); do
				kill -KILL "$(main_pid getmed)" &&
					getmectl put "k$i" v || return 1
			done
		}
		as() {
			setpriv --reuid="$1" --regid="$1" --init-groups "${@:2}"
		}
		status_of() {
			"${@:2}" 2>/dev/null
			[ $? -eq "$1" ]
		}
		store_is_private() {
			[ "$(stat -c '%U %a' "$1")" = 'getme 700' ]
		}
		watchdog_ends_it() {
			local before
			before=$(main_pid getmed@blue)
			kill -STOP "$before"
			getmectl -s /run/getme-blue/getme.sock --timeout 20s \
				get a >/dev/null &&
				[ "$(main_pid getmed@blue)" != "$before" ]
		}
		system() {
			[ "$(systemctl is-active "$1")" = "$2" ]
		}
		of_tester() {
			as tester env XDG_RUNTIME_DIR="/run/user/$(id -u tester)" \
				HOME=/var/lib/tester "$@"
		}

		systemctl start getmed.socket getmed@blue.socket
		check "the service does not run unasked" system getmed inactive
		check "the first client starts it" getmectl put hello world
		check "it says that it is ready" system getmed active
		check "the store is the daemon's alone" store_is_private /var/lib/getme
		check "25 crashes: no write fails" killed_and_written
		check "the socket outlives them" system getmed.socket active
		check "what was written is there" get_is hello world
		check "others may not use the socket" \
			status_of 4 as tester getmectl --system get hello
		usermod -aG getme tester
		check "the group may" as tester getmectl --system put a b

		check "an instance has a socket" \
			getmectl -s /run/getme-blue/getme.sock put a b
		check "and a store of its own" store_is_private /var/lib/getme-blue
		check "the watchdog ends one that hangs" watchdog_ends_it

		systemctl start "user@$(id -u tester).service"
		of_tester systemctl --user start getmed.socket
		check "a user has a daemon" of_tester getmectl put mine 1
		check "and a store" test -d /var/lib/tester/.local/state/getme

		systemctl stop getmed.socket
		check "a stopped socket stops the service" system getmed inactive
		check "then there is no daemon" status_of 3 getmectl get hello
		check "all is there after a stop" eval \
			'systemctl start getmed.socket && get_is hello world'
		echo end
	INSIDE
}

run_container() {
	local binds=(--bind-ro="$dir/bin:/opt/getme" --bind="$dir/out:/out")
	local what

	for what in etc/systemd/system etc/systemd/user etc/sysusers.d \
		etc/tmpfiles.d; do
		binds+=(--bind-ro="$dir/$what:/$what")
	done
	timeout -k 5 100 systemd-nspawn -q -D / --volatile=yes \
		--machine="getme-$$" --register=no --keep-unit --console=pipe \
		"${binds[@]}" "$@" </dev/null >console 2>&1
}

[ "$(id -u)" -eq 0 ] || {
	skip "the units under systemd" "needs root"
	exit 0
}
command -v systemd-nspawn >/dev/null || {
	skip "the units under systemd" "needs the package systemd-container"
	exit 0
}
prepare
cat_inside >bin/inside
chmod +x bin/inside
run_container --as-pid2 /bin/true || {
	skip "the units under systemd" "no container: $(tail -n 1 console)"
	exit 0
}
run_container --boot systemd.unit=multi-user.target
if [ "$(tail -n 1 out/results 2>/dev/null)" = end ]; then
	sed '$d' out/results
	! grep -q '^not ok' out/results || failed=1
else
	cat out/results
	not_ok "the container runs to its end" "$(tail -n 5 console)"
fi
finish
