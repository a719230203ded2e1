#!/usr/bin/env bash
# Runs every example against the echo server and compares what it says. Needs tools/build.sh to have been run.
. "$(dirname "$0")/env.sh"
. tools/stage.sh

passed=0

# expect TITLE PATTERN...: what SAID holds has a line for each pattern, in that order, and nothing else went wrong.
expect() {
  local title=$1
  shift
  says "$@" || { fail "$title: no line like '$missing' in: $SAID"; return 0; }
  passed=$((passed + 1))
  echo "  $title: as it should"
}

run() {
  local code=0
  SAID=$(timeout --signal=KILL 120 "$@" 2>&1) || code=$?
  [ "$code" = 0 ] || fail "$1 ended with $code: $SAID"
}

# refused TITLE COMMAND...: must fail, say why on stderr, and say nothing else.
refused() {
  local title=$1 code=0 said
  shift
  said=$(timeout 30 "$@" 2>"$BUILD/refused.log") || code=$?
  if [ "$code" = 1 ] && [ -z "$said" ] && [ -s "$BUILD/refused.log" ]; then
    passed=$((passed + 1))
    echo "  $title: $(head -1 "$BUILD/refused.log")"
  else
    fail "$title: exit $code, said '$said', stderr '$(cat "$BUILD/refused.log")'"
  fi
}

echo "examples against a server that agrees"
start_server --port 0 --tls-port 0 || die "the echo server does not start: $(cat "$BUILD/echo-server.log")"
before=$failures
scene json
[ "$failures" = "$before" ] && passed=$((passed + 10))

for url in "$WS" "$WSS"; do
  ca=
  [ "$url" = "$WS" ] || ca=$CA
  interrupted "$BUILD/examples/c-echo" "$url" "$ca" 50
  expect "C echo over ${url%%:*}" '^negotiated protocol: "json"$' '^received: 2' '^closed cleanly: 1000$'
  interrupted "$BUILD/examples/cpp-echo" "$url" "$ca" 50
  expect "C++ echo over ${url%%:*}" '^negotiated protocol: "json"$' '^received: 2' '^closed cleanly: 1000$'
  run "$BUILD/examples/c-duplex" "$url" "$ca"
  expect "C duplex over ${url%%:*}" '^negotiated protocol: "json"$' '^received: [0-9]+ messages, each whole' '^closed cleanly: 1000$'
done
run "$BUILD/examples/c-poll" "$WS"
expect "C, a thousand connections on one poll loop" '^1000 connections, 10000 messages each way .* closed cleanly$'
run "$BUILD/examples/c-epoll" "$WS"
expect "C, a thousand connections on one epoll loop" '^1000 connections, 10000 messages each way .* closed cleanly$'
for url in "$WS" "$WSS"; do
  ca=
  [ "$url" = "$WS" ] || ca=$CA
  run "$BUILD/examples/c-large" "$url" "$ca" 16
  expect "C, 16 MiB in pieces over ${url%%:*}" '^16 MiB there and back, each byte as it was, with [0-9]{1,4} KiB of memory .* closed cleanly: 1000$'
done
run "$BUILD/examples/c-memory"
expect "C, without any socket" '^negotiated protocol: "json"$' '^4 messages there and back .* closed cleanly: 1000$'
run "$BUILD/examples/c-cookies" "$WS"
expect "C, a cookie that comes back" '^asked for http: ""$' '^stored: "visits=1"$' '^visit 1$' '^asked for http: "visits=1"$' \
  '^stored: "visits=2"$' '^visit 2$'
run "$BUILD/examples/c-explain" "$WSS" "$CA"
expect "C, the handshake explained" '^wss://localhost:' '^  TLS .* TLSv1\.3' '^  > Sec-WebSocket-Key: ' '^  < HTTP/1\.1 101 ' \
  '^  < set-cookie: visits=\*\*\*; HttpOnly' '^  ok +subprotocol as offered +RFC 6455 4\.1 +json$' '^  open$'
# It ends when our end of its pipe is closed, so also with us; its port is the first that it says.
rm -f "$BUILD/proxy.port"
mkfifo "$BUILD/proxy.port"
exec {proxy_in}> >(exec python3 -B tests/proxies/connect.py user:secret >"$BUILD/proxy.port")
read -r -t 20 proxy_port <"$BUILD/proxy.port" || die "the proxy does not start"
# The proxy takes any name for this machine's; the environment's proxies are not for localhost.
behind="ws://echo.example:${WS##*:}"
run "$BUILD/examples/c-proxy" "$behind" "http://user:secret@127.0.0.1:$proxy_port"
expect "C, through a proxy" "^route to $behind: 127.0.0.1 port $proxy_port$" '^connected: through a proxy$' '^received: hello$' '^closed cleanly: 1000$'
run env http_proxy="http://user:secret@127.0.0.1:$proxy_port" "$BUILD/examples/c-proxy" "$behind"
expect "C, through the environment's proxy" "^route to $behind: 127.0.0.1 port $proxy_port$" '^connected: through a proxy$' '^closed cleanly: 1000$'
run env http_proxy="http://127.0.0.1:$proxy_port" "$BUILD/examples/c-proxy" "$WS"
expect "C, no proxy for localhost" "^route to $WS: localhost port ${WS##*:}$" '^connected: directly$' '^closed cleanly: 1000$'
SAID=$("$BUILD/examples/c-proxy" "$behind" "http://user:wrong@127.0.0.1:$proxy_port" 2>&1) && fail "a wrong password is taken"
expect "C, a proxy's refusal" '^proxy: .* answered 407 No' '^it wants a user and a password: Basic realm="tests"$' '^who are you\?$'
exec {proxy_in}>&-
rm -f "$BUILD/proxy.port"
python=(env "PYTHONPATH=$ROOT/bindings/python/src" "WSDIAL_LIBRARY=$TARGET/release/libwsdial.so" python3 -B)
[ ! -x "$PYTHON" ] || python[3]=$PYTHON
for url in "$WS" "$WSS"; do
  ca=
  [ "$url" = "$WS" ] || ca=$CA
  interrupted "${python[@]}" examples/python/echo.py "$url" "$ca" 50
  expect "Python echo over ${url%%:*}" '^negotiated protocol: "json"$' '^received: 2' '^closed cleanly: 1000$'
done
run "${python[@]}" examples/python/duplex.py "$WS"
expect "Python duplex" '^negotiated protocol: "json"$' '^received: 4000 messages, each whole' '^closed cleanly: 1000$'
run "${python[@]}" examples/python/tls.py "$WSS" "$CA"
expect "Python TLS with an own root" '^received: by the library$' '^received: by an SSLContext$' '^closed cleanly: 1000$'
run "${python[@]}" examples/python/large.py "$WS" "" 64
expect "Python, a large message in constant memory" '^received: 64 MiB in one message' '^closed cleanly: 1000$'
run "${python[@]}" examples/python/redial.py "$WS"
expect "Python redial" '^received: hello 1$' '^received: hello 3$' '^3 connections$'

interrupted "${python[@]}" examples/python/asyncio_echo.py "$WS"
expect "Python asyncio echo" '^negotiated protocol: "json"$' "^received: 'tick 0'" '^closed cleanly: 1000$'
interrupted "${python[@]}" examples/python/asyncio_echo.py "$WSS" "$CA"
expect "Python asyncio echo over wss" '^negotiated protocol: "json"$' "^received: 'tick 0'" '^closed cleanly: 1000$'
run "${python[@]}" examples/python/asyncio_many.py "$WS"
expect "Python, five hundred connections on one event loop" '^500 connections, 5000 messages each way, 500 closed cleanly$'
interrupted "$BUILD/examples/go-article" "$WS"
expect "Go article" '^upgraded: 101 ' '^negotiated protocol: "json"$' '^received: 2' '^closed cleanly: 1000$'
interrupted "$BUILD/examples/go-echo" -url "$WS"
expect "Go echo" '^connecting to ws://' '^received: 2' '^interrupted$' '^read: websocket: close 1000 \(normal\)$'

echo "examples that must be refused"
refused "C, untrusted certificate" "$BUILD/examples/c-quickstart" "$WSS"
refused "C++, untrusted certificate" "$BUILD/examples/cpp-quickstart" "$WSS"
refused "Python, untrusted certificate" bash -c 'run_python "$@"' - "$WSS"
refused "Go, untrusted certificate" "$BUILD/examples/go-quickstart" "$WSS"
refused "Rust, untrusted certificate" "$TARGET/release/examples/quickstart" "$WSS"
refused "C, TLS server dialed without TLS" "$BUILD/examples/c-quickstart" "ws${WSS#wss}"

echo "examples against a server that asks for client certificates"
client=$BUILD/echo-client.pem
start_server --port 0 --tls-port 0 --client-cert "$client" || die "the echo server does not start: $(cat "$BUILD/echo-server.log")"
run "$BUILD/examples/c-tls" "$WSS" "$CA" "$client"
expect "C, own roots and a client certificate" '^connected: TLSv1.3, ' '^received: hello$' '^closed cleanly: 1000$' \
  '^connected: TLSv1.3, ' '^received: hello$' '^closed cleanly: 1000$'
refused "C, without a client certificate" "$BUILD/examples/c-quickstart" "$WSS" "$CA"
refused "C, a certificate without its key" "$BUILD/examples/c-tls" "$WSS" "$CA" "$CA"
rm -f "$client"

echo "examples against a server that declines"
start_server --port 0 --tls-port 0 --no-subprotocol || die "the echo server does not start: $(cat "$BUILD/echo-server.log")"
before=$failures
scene ""
[ "$failures" = "$before" ] && passed=$((passed + 10))
stop_server
refused "C, nobody listening" "$BUILD/examples/c-quickstart" "$WS"
refused "Python, nobody listening" bash -c 'run_python "$@"' - "$WS"
refused "Go, nobody listening" "$BUILD/examples/go-quickstart" "$WS"

echo "$passed passed, $failures failed"
[ "$failures" = 0 ]
