#!/usr/bin/env bash
# Shows it working: builds everything, starts the echo server, runs C, C++, Python, Go and Rust against it over ws and wss.
. "$(dirname "$0")/env.sh"
. tools/stage.sh

# show TITLE PATTERN...: what SAID holds, which has a line for each pattern, in that order.
show() {
  sed "s/^/  Go $1: /" <<<"$SAID"
  says "${@:2}" || fail "Go $1 did not say what it should: no line like '$missing'"
}

echo "[1/6] looking for the tools (seconds; minutes when some must be installed)"
tools/setup.sh
echo "[2/6] building library, echo server and programs (two to four minutes the first time, then seconds)"
tools/build.sh

echo "[3/6] the echo server, agreeing to the subprotocol \"json\" (seconds)"
if ! start_server --port 12345 --tls-port 12346; then
  echo "  port 12345 or 12346 is busy, so others it is ($(tail -1 "$BUILD/echo-server.log"))"
  start_server --port 0 --tls-port 0 || die "the echo server does not start: $(cat "$BUILD/echo-server.log")"
fi
echo "  listening on $WS and $WSS"
scene json
echo "  and one handshake explained (examples/c/explain.c):"
echo
"$BUILD/examples/c-explain" "$WSS/chat" "$CA" || fail "the handshake is not explained"
echo

echo "[4/6] the article's Go program and the Go echo client, each until it is interrupted (seconds)"
interrupted "$BUILD/examples/go-article" "$WS"
show "article" '^upgraded: 101 ' '^negotiated protocol: "json"$' '^received: 2' '^closed cleanly: 1000$'
interrupted "$BUILD/examples/go-echo" -url "$WS"
show "echo" '^connecting to ws://' '^received: 2' '^interrupted$' '^read: websocket: close 1000 \(normal\)$'
echo

echo "[5/6] the same server, declining every subprotocol (seconds)"
start_server --port "${WS##*:}" --tls-port "${WSS##*:}" --no-subprotocol ||
  start_server --port 0 --tls-port 0 --no-subprotocol || die "the echo server does not start: $(cat "$BUILD/echo-server.log")"
echo "  listening on $WS and $WSS"
scene ""

echo "[6/6] the end"
stop_server
[ "$failures" = 0 ] || die "$failures programs did not say what they should"
echo "  all twenty-two dialed, negotiated, sent, received and closed as they should"
