#!/bin/sh
# Makes certificates in the folder $1: an authority of a hundred years, and servers it vouches for or should not.
# Needs openssl. Nothing but the tests trusts this authority.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
curve="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

authority() { # name
    openssl req -x509 $curve -days 36500 -subj "/CN=bulkroute tests $1" -keyout "$work/$1.key" -out "$work/$1.pem" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

server() { # name authority subjectAltName start end
    openssl req $curve -subj "/CN=$1" -keyout "$work/server.key" -out "$work/server.csr"
    : >"$work/index.txt"
    printf '[ca]\nd=d\n[d]\ndatabase=%s\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=x\nunique_subject=no\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=%s\nauthorityKeyIdentifier=keyid\nextendedKeyUsage=serverAuth\n' \
        "$work/index.txt" "$work" "$3" >"$work/ca.cnf"
    openssl ca -batch -notext -config "$work/ca.cnf" -name d -cert "$work/$2.pem" -keyfile "$work/$2.key" \
        -startdate "$4" -enddate "$5" -in "$work/server.csr" -out "$work/server.pem"
    cat "$work/server.key" "$work/server.pem" >"$1.pem"
}

authority known
authority stranger
cp "$work/known.pem" authority.pem
server good known IP:127.0.0.1,DNS:localhost 20240101000000Z 21240101000000Z
server wrong-name known DNS:elsewhere.example 20240101000000Z 21240101000000Z
server expired known IP:127.0.0.1,DNS:localhost 20200101000000Z 20200201000000Z
server unknown stranger IP:127.0.0.1,DNS:localhost 20240101000000Z 21240101000000Z
