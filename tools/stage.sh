# Sourced by demo.sh and examples.sh: the echo server, and programs that are run against it and compared.
failures=0

# start_server ARGUMENT...: sets WS, WSS and CA. The server ends when our end of its pipe is closed, so also with us.
start_server() {
  local ready=
  stop_server
  CA=$BUILD/echo-ca.pem
  coproc SERVER { exec "$TARGET/release/examples/echo-server" --ca "$CA" "$@" 2>"$BUILD/echo-server.log"; }
  server_pid=$SERVER_PID server_in=${SERVER[1]}
  if ! read -r -t 20 ready <&"${SERVER[0]}"; then
    stop_server
    return 1
  fi
  WS=$(cut -d' ' -f2 <<<"$ready") WSS=$(cut -d' ' -f3 <<<"$ready")
}

stop_server() {
  [ -n "${server_pid:-}" ] || return 0
  { exec {server_in}>&-; } 2>/dev/null || true
  wait "$server_pid" 2>/dev/null || true
  server_pid=
}
trap stop_server EXIT

# The programs of one scene, by language.
run_c() { "$BUILD/examples/c-quickstart" "$@"; }
run_cpp() { "$BUILD/examples/cpp-quickstart" "$@"; }
run_rust() { "$TARGET/release/examples/quickstart" "$@"; }
run_go() { "$BUILD/examples/go-quickstart" "$@"; }
run_python() {
  local python=python3
  [ ! -x "$PYTHON" ] || python=$PYTHON
  PYTHONPATH=$ROOT/bindings/python/src WSDIAL_LIBRARY=$TARGET/release/libwsdial.so "$python" -B examples/python/quickstart.py "$@"
}
export -f run_c run_cpp run_python run_go run_rust
export BUILD ROOT TARGET PYTHON

# scene PROTOCOL: the quickstart in every language over ws and wss, each compared line by line.
scene() {
  local language expected said title
  expected=$(printf 'negotiated protocol: "%s"\nreceived: {"hello":"wsdial"}\nclosed cleanly: 1000' "$1")
  for language in c cpp python go rust; do
    case $language in c) title=C ;; cpp) title=C++ ;; python) title=Python ;; go) title=Go ;; rust) title=Rust ;; esac
    for url in "$WS" "$WSS"; do
      local arguments=("$url")
      [ "$url" = "$WS" ] || arguments+=("$CA")
      said=$(timeout 30 bash -c 'run_'$language' "$@"' - "${arguments[@]}" 2>&1) || said="$said (exit $?)"
      printf '  %-7s %-5s %s\n' "$title" "${url%%:*}" "$(paste -sd'|' <<<"$said" | sed 's/|/   /g')"
      [ "$said" = "$expected" ] || fail "$title over ${url%%:*} did not say what it should: $expected"
    done
  done
}

fail() {
  echo "  WRONG: $*" >&2
  failures=$((failures + 1))
}

# interrupted COMMAND...: runs it until it has received something, then interrupts it, and collects what it said in SAID.
interrupted() {
  local log=$BUILD/interrupted.log pid code=0
  : >"$log"
  # --foreground: else the program is interrupted twice, once by its name and once with its group.
  timeout --foreground --signal=KILL 60 "$@" >"$log" 2>&1 &
  pid=$!
  # The program says so itself when it has received; a look every 20 ms, 30 s at the most.
  for _ in $(seq 1500); do
    grep -q '^received' "$log" && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.02
  done
  kill -INT "$pid" 2>/dev/null || true
  wait "$pid" || code=$?
  SAID=$(cat "$log")
  [ "$code" = 0 ] || fail "$1 ended with $code: $SAID"
}

# says PATTERN...: whether what SAID holds has a line for each pattern, in that order; the first that has none in missing.
says() {
  local rest=$SAID
  for missing in "$@"; do
    grep -qE "$missing" <<<"$rest" || return 1
    rest=$(sed -E "0,/${missing//\//\\/}/d" <<<"$rest")
  done
}
