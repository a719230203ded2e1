#!/usr/bin/env bash
# TLS against servers that nobody here wrote: OpenSSL (in Python's ssl) in every broken shape, nginx that asks for client
# certificates, and tshark that reads a capture with our key log. Skips nothing; gets what is missing by apt when it may.
# WSDIAL_LIB names the folder of a built libwsdial; without it the release library is built.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/tls
dir=$(mktemp -d "${TMPDIR:-/tmp}/wsdial-tls.XXXXXX")
pids=()
passed=0 failed=0

finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

die() { echo "tls: $*" >&2; exit 1; }

# need TOOL PACKAGE: has the tool, or gets its package.
need() {
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$1 is missing; install it with: sudo apt-get install $2"
  echo "tls: installing $2"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends "$2" >"$dir/apt.log" 2>&1 \
    || { apt-get update && apt-get install -y --no-install-recommends "$2"; } >"$dir/apt.log" 2>&1 \
    || { cat "$dir/apt.log" >&2; die "$2 cannot be installed"; }
}

for pair in openssl:openssl python3:python3 nginx:nginx-light strace:strace tshark:tshark; do need "${pair%:*}" "${pair#*:}"; done
if [ -z "${WSDIAL_LIB:-}" ]; then
  cargo build --release --quiet
  WSDIAL_LIB=$PWD/target/release
fi
${CC:-cc} -std=c99 -Wall -Wextra -Werror -O1 -g -Iinclude "$here/client.c" -o "$dir/client" \
  -L"$WSDIAL_LIB" -lwsdial -Wl,-rpath,"$(realpath "$WSDIAL_LIB")"
cd "$dir"

# --- certificates -----------------------------------------------------------------------------------------------------

openssl() { command openssl "$@" 2>>openssl.log || { cat openssl.log >&2; die "openssl $1 failed"; }; }

# authority NAME SUBJECT [ISSUER]
authority() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' >"$1.ext"
  openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
  if [ -n "${3:-}" ]; then
    openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days 9 -extfile "$1.ext" -out "$1.pem"
  else
    openssl x509 -req -in "$1.csr" -signkey "$1.key" -days 9 -extfile "$1.ext" -out "$1.pem"
  fi
}

# issue NAME ISSUER SUBJECT EXTENSION [X509-OPTION...]: a certificate for the key NAME.key, made when it is not there.
issue() {
  local name=$1 issuer=$2 subject=$3
  [ -f "$name.key" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
  openssl req -new -key "$name.key" -subj "/CN=$subject" -out "$name.csr"
  printf '%b' "$4" >"$name.ext"
  shift 4
  openssl x509 -req -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -CAcreateserial -days 9 -extfile "$name.ext" \
    -out "$name.pem" "$@"
}

# dated NAME FROM TO: one of `ca` with those dates, which only `openssl ca` can give.
dated() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj /CN=localhost -out "$1.csr"
  : >index.txt
  printf '[ca]\ndefault_ca=it\n[it]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n' >dated.conf
  printf '%b' "$names" >"$1.ext"
  openssl ca -batch -notext -config dated.conf -cert ca.pem -keyfile ca.key -in "$1.csr" -extfile "$1.ext" -startdate "$2" -enddate "$3" -out "$1.pem"
}

names='subjectAltName=DNS:localhost,IP:127.0.0.1\n'
authority ca "test root"
authority stranger "other root"
authority between "test intermediate" ca
issue good ca localhost "$names"
issue other ca localhost 'subjectAltName=DNS:other.example\n'
dated expired 20200102030405Z 20260102030405Z
dated future 29990102030405Z 30000102030405Z
issue leaf between localhost "$names"
cat leaf.pem between.pem >chain.pem
cat leaf.pem stranger.pem ca.pem between.pem >mixed.pem
openssl genrsa -out rsa.key 2048
issue rsa ca localhost "$names"
openssl genrsa -out weak.key 1024
issue weak ca localhost "$names"
cp rsa.key sha1.key
authority oldroot "old root"
openssl genrsa -out oldroot.key 2048
openssl req -x509 -key oldroot.key -subj "/CN=old root" -days 9 -out oldroot.pem -addext "keyUsage=critical,keyCertSign"
issue sha1 oldroot localhost "$names" -sha1
openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -subj /CN=localhost -days 9 -out self.pem -addext "subjectAltName=DNS:localhost"

# Who we are, with a key in each form.
usage='extendedKeyUsage=clientAuth\n'
issue client ca "known client" "$usage"
openssl genrsa -out client-rsa.key 2048
issue client-rsa ca "known rsa client" "$usage"
issue unknown stranger "unknown client" "$usage"
openssl pkcs8 -topk8 -nocrypt -in client.key -out client.p8
openssl rsa -in client-rsa.key -traditional -out client-rsa.p1
openssl pkcs8 -topk8 -in client.key -passout pass:secret -out client.locked
cat client.p8 client.pem >client.both
issue client-chain between "known through another" "$usage"
cat client-chain.pem between.pem >client-chain.full

# --- opponents --------------------------------------------------------------------------------------------------------

# start CERT KEY [OPTION...]: Python's server; sets port, url and log.
servers=0
start() {
  servers=$((servers + 1))
  log=$dir/server-$servers.log
  setpriv --pdeathsig TERM python3 "$here/server.py" "$@" >"$log" 2>"$log.err" </dev/null &
  pids+=($!)
  for _ in $(seq 300); do
    grep -q ^listening "$log" && break
    kill -0 "${pids[-1]}" 2>/dev/null || { cat "$log.err" >&2; die "the server did not start: $*"; }
    sleep 0.05
  done
  port=$(sed -n 's/^listening ws=\([0-9]*\) .*/\1/p' "$log")
  url=wss://localhost:$port/
}

# expect TITLE PATTERN CLIENT-OPTION...: what the client says of $url.
expect() {
  local title=$1 pattern=$2 said
  shift 2
  said=$(timeout 60 ./client "$url" "$@" 2>&1) || true
  verdict "$title" "$pattern" "$said"
}

verdict() {
  if grep -qE -- "$2" <<<"$3"; then
    passed=$((passed + 1))
    printf '  %-46s %s\n' "$1" "$(head -1 <<<"$3" | sed 's/^refused \(-[0-9]*\) [^ ]*: /\1 /' | cut -c1-150)"
  else
    failed=$((failed + 1))
    printf '  WRONG: %s: no "%s" in: %s\n' "$1" "$2" "$3"
  fi
}

trust=(--ca ca.pem)

echo "versions"
start good.pem good.key --versions 1.2 1.2
expect "TLS 1.2 alone" '^ok TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_' "${trust[@]}"
expect "TLS 1.2 alone, 1.3 asked for" '^refused -403 ' "${trust[@]}" --min 3
start good.pem good.key --versions 1.3 1.3
expect "TLS 1.3 alone" '^ok TLSv1.3 TLS13_AES_' "${trust[@]}" --min 3
start rsa.pem rsa.key --alpn h2
expect "RSA, and a server that ignores http/1.1" '^ok TLSv1.3 ' "${trust[@]}"
start good.pem good.key --versions 1.1 1.1 --ciphers ALL:@SECLEVEL=0
expect "TLS 1.1 alone" '^refused -403 ' "${trust[@]}"

echo "certificates"
start good.pem good.key
expect "unknown root" '^refused -414 .*issuer "test root" is not trusted' --ca stranger.pem
expect "another name asked for" '^refused -413 .*not for other.example but for localhost, 127.0.0.1' "${trust[@]}" --name other.example
expect "unknown root, verification skipped" '^ok TLSv1.3 ' --insecure
start other.pem other.key
expect "wrong host" '^refused -413 .*certificate is not for localhost but for other.example' "${trust[@]}"
expect "wrong host, the name given" '^ok ' "${trust[@]}" --name other.example
start expired.pem expired.key
expect "expired" '^refused -411 .*certificate expired on 2026-01-02 03:04:05 UTC' "${trust[@]}"
start future.pem future.key
expect "not yet valid" '^refused -412 .*not valid before 2999-01-02 03:04:05 UTC' "${trust[@]}"
start leaf.pem leaf.key
expect "intermediate missing" '^refused -414 .*issuer "test intermediate" is not trusted and was not sent' "${trust[@]}"
expect "intermediate missing, and added as a root" '^ok ' --ca between.pem
expect "intermediate missing, the leaf itself added" '^ok ' --ca leaf.pem
start chain.pem leaf.key
expect "intermediate sent" '^ok ' "${trust[@]}"
start mixed.pem leaf.key
expect "chain in a wrong order, strangers in it" '^ok ' "${trust[@]}"
start weak.pem weak.key --ciphers ALL:@SECLEVEL=0
expect "RSA key of 1024 bits" '^refused -418 .*1024 bits' "${trust[@]}"
start sha1.pem sha1.key --ciphers ALL:@SECLEVEL=0
expect "signed with SHA-1" '^refused -416 .*SHA-1' --ca oldroot.pem
start self.pem self.key
expect "self-signed" '^refused -414 .*self-signed by the authority "localhost"' "${trust[@]}"
expect "self-signed, CA:TRUE, and added as a root" '^ok ' --ca self.pem
mkdir roots empty
cp ca.pem stranger.pem roots/
echo "nothing here" >roots/README
openssl rehash roots
start good.pem good.key
expect "a directory of roots, with OpenSSL's links" '^ok ' --ca-dir roots
expect "an empty directory" '^refused -255 ' --ca-dir empty

echo "client certificates"
start good.pem good.key --ca ca.pem
expect "none" '^refused -402 .*certificate required' "${trust[@]}"
expect "SEC1 key" '^ok ' "${trust[@]}" --cert client.pem --key client.key
expect "PKCS#8 key" '^ok ' "${trust[@]}" --cert client.pem --key client.p8
expect "PKCS#1 key" '^ok ' "${trust[@]}" --cert client-rsa.pem --key client-rsa.p1
expect "key and certificate in one file" '^ok ' "${trust[@]}" --cert client.both
expect "with an intermediate" '^ok ' "${trust[@]}" --cert client-chain.full --key client-chain.key
expect "without that intermediate" '^refused -402 ' "${trust[@]}" --cert client-chain.pem --key client-chain.key
expect "of an authority that the server does not know" '^refused -402 .*client certificate' "${trust[@]}" --cert unknown.pem --key unknown.key
expect "key under a password" '^refused -255 .*client.locked: the private key is encrypted' --cert client.pem --key client.locked
expect "key of another certificate" '^refused -257 .*does not fit the certificate' --cert client.pem --key client-rsa.key
verdict "the server knew who came" 'known rsa client' "$(grep client= "$log" | tr '\n' ' ')"
start good.pem good.key --ca ca.pem --versions 1.2 1.2
expect "TLS 1.2, SEC1 key" '^ok TLSv1.2 ' "${trust[@]}" --cert client.pem --key client.key
expect "TLS 1.2, none" '^refused -40[23] ' "${trust[@]}"

echo "sessions, as the server saw them"
for version in 1.2 1.3; do
  start good.pem good.key --versions $version $version --ca ca.pem --optional
  expect "TLS $version, five dials with one dialer" '^ok ' "${trust[@]}" --dials 5
  verdict "TLS $version, four of them resumed" '^0 1 1 1 1 $' "$(sed -n 's/^reused=\([01]\) .*/\1/p' "$log" | tr '\n' ' ')"
  expect "TLS $version, another dialer with a certificate" '^ok ' "${trust[@]}" --cert client.both --dials 2
  verdict "TLS $version, it began anew and was known twice" '^reused=0 client=known client reused=1 client=known client $' \
    "$(tail -n 2 "$log" | tr '\n' ' ')"
done

echo "a thousand dials"
start good.pem good.key
said=$(SSL_CERT_FILE=$dir/ca.pem strace -f -qq -e trace=openat,open -o trace ./client "$url" --dials 1000 2>&1) || true
verdict "all of them" '^ok TLSv1.3 ' "$said"
verdict "the trust store was opened once" '^1$' "$(grep -c "\"$dir/ca.pem\"" trace)"

echo "key log"
start good.pem good.key --versions 1.3 1.3
tshark -q -i lo -f "tcp port $port or udp port $port" -w capture.pcap 2>tshark.log >/dev/null &
capture=$!
pids+=("$capture")
# It says that it captures before it does: datagrams to nobody tell when their first one is in the file.
for _ in $(seq 200); do
  echo >"/dev/udp/127.0.0.1/$port"
  [ "$(stat -c %s capture.pcap 2>/dev/null || echo 0)" -gt 400 ] && break
  sleep 0.05
done
SSLKEYLOGFILE=$dir/never expect "a connection with a key log" '^ok ' "${trust[@]}" --key-log keys
verdict "the environment alone writes none" 'no such' "$([ -e never ] && echo written || echo no such)"
verdict "for the owner alone" '^600$' "$(stat -c %a keys)"
decrypted() { tshark -r capture.pcap -d "tcp.port==$port,tls" "$@" 2>/dev/null | grep -c 'WebSocket Text' || true; }
# What was captured reaches the file in its own time.
for _ in $(seq 30); do [ "$(decrypted -o "tls.keylog_file:$dir/keys")" = 2 ] && break; sleep 0.1; done
kill "$capture" && wait "$capture" 2>/dev/null || true
verdict "tshark reads the messages with it" '^2$' "$(decrypted -o "tls.keylog_file:$dir/keys")"
verdict "and none without" '^0$' "$(decrypted)"

echo "nginx that asks for client certificates"
start good.pem good.key
mkdir nginx
cp ca.pem nginx/
cp rsa.pem nginx/cert.pem
cp rsa.key nginx/key.pem
as=()
if [ "$(id -u)" = 0 ]; then
  chmod 711 "$dir"
  chown -R nobody nginx
  as=(--reuid nobody --clear-groups)
fi
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
begun=
for _ in 1 2 3 4 5; do
  front=$(free) plain=$(free)
  sed "s|@DIR@|$dir/nginx|; s|@PORT@|$front|; s|@PLAIN@|$plain|; s|@BEHIND@|$port|" "$here/nginx.conf.in" >nginx/nginx.conf
  setpriv --pdeathsig TERM "${as[@]}" nginx -e "$dir/nginx/error.log" -p "$dir/nginx" -c "$dir/nginx/nginx.conf" &
  nginx=$!
  for _ in $(seq 100); do
    kill -0 "$nginx" 2>/dev/null || continue 2
    [ -s nginx/nginx.pid ] && begun=yes && break
    sleep 0.1
  done
  [ -n "$begun" ] && break
done
[ -n "$begun" ] || { cat nginx/error.log >&2; die "nginx did not start"; }
pids+=("$nginx")
url=wss://localhost:$front/
expect "with a certificate" '^ok TLSv1' "${trust[@]}" --cert client.pem --key client.key
expect "resumed, with a certificate" '^ok TLSv1' "${trust[@]}" --cert client.pem --key client.key --dials 5
expect "without one nginx answers 400" '^refused -501 .*400' "${trust[@]}"
url=wss://localhost:$plain/
expect "HTTP where TLS is expected" '^refused -401 .*should the address be ws' "${trust[@]}"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
