#!/bin/bash
# kill -9 in rounds, with an oracle of the operations that were pending.
#
#   B=BUILD tests/e2e/test_kill.sh    (GETME_BUILD is taken, too)
#   ROUNDS=N and SEED=N repeat a run
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

make_disk_dir
"$helpers/kill_oracle" "$daemon" "$dir" "${ROUNDS:-50}" ${SEED:+"$SEED"}
status=$?
[ "$status" -eq 0 ] || tail -n 20 "$log" | sed 's/^/#   /'
exit "$status"
