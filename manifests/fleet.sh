#!/bin/sh
# Four tenants in one process, each with a simulator of its own: two share a rate, one is not let in. Where PostgreSQL is
# installed, then on two hosts, of which one is killed: the other goes on. Leaves nothing behind.
set -eu

work=$(mktemp -d)
started=
end() {
    for process in $started; do kill "$process" 2>/dev/null || true; done
    for process in $started; do wait "$process" 2>/dev/null || true; done
    rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM
chmod 755 "$work"
cd "$work"
mkdir a

say() { printf '\n$ %s\n' "$*"; }

# What PostgreSQL insists on not being is root.
unprivileged() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi
}

postgres_folder() {
    for folder in /usr/lib/postgresql/*/bin "$(dirname "$(command -v initdb || echo /nowhere/initdb)")"; do
        test ! -x "$folder/initdb" || test ! -x "$folder/postgres" || { echo "$folder"; return; }
    done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# The tenants: a manifest, credentials, a service.
printf 'BULKROUTE_APP_KEY=demo-key\nBULKROUTE_APP_SECRET=demo-secret\n' >a/demo.env
printf 'BULKROUTE_APP_KEY=demo-key\nBULKROUTE_APP_SECRET=of-yesterday\n' >a/old.env
chmod 600 a/demo.env a/old.env
{
    echo 'defaults: {rate: 20, canary: 2, max-throttle-wait: 30}'
    echo 'limits: {partner: 15}'
    echo 'tenants:'
} >a/fleet.yaml
number=0
for tenant in acme globex initech umbrella; do
    number=$((number + 1))
    {
        echo id,devicetype,deviceId
        seq -f "$number%03g,3,3015" 1 60
    } >"a/$tenant.csv"
    bulkroute simulate --manifest "a/$tenant.csv" --seed "$number" --latency 60 >"$tenant.listening" &
    started="$started $!"
    until grep -q listening "$tenant.listening"; do sleep 0.1; done
    credentials=demo.env limit=''
    case $tenant in globex | initech) limit=', limit: partner' ;; umbrella) credentials=old.env ;; esac
    url=$(sed -n 's/listening on //p' "$tenant.listening")
    echo "  $tenant: {base-url: \"$url\", manifest: $tenant.csv, credentials: $credentials$limit}" >>a/fleet.yaml
done

say cat fleet.yaml
cat a/fleet.yaml
cp -r a b
cp -r a alone
for command in check plan run status verify; do
    say bulkroute fleet $command fleet.yaml
    code=0
    (cd alone && bulkroute fleet $command fleet.yaml) || code=$?
    echo "exit code $code"
done

postgres=$(postgres_folder)
if [ -z "$postgres" ]; then
    printf '\nPostgreSQL is not installed: --on, for several hosts, is left out\n'
    exit 0
fi
printf '\nNow on two hosts, a and b, with a PostgreSQL between them; umbrella has its key of today.\n'
cp a/demo.env a/old.env
cp a/demo.env b/old.env
for process in $started; do kill "$process"; done
started=
for tenant in acme globex initech umbrella; do
    port=$(sed -n 's/.*:\([0-9]*\)$/\1/p' "$tenant.listening")
    bulkroute simulate --manifest "a/$tenant.csv" --latency 60 --port "$port" >/dev/null &
    started="$started $!"
done
port=$(free_port)
mkdir data socket
if [ "$(id -u)" = 0 ]; then chown nobody data socket; fi
unprivileged "$postgres/initdb" -D data -U bulkroute -A trust >/dev/null
unprivileged "$postgres/postgres" -D data -p "$port" -k "$work/socket" -c listen_addresses=127.0.0.1 >postgres.log 2>&1 &
started="$started $!"
on=postgresql://bulkroute@127.0.0.1:$port/postgres
until (cd a && bulkroute fleet status fleet.yaml --on "$on" >/dev/null 2>&1); do sleep 0.2; done

say 'a$' bulkroute fleet run fleet.yaml --on postgresql://...
(cd a && exec bulkroute fleet run fleet.yaml --on "$on" 2>../a.log) &
first=$!
started="$started $first"
until (cd b && bulkroute fleet status fleet.yaml --on "$on" | grep -q running); do sleep 0.2; done
say 'b$' bulkroute fleet run fleet.yaml --on postgresql://...
(cd b && exec bulkroute fleet run fleet.yaml --on "$on") &
second=$!
started="$started $second"
sleep 2
say 'a$' killed by kill -9
kill -9 "$first"
code=0
wait "$second" || code=$?
echo "exit code $code"
say 'b$' bulkroute fleet status fleet.yaml --on postgresql://...
(cd b && bulkroute fleet status fleet.yaml --on "$on")
exit "$code"
