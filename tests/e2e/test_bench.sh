#!/bin/bash
# The programs of `make bench` work, on a few keys; what they measure is of no
# interest here, and no peer is needed.
#
#   B=BUILD tests/e2e/test_bench.sh    (GETME_BUILD is taken, too)
# shellcheck disable=SC2016,SC2119,SC2317 # called through check and eval
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

tables=$(realpath "$(dirname "$0")/../bench/tables")
programs=$build/tests/bench
here=$OLDPWD

# rate NAME COMMAND...: it prints three numbers, the first is not 0.
rate() {
	local name=$1 line

	shift
	line=$("$@" 2>err) || {
		not_ok "$name" "$(cat err)"
		return
	}
	check "$name" grep -Eq '^[1-9][0-9]* [0-9.]+ [0-9.]+$' <<<"$line"
}

generate() { # MIX CONNECTIONS DEPTH [VALUE [DURABILITY]]
	"$programs/generator" getme "$socket" "$1" "$2" "$3" 0.1 2000 \
		"${4:-100}" "$pid" ${5:+"$5"}
}

make_dir
start
rate 'the generator loads' generate load 1 16 100 none
check 'every key' [ "$("$ctl" count)" = 2000 ]
rate 'it gets' generate get 1 1
rate 'it gets over connections with requests in flight' generate get 16 64
rate 'it sets' generate set 16 16 100 interval
rate 'it sets durably' generate set 4 1 100 always
rate 'it mixes, with zipfian keys' generate 50 8 2
rate 'large values' generate load 1 2 100000 none
rate 'and gets them' generate get 4 2 100000
check 'a key that is not there ends it' \
	eval '! "$programs/generator" getme "$socket" get 1 1 0.1 9999 100 "$pid" \
		>/dev/null 2>err && grep -q "not there" err'
check 'the other way in loads' \
	"$programs/peer_getme" "$socket" load 2000 100
rate 'direct reads' "$programs/peer_getme" "$socket" get 2 0.1 2000
rate 'many at once' "$programs/peer_getme" "$socket" many 2 0.1 2000
rate 'a ping-pong' "$programs/limits" pingpong 0.1
rate 'memory' "$programs/limits" memory 0.1 1000000
rate 'syncs' "$programs/limits" sync 0.1 "$dir/synced"
stop
rate 'the store by itself' "$programs/peer_engine" "$store" get 1 0.1 2000
cat >raw.csv <<-END
	row,system,repeat,rate,server_cpu_us,client_cpu_us
	direct GET x1,getme,1,3000,1,0
	direct GET x1,getme,2,1000,3,0
	direct GET x1,getme,3,2000,2,0
	direct GET x1,lmdb,1,1000,1,0
	restart clean [s],getme,1,0.1,0,0
	restart clean [s],redis,1,0.5,0,0
END
"$tables" raw.csv results.csv 2000 0 >results.md
check 'tables: medians, spread, ratios' \
	grep -q '^| direct GET x1 | getme | 2000 | 1000..3000 | 2.000 |' results.md
check 'against the bars' grep -q \
	'^| direct GET, 1 process, against LMDB | 2.00 | 2 | 2.5 | yes |' results.md
check 'where less is better' grep -q \
	'^| restart, clean, against .* | 0.20 | 0.33 | 0.1 | yes |' results.md
check 'CSV' grep -q '^"direct GET x1",lmdb,1000,1000,1000,1,0,2$' results.csv
cd "$here" || exit 1
finish
