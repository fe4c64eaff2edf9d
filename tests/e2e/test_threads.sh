#!/bin/bash
# What clients do to each other, and what getmectl does, once more with a
# daemon of several threads.
#
#   B=BUILD tests/e2e/test_threads.sh    (GETME_BUILD is taken, too)
set -u

here=$(dirname "$0")
status=0
export GETME_THREADS=3

for name in hostile attack getmectl; do
	"$here/test_$name.sh" || status=1
done
exit "$status"
