#!/bin/bash
# All that getmed does at once, under kill -9: the soak, for a short time.
#
#   B=BUILD tests/e2e/test_soak.sh [SECONDS [SEED]]   (15, another each time)
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

make_disk_dir
"$build/tests/torture/soak" "$daemon" "$dir" "${1:-15}" ${2:+"$2"}
status=$?
[ "$status" -eq 0 ] || tail -n 20 "$log" | sed 's/^/#   /'
exit "$status"
