#!/bin/sh
# The main job on this machine alone: a simulator with seeded faults, the plan of a sheet with phone numbers and names,
# a run in which some rows fail, and the same command again, which resumes and finishes. Leaves nothing behind.
set -eu

work=$(mktemp -d)
simulator=
trap 'test -z "$simulator" || kill "$simulator" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
cp "$(dirname "$0")/numbers.csv" "$work"
cd "$work"

export BULKROUTE_APP_KEY=demo-key BULKROUTE_APP_SECRET=demo-secret
: >listening
bulkroute simulate --manifest numbers.csv --seed 3 --latency 80 --fail-500 0.2 --reset 0.02 --throttle 50 >listening &
simulator=$!
until grep -q listening listening; do sleep 0.1; done
BULKROUTE_BASE_URL=$(sed -n 's/listening on //p' listening)
export BULKROUTE_BASE_URL

printf '\n$ bulkroute plan numbers.csv --rate 60\n'
bulkroute plan numbers.csv --rate 60

again() {
    printf '\n$ bulkroute run numbers.csv --rate 60 --max-attempts 2 --yes\n'
    code=0
    bulkroute run numbers.csv --rate 60 --max-attempts 2 --yes || code=$?
    echo "exit code $code"
}

again
test "$code" -eq 1
again
exit "$code"
