#!/bin/sh
# Types, format and the vendored chart library of the pages' JavaScript: `npm run check`, with the versions that
# package-lock.json pins. Where npm is not there, or its registry cannot be reached, it says so and checks nothing.
set -eu
cd "$(dirname "$0")/.."

skip() {
    echo "JavaScript was not checked: $1" >&2
    exit 0
}

command -v npm >/dev/null || skip 'npm is not installed (Debian: nodejs, npm)'
if [ ! node_modules/.ready -nt package-lock.json ]; then
    if ! said=$(npm ci --no-fund --no-audit --fetch-retries 0 2>&1); then
        case $said in
        *ENOTFOUND* | *EAI_AGAIN* | *ECONNREFUSED* | *ECONNRESET* | *ETIMEDOUT* | *ENETUNREACH*)
            skip 'the npm registry cannot be reached' ;;
        esac
        echo "$said" >&2
        exit 1
    fi
    touch node_modules/.ready
fi
npm run --silent check
