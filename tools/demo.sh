#!/usr/bin/env bash
# Shows it working: builds everything, starts the echo server, runs C, C++, Python, Go and Rust against it over ws and wss.
. "$(dirname "$0")/env.sh"
. tools/stage.sh

echo "[1/5] looking for the tools (seconds; minutes when some must be installed)"
tools/setup.sh
echo "[2/5] building library, echo server and programs (two to four minutes the first time, then seconds)"
tools/build.sh

echo "[3/5] the echo server, agreeing to the subprotocol \"json\" (seconds)"
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

echo "[4/5] the same server, declining every subprotocol (seconds)"
start_server --port "${WS##*:}" --tls-port "${WSS##*:}" --no-subprotocol ||
  start_server --port 0 --tls-port 0 --no-subprotocol || die "the echo server does not start: $(cat "$BUILD/echo-server.log")"
echo "  listening on $WS and $WSS"
scene ""

echo "[5/5] the end"
stop_server
[ "$failures" = 0 ] || die "$failures programs did not say what they should"
echo "  all twenty dialed, negotiated, sent, received and closed as they should"
