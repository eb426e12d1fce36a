#!/bin/sh
# The main job on this machine alone: a simulator with seeded faults, a run in which some rows fail, and the same
# command again, which resumes and finishes. Leaves nothing behind.
set -eu

here=$(dirname "$0")
work=$(mktemp -d)
simulator=
trap 'test -z "$simulator" || kill "$simulator" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM

export BULKROUTE_APP_KEY=demo-key BULKROUTE_APP_SECRET=demo-secret
bulkroute simulate --manifest "$here/cutover.csv" --seed 1 --latency 80 --fail-500 0.2 --reset 0.02 --throttle 50 \
    >"$work/listening" &
simulator=$!
until grep -q listening "$work/listening"; do sleep 0.1; done
url=$(sed -n 's/listening on //p' "$work/listening")

again() {
    echo
    echo "\$ bulkroute run manifests/cutover.csv --base-url $url --rate 60 --max-attempts 2"
    code=0
    bulkroute run "$here/cutover.csv" --ledger "$work/cutover.ledger.db" --base-url "$url" \
        --rate 60 --max-attempts 2 --yes || code=$?
    echo "exit code $code"
}

again
test "$code" -eq 1
again
exit "$code"
