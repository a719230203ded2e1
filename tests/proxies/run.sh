#!/usr/bin/env bash
# Dials through proxies that nobody here wrote: tinyproxy, squid (plain and https), stunnel before tinyproxy (https), dante
# and microsocks, with and without passwords, to ws and wss, over IPv4 and IPv6, right and refused.
# Skips nothing; gets what is missing by apt when it may. What each server does is compared with what client.c says.
# WSDIAL_LIB names the folder of a built libwsdial; without it the release library is built. ECHO_SERVER names the server.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/proxies
dir=$(mktemp -d "${TMPDIR:-/tmp}/wsdial-proxies.XXXXXX")
pids=()
passed=0 failed=0
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY REQUEST_METHOD

finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

die() { echo "proxies: $*" >&2; exit 1; }

# need TOOL PACKAGE: has the tool, or gets its package.
need() {
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$1 is missing; install it with: sudo apt-get install $2"
  echo "proxies: installing $2"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends "$2" >"$dir/apt.log" 2>&1 \
    || { apt-get update && apt-get install -y --no-install-recommends "$2"; } >"$dir/apt.log" 2>&1 \
    || { cat "$dir/apt.log" >&2; die "$2 cannot be installed"; }
}

PATH=$PATH:/usr/sbin:/sbin
for pair in openssl:openssl python3:python3 tinyproxy:tinyproxy-bin squid:squid stunnel:stunnel4 danted:dante-server microsocks:microsocks; do
  need "${pair%:*}" "${pair#*:}"
done
if [ -z "${WSDIAL_LIB:-}" ]; then
  cargo build --release --quiet --lib --example echo-server
  WSDIAL_LIB=$PWD/target/release
fi
ECHO_SERVER=${ECHO_SERVER:-$WSDIAL_LIB/examples/echo-server}
[ -x "$ECHO_SERVER" ] || die "there is no echo server at $ECHO_SERVER"
${CC:-cc} -std=c99 -Wall -Wextra -Werror -O1 -g -Iinclude "$here/client.c" -o "$dir/client" \
  -L"$WSDIAL_LIB" -lwsdial -Wl,-rpath,"$(realpath "$WSDIAL_LIB")"

# --- the servers ------------------------------------------------------------------------------------------------------

# A program that gives its rights away still finds its files, and may write its logs.
as=()
chmod 711 "$dir"
mkdir "$dir/run"
if [ "$(id -u)" = 0 ]; then
  chown nobody "$dir/run"
  as=(--reuid nobody --regid "$(id -g nobody)" --clear-groups)
fi
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=the proxies" -keyout "$dir/run/key.pem" -out "$dir/run/cert.pem" \
  -addext "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" 2>"$dir/openssl.log" || die "$(cat "$dir/openssl.log")"
chmod 644 "$dir/run/key.pem"

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# begin NAME: `NAME_command PORT` writes the configuration and sets `command`. Whoever else takes the port meanwhile is
# met with another try. Sets `port`.
begin() {
  local log=$dir/$1.log try pid
  for try in 1 2 3 4 5; do
    port=$(free)
    "$1_command" "$port"
    setpriv --pdeathsig TERM "${as[@]}" "${command[@]}" >"$log" 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 200); do
      kill -0 "$pid" 2>/dev/null || continue 2
      answers "$port" && break 2
      sleep 0.05
    done
    die "$1 does not listen: $(cat "$log")"
  done
  kill -0 "$pid" 2>/dev/null || die "$1 does not start: $(cat "$log")"
  pids+=("$pid")
}

# The echo server, and ports where nobody listens and where nobody may go.
coproc ECHO { exec "$ECHO_SERVER" --port 0 --tls-port 0 --ca "$dir/echo.pem" 2>"$dir/echo.log"; }
pids+=("$ECHO_PID")
read -r -t 20 _ ws wss _ <&"${ECHO[0]}" || die "the echo server does not start: $(cat "$dir/echo.log")"
ws=${ws##*:} wss=${wss##*:}
gone=$(free) forbidden=$(free)
cat "$dir/echo.pem" "$dir/run/cert.pem" >"$dir/roots.pem"

tiny_common() {
  printf '%s\n' "Port $1" "Listen 127.0.0.1" "Listen ::1" "Timeout 60" "MaxClients 20" "LogLevel Info" \
    "ConnectPort $ws" "ConnectPort $wss" "ConnectPort $gone"
}
tinyproxy_command() {
  tiny_common "$1" >"$dir/tinyproxy.conf"
  command=(tinyproxy -d -c "$dir/tinyproxy.conf")
}
tinyproxy_auth_command() {
  { tiny_common "$1" && echo "BasicAuth user pass.word-1"; } >"$dir/tinyproxy_auth.conf"
  command=(tinyproxy -d -c "$dir/tinyproxy_auth.conf")
}
stunnel_command() {
  printf '%s\n' "foreground = yes" "pid =" "[proxy]" "accept = 127.0.0.1:$1" "connect = 127.0.0.1:$behind" \
    "cert = $dir/run/cert.pem" "key = $dir/run/key.pem" >"$dir/stunnel.conf"
  command=(stunnel "$dir/stunnel.conf")
}
squid_command() {
  squid_auth=$(free) squid_tls=$(free)
  printf 'user:%s\n' "$(openssl passwd -apr1 'open sesame: ü')" >"$dir/run/users"
  # The name is for the tests of the environment: loopback's own names never go through its proxies.
  printf '127.0.0.1 echo.example localhost\n::1 localhost\n' >"$dir/run/hosts"
  cat >"$dir/squid.conf" <<CONF
http_port 127.0.0.1:$1
http_port [::1]:$1
http_port 127.0.0.1:$squid_auth
https_port 127.0.0.1:$squid_tls tls-cert=$dir/run/cert.pem tls-key=$dir/run/key.pem
auth_param basic program $(find /usr/lib/squid /usr/lib64/squid /usr/libexec -name basic_ncsa_auth 2>/dev/null | head -1) $dir/run/users
auth_param basic realm the tests' squid
auth_param basic utf8 on
acl guarded localport $squid_auth
acl known proxy_auth REQUIRED
acl targets port $ws $wss $gone
http_access deny !targets
http_access deny guarded !known
http_access allow localhost
http_access deny all
hosts_file $dir/run/hosts
visible_hostname tests
pid_filename none
access_log none
cache_store_log none
cache_log $dir/run/squid.log
coredump_dir $dir/run
cache deny all
shutdown_lifetime 0 seconds
CONF
  command=(squid -N -f "$dir/squid.conf")
}
dante_command() {
  cat >"$dir/dante.conf" <<CONF
logoutput: stderr
internal: 127.0.0.1 port = $1
internal: ::1 port = $1
external: 127.0.0.1
external: ::1
socksmethod: none
clientmethod: none
client pass { from: 0/0 to: 0/0 }
socks block { from: 0/0 to: 0/0 port = $forbidden }
socks pass { from: 0/0 to: 0/0 protocol: tcp }
CONF
  command=(danted -f "$dir/dante.conf")
}
microsocks_command() { command=(microsocks -i 127.0.0.1 -p "$1"); }
microsocks_auth_command() { command=(microsocks -i 127.0.0.1 -p "$1" -u "user" -P "open sesame: ü"); }

begin tinyproxy
tinyproxy=$port behind=$port
begin tinyproxy_auth
tinyproxy_auth=$port
begin stunnel
stunnel=$port
begin squid
squid=$port
begin dante
dante=$port
begin microsocks
microsocks=$port
begin microsocks_auth
microsocks_auth=$port

# --- what the client says ---------------------------------------------------------------------------------------------

# expect TITLE PATTERN [VARIABLE=VALUE...] URL CLIENT-OPTION...
expect() {
  local title=$1 pattern=$2 said environment=()
  shift 2
  while [[ $1 == *_*=* || $1 == *_PROXY=* ]] && [[ $1 != ws*://* ]]; do environment+=("$1"); shift; done
  said=$(env "${environment[@]}" timeout 60 "$dir/client" "$@" --ca "$dir/roots.pem" 2>&1) || true
  if grep -qE -- "$pattern" <<<"$said" && [[ $said != *sesame* && $said != *pass.word* && $said != *s3cret* ]]; then
    passed=$((passed + 1))
    printf '  %-52s %s\n' "$title" "$(head -1 <<<"$said" | cut -c1-140)"
  else
    failed=$((failed + 1))
    printf '  WRONG: %s: no "%s", or a password, in: %s\n' "$title" "$pattern" "$said"
  fi
}

# carries NAME URL PORT: all that a proxy does for who may use it.
carries() {
  local name=$1 proxy=$2 to="0 open 101: 127\.0\.0\.1:$3" option
  for option in "" --fd; do
    expect "$name, ws${option:+, over a socket}" "^$to plain$" "ws://127.0.0.1:$ws/" --proxy "$proxy" $option
    expect "$name, wss${option:+, over a socket}" "^$to TLSv1\.3$" "wss://localhost:$wss/" --proxy "$proxy" $option
    expect "$name, IPv6 target${option:+, over a socket}" "^$to plain$" "ws://[::1]:$ws/" --proxy "$proxy" $option
  done
}

secret=open%20sesame%3A%20%C3%BC
echo "tinyproxy"
carries tinyproxy "http://127.0.0.1:$tinyproxy" "$tinyproxy"
expect "tinyproxy over IPv6" "^0 open 101: \[::1\]:$tinyproxy TLSv1\.3$" "wss://localhost:$wss/" --proxy "http://[::1]:$tinyproxy"
expect "tinyproxy, without a scheme" "^0 open 101: 127.0.0.1:$tinyproxy " "ws://127.0.0.1:$ws/" --proxy "127.0.0.1:$tinyproxy"
expect "tinyproxy, nobody listens there" "^-35[13] proxy 50[0-9] \([0-9]+ bytes\): .*:$gone through http://127.0.0.1:$tinyproxy" "ws://127.0.0.1:$gone/" --proxy "http://127.0.0.1:$tinyproxy"
expect "tinyproxy, a forbidden port" "^-351 proxy 403 \([0-9]+ bytes\): " "ws://127.0.0.1:$forbidden/" --proxy "http://127.0.0.1:$tinyproxy"
carries "tinyproxy, password" "http://user:pass.word-1@127.0.0.1:$tinyproxy_auth" "$tinyproxy_auth"
expect "tinyproxy, password in a field" "^0 open 101: " "ws://127.0.0.1:$ws/" --proxy "http://127.0.0.1:$tinyproxy_auth" \
  --header Proxy-Authorization "Basic $(printf 'user:pass.word-1' | base64)"
expect "tinyproxy, no password" '^-352 proxy 407 \[Basic realm="[^]]+"\] \([0-9]+ bytes\): .*it asks for "Basic realm=' \
  "ws://127.0.0.1:$ws/" --proxy "http://127.0.0.1:$tinyproxy_auth"
# It answers as a server would, and means itself.
expect "tinyproxy, wrong password" '^-352 proxy 401 \([0-9]+ bytes\): ' "ws://127.0.0.1:$ws/" --proxy "http://user:s3cret@127.0.0.1:$tinyproxy_auth"

echo "squid"
carries squid "http://127.0.0.1:$squid" "$squid"
expect "squid over IPv6" "^0 open 101: \[::1\]:$squid plain$" "ws://[::1]:$ws/" --proxy "http://[::1]:$squid"
expect "squid, nobody listens there" "^-35[13] proxy 503 \([0-9]+ bytes\): " "ws://127.0.0.1:$gone/" --proxy "http://127.0.0.1:$squid"
expect "squid, a forbidden port" "^-351 proxy 403 \([0-9]+ bytes\): " "ws://127.0.0.1:$forbidden/" --proxy "http://127.0.0.1:$squid"
carries "squid, password" "http://user:$secret@127.0.0.1:$squid_auth" "$squid_auth"
for how in no wrong; do
  given=; [ $how = no ] || given=user:s3cret@
  expect "squid, $how password" "^-352 proxy 407 \[Basic realm=\"the tests' squid\"" \
    "wss://localhost:$wss/" --proxy "http://${given}127.0.0.1:$squid_auth"
done

echo "https proxies"
carries "squid in TLS" "https://127.0.0.1:$squid_tls" "$squid_tls"
carries "stunnel, tinyproxy" "https://127.0.0.1:$stunnel" "$stunnel"
expect "stunnel, a forbidden port" "^-351 proxy 403 \([0-9]+ bytes\): " "ws://127.0.0.1:$forbidden/" --proxy "https://127.0.0.1:$stunnel"
expect "a proxy without TLS taken for one with" "^-4[0-9][0-9] proxy 0: " "ws://127.0.0.1:$ws/" --proxy "https://127.0.0.1:$squid"
expect "one that waits for a line of text" "^-304 proxy 0: .*time ran out before the proxy answered" "ws://127.0.0.1:$ws/" \
  --proxy "https://127.0.0.1:$tinyproxy" --ms 500
expect "a proxy with TLS taken for one without" "^-(35[0-9]|3[0-9]+) proxy [0-9]+.*: " "ws://127.0.0.1:$ws/" --proxy "http://127.0.0.1:$squid_tls" --ms 3000

echo "SOCKS5"
for scheme in socks5 socks5h; do
  carries "dante, $scheme" "$scheme://127.0.0.1:$dante" "$dante"
  expect "dante, $scheme, over IPv6" "^0 open 101: \[::1\]:$dante TLSv1\.3$" "wss://localhost:$wss/" --proxy "$scheme://[::1]:$dante"
  expect "dante, $scheme, nobody listens there" "^-353 proxy 0: .*refused" "ws://127.0.0.1:$gone/" --proxy "$scheme://127.0.0.1:$dante"
  expect "dante, $scheme, a forbidden port" "^-351 proxy 0: " "ws://127.0.0.1:$forbidden/" --proxy "$scheme://127.0.0.1:$dante"
  expect "dante, $scheme, a password that it does not want" "^0 open 101: " "ws://127.0.0.1:$ws/" --proxy "$scheme://user:s3cret@127.0.0.1:$dante"
  carries "microsocks, $scheme" "$scheme://127.0.0.1:$microsocks" "$microsocks"
  expect "microsocks, $scheme, nobody listens there" "^-353 proxy 0: .*refused" "ws://127.0.0.1:$gone/" --proxy "$scheme://127.0.0.1:$microsocks"
  carries "microsocks, $scheme, password" "$scheme://user:$secret@127.0.0.1:$microsocks_auth" "$microsocks_auth"
  for how in no wrong; do
    given=; [ $how = no ] || given=user:s3cret@
    expect "microsocks, $scheme, $how password" "^-352 proxy 0: " \
      "ws://127.0.0.1:$ws/" --proxy "$scheme://${given}127.0.0.1:$microsocks_auth"
  done
done
expect "http spoken to a SOCKS proxy" "^-35[45] proxy 0: " "ws://127.0.0.1:$ws/" --proxy "http://127.0.0.1:$microsocks"
expect "SOCKS spoken to an http proxy that waits" "^-304 proxy 0: " "ws://127.0.0.1:$ws/" --proxy "socks5://127.0.0.1:$tinyproxy" --ms 500
expect "nobody is the proxy" "^-302 connect 0: .* through socks5://127.0.0.1:$gone: " "ws://127.0.0.1:$ws/" --proxy "socks5://127.0.0.1:$gone"

echo "the environment"
there="^0 open 101: 127.0.0.1:$squid plain$"
expect "http_proxy for ws" "$there" "http_proxy=127.0.0.1:$squid" "https_proxy=127.0.0.1:$gone" "ws://echo.example:$ws/" --env
expect "http_proxy before HTTP_PROXY" "$there" "HTTP_PROXY=127.0.0.1:$gone" "http_proxy=http://127.0.0.1:$squid" "ws://echo.example:$ws/" --env
expect "all_proxy where none is set" "$there" "all_proxy=http://127.0.0.1:$squid" "ws://echo.example:$ws/" --env
expect "a password in it" "^0 open 101: 127.0.0.1:$squid_auth " "http_proxy=http://user:$secret@127.0.0.1:$squid_auth" "ws://echo.example:$ws/" --env
# Not for that name, and so there: squid connects, and the certificate is found to be for others.
expect "https_proxy for wss" "^-413 TLS 0: .* through http://127.0.0.1:$squid: " "https_proxy=127.0.0.1:$squid" "http_proxy=127.0.0.1:$gone" "wss://echo.example:$wss/" --env
expect "no proxy for loopback" "^0 open 101: 127.0.0.1:$ws plain$" "all_proxy=127.0.0.1:$gone" "ws://127.0.0.1:$ws/" --env
expect "no proxy for localhost, wss" "^0 open 101: .*:$wss TLSv1.3$" "all_proxy=127.0.0.1:$gone" "wss://localhost:$wss/" --env
expect "no_proxy, a domain" "^0 route 0: echo.example $ws$" "http_proxy=127.0.0.1:$squid" "no_proxy=other.test,example" "ws://echo.example:$ws/" --env --route
expect "no_proxy, another port" "^0 route 0: 127.0.0.1 $squid$" "http_proxy=127.0.0.1:$squid" "no_proxy=echo.example:1" "ws://echo.example:$ws/" --env --route
expect "no_proxy, everything" "^0 route 0: echo.example $ws$" "http_proxy=127.0.0.1:$squid" "NO_PROXY=*" "ws://echo.example:$ws/" --env --route
expect "HTTP_PROXY under CGI" "^0 route 0: echo.example $ws$" "HTTP_PROXY=127.0.0.1:$squid" REQUEST_METHOD=GET "ws://echo.example:$ws/" --env --route
expect "a variable that cannot be used" "^-202 none 0: .*environment's http_proxy cannot be used" "http_proxy=ftp://127.0.0.1:$squid" "ws://echo.example:$ws/" --env

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
