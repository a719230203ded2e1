#!/usr/bin/env bash
# Runs the C client against servers that nobody here wrote: run.sh [--valgrind] [websockets] [gorilla] [ws] [nginx]; all by
# default. With --valgrind what it does with memory is watched, compression and all.
# Installs what it needs inside .build/, and nginx and Node by apt when they are missing and we are root. Skips nothing.
# WSDIAL_LIB names the folder of a built libwsdial; without it the release library is built.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/rivals
build=$PWD/.build/rivals
mkdir -p "$build"
dir=$(mktemp -d "${TMPDIR:-/tmp}/wsdial-rivals.XXXXXX")
pids=()

finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

die() { echo "rivals: $*" >&2; exit 1; }

watch=()
if [ "${1:-}" = --valgrind ]; then
  shift
  command -v valgrind >/dev/null || die "valgrind is missing; install it with: sudo apt-get install valgrind"
  watch=(valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=99
    --suppressions=tests/c/valgrind.supp)
  export WSDIAL_SCENARIO_SECONDS=1200
fi

# need TOOL PACKAGE: has the tool, or gets its package.
need() {
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$1 is missing; install it with: sudo apt-get install $2"
  echo "rivals: installing $2"
  apt-get install -y --no-install-recommends "$2" >"$build/apt.log" 2>&1 \
    || { apt-get update && apt-get install -y --no-install-recommends "$2"; } >"$build/apt.log" 2>&1 \
    || die "$2 cannot be installed; see $build/apt.log"
}

# start NAME COMMAND...: starts a server that ends with us, whatever ends us, and waits for its word.
start() {
  local log=$dir/$1.log
  shift
  setpriv --pdeathsig TERM "$@" >"$log" 2>"$log.err" </dev/null &
  pids+=($!)
  for _ in $(seq 300); do
    grep -q ^listening "$log" && break
    kill -0 "${pids[-1]}" 2>/dev/null || { cat "$log.err" >&2; die "$1 did not start"; }
    sleep 0.1
  done
  ws=$(sed -n 's/^listening ws=\([0-9]*\) .*/\1/p' "$log")
  wss=$(sed -n 's/^listening .*wss=\([0-9]*\)$/\1/p' "$log")
  [ -n "$ws" ] || die "$1 did not say where it listens"
}

certificates() {
  need openssl openssl
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=wsdial test root" -keyout "$dir/ca.key" -out "$dir/ca.pem" \
    -addext "keyUsage=critical,keyCertSign" 2>"$dir/openssl.log" || die "$(cat "$dir/openssl.log")"
  openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$dir/key.pem" -out "$dir/server.csr" 2>/dev/null
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >"$dir/server.ext"
  openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
    -extfile "$dir/server.ext" -out "$dir/cert.pem" 2>/dev/null
}

start_websockets() {
  need python3 python3
  local venv=$build/venv
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || die "python3 has no venv; install it with: sudo apt-get install python3-venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r $here/websockets/requirements.txt
  start websockets "$venv/bin/python" $here/websockets/server.py "$dir/cert.pem" "$dir/key.pem"
}

start_gorilla() {
  need go golang-go
  (cd $here/gorilla && go build -o "$build/gorilla" .)
  start gorilla "$build/gorilla" "$dir/cert.pem" "$dir/key.pem"
}

start_ws() {
  need node nodejs
  need npm npm
  mkdir -p "$build/ws"
  cp $here/ws/package.json $here/ws/package-lock.json $here/ws/server.js "$build/ws/"
  (cd "$build/ws" && npm ci --no-audit --no-fund --silent)
  start ws node "$build/ws/server.js" "$dir/cert.pem" "$dir/key.pem"
}

# nginx cannot choose a free port by itself, so a port that is taken meanwhile means another try.
start_nginx() {
  need nginx nginx
  need python3 python3
  start_websockets
  local behind=$ws as=() port
  mkdir "$dir/nginx"
  cp "$dir/cert.pem" "$dir/key.pem" "$dir/nginx/"
  if [ "$(id -u)" = 0 ]; then
    chmod 711 "$dir"
    chown -R nobody "$dir/nginx"
    as=(--reuid nobody --clear-groups)
  fi
  for _ in 1 2 3 4 5; do
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    sed "s|@DIR@|$dir/nginx|; s|@PORT@|$port|; s|@BEHIND@|$behind|" $here/nginx.conf.in >"$dir/nginx/nginx.conf"
    setpriv --pdeathsig TERM "${as[@]}" nginx -e "$dir/nginx/error.log" -p "$dir/nginx" -c "$dir/nginx/nginx.conf" &
    local pid=$!
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || continue 2
      [ -s "$dir/nginx/nginx.pid" ] && break
      sleep 0.1
    done
    pids+=("$pid")
    wss=$port
    return
  done
  cat "$dir/nginx/error.log" >&2
  die "nginx did not start"
}

oppose() {
  local passed=0 failed=0 line url
  for url in "$@"; do
    echo "== $name at $url"
    "${watch[@]}" "$build/client" "$url" "$dir/ca.pem" | tee "$dir/out" || [ "${PIPESTATUS[0]}" != 99 ] || die "valgrind objects"
    line=$(tail -n 1 "$dir/out")
    [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || die "the client did not come to its end"
    all_passed=$((all_passed + BASH_REMATCH[1]))
    all_failed=$((all_failed + BASH_REMATCH[2]))
  done
}

if [ -z "${WSDIAL_LIB:-}" ]; then
  profile=release
  # What valgrind is told not to mind has its name only where nothing is inlined.
  [ ${#watch[@]} = 0 ] || profile=dev
  cargo build --profile $profile --quiet
  WSDIAL_LIB=$PWD/target/${profile/dev/debug}
fi
${CC:-cc} -std=c99 -Wall -Wextra -Werror -O1 -g -pthread -Iinclude $here/client.c -o "$build/client" \
  -L"$WSDIAL_LIB" -lwsdial -Wl,-rpath,"$WSDIAL_LIB"
certificates
all_passed=0 all_failed=0
[ $# -gt 0 ] || set -- websockets gorilla ws nginx
for name in "$@"; do
  case $name in
    websockets | gorilla | ws) "start_$name"; oppose "ws://127.0.0.1:$ws" "wss://localhost:$wss" ;;
    nginx) start_nginx; oppose "wss://localhost:$wss" ;;
    *) die "no opponent is called $name" ;;
  esac
done
echo "$all_passed passed, $all_failed failed"
[ "$all_failed" = 0 ] && [ "$all_passed" -gt 0 ]
