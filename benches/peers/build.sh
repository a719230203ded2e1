#!/bin/bash
# Builds the bench server and the clients.
#
#   build.sh [--need WORDS] [--try WORDS] [--out DIR]
#
# WORDS are joined by commas: server limit wsdial tungstenite libwebsockets, and the further peers libcurl rust go
# python node. What is needed must build, else the answer is a failure that says what is missing; what is only tried
# may be missing, said aloud. Default: need the first five, try none. DIR: .build/bench in the project ($OUT).
# Missing system packages are installed by name when that is allowed (root, apt), else the one line to do it is printed.
# CURL_PREFIX, LWS_PREFIX: installed prefixes with static libraries to take instead of the system's.
set -u
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$here/../.." && pwd)
out=${OUT:-$root/.build/bench}
need=server,limit,wsdial,tungstenite,libwebsockets try=
all="server limit wsdial tungstenite libwebsockets libcurl rust go python node"
while [ $# -gt 0 ]; do
  case $1 in
    --need) need=$2; shift 2 ;;
    --try) try=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "build.sh: unknown option $1 (--help tells)" >&2; exit 2 ;;
  esac
done
for word in ${need//,/ } ${try//,/ }; do
  case " $all " in *" $word "*) ;; *) echo "build.sh: unknown word $word (known: $all)" >&2; exit 2 ;; esac
done
mkdir -p "$out/bin" && out=$(cd "$out" && pwd) || exit 1
cc=${CC:-cc}
cflags="-O3 -Wall -Wextra"
cd "$here" || exit 1

# The system packages behind a word: header (or program) to look for, package that has it.
wants() {
  case $1 in
    server) echo "openssl/ssl.h:libssl-dev zlib.h:zlib1g-dev" ;;
    limit) echo "openssl/ssl.h:libssl-dev zlib.h:zlib1g-dev libdeflate.h:libdeflate-dev" ;;
    libwebsockets) [ -n "${LWS_PREFIX:-}" ] || echo "libwebsockets.h:libwebsockets-dev openssl/ssl.h:libssl-dev" ;;
    libcurl) echo "openssl/ssl.h:libssl-dev zlib.h:zlib1g-dev" ;;
  esac
}

install_packages() {
  local missing="" pair
  for pair in $(for word in "$@"; do wants "$word"; done | tr ' ' '\n' | sort -u); do
    echo "#include <${pair%%:*}>" | $cc -E -x c - >/dev/null 2>&1 || missing="$missing ${pair##*:}"
  done
  missing=$(echo $missing)
  [ -z "$missing" ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing: $missing"
    local quiet="-qq -o Dpkg::Use-Pty=0"
    DEBIAN_FRONTEND=noninteractive apt-get install $quiet -y $missing >/dev/null 2>&1 ||
      { apt-get $quiet update && DEBIAN_FRONTEND=noninteractive apt-get install $quiet -y $missing >/dev/null; }
  else
    echo "not installed: $missing; to install: sudo apt-get install -y $missing" >&2
  fi
}

build_server() { $cc $cflags -o "$out/bin/server" server.c -lssl -lcrypto -lz; }
build_limit() { $cc $cflags -o "$out/bin/limit" c/limit.c -lssl -lcrypto -lz -ldeflate; }

# Ours, linked the way a C program would: the static library and what `rustc --print native-static-libs` names.
build_wsdial() {
  local target
  target=$(cd "$root" && cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/') || return 1
  (cd "$root" && cargo build --release --lib) || return 1
  $cc $cflags -I"$root/include" -o "$out/bin/wsdial-client" c/wsdial_client.c "$target/release/libwsdial.a" \
    -lgcc_s -lutil -lrt -lpthread -lm -ldl
}

build_tungstenite() { rust --bin tungstenite && cp "$out/target/release/tungstenite" "$out/bin/"; }
build_rust() { rust --features more && cp "$out"/target/release/{tungstenite,tokio_websockets,fastwebsockets} "$out/bin/"; }
rust() { (cd rs && CARGO_TARGET_DIR="$out/target" cargo build --release --locked "$@"); }

build_libwebsockets() { peer lws-client c/lws_client.c "${LWS_PREFIX:-}" libwebsockets; }
# The system's libcurl when it speaks WebSocket (Debian's often does not), else the one inside the curl-sys crate.
build_libcurl() {
  if [ -n "${CURL_PREFIX:-}" ] || curl-config --protocols 2>/dev/null | grep -qx 'WSS\{0,1\}'; then
    peer curl-client c/curl_client.c "${CURL_PREFIX:-}" libcurl
    return
  fi
  rust --lib --features curl || return 1
  local archive
  archive=$(find "$out"/target/release/build/curl-sys-*/out -name libcurl.a | head -1)
  [ -n "$archive" ] || { echo "no libcurl.a came out of curl-sys" >&2; return 1; }
  $cc $cflags -o "$out/bin/curl-client" c/curl_client.c -I"${archive%/out/*}/out/include" "$archive" -lssl -lcrypto -lz -lpthread
}
peer() { # name source prefix pkg-config-name
  if [ -n "$3" ]; then $cc $cflags -o "$out/bin/$1" "$2" -I"$3/include" "$3"/lib/lib*.a -lssl -lcrypto -lz -lpthread -lm
  else $cc $cflags -o "$out/bin/$1" "$2" $(pkg-config --cflags --libs "$4"); fi
}

build_go() {
  command -v go >/dev/null || { echo "go is not installed" >&2; return 1; }
  for name in gorilla coder gws wsdial; do (cd go && go build -o "$out/bin/go-$name" "./$name") || return 1; done
}
build_python() {
  [ -x "$out/venv/bin/python" ] || python3 -m venv "$out/venv" || return 1
  "$out/venv/bin/pip" install -q --disable-pip-version-check -r py/requirements.txt
}
build_node() { [ -d "$out/node_modules/ws" ] || npm install --silent --no-fund --no-audit --prefix "$out" ws bufferutil >/dev/null; }

failed=""
install_packages ${need//,/ } ${try//,/ }
for word in ${need//,/ }; do
  echo "building $word"
  "build_$word" >"$out/$word.log" 2>&1 || { tail -n 15 "$out/$word.log" >&2; echo "build.sh: $word is needed and did not build (all of it: $out/$word.log)" >&2; failed=1; }
done
for word in ${try//,/ }; do
  echo "building $word"
  "build_$word" >"$out/$word.log" 2>&1 || { tail -n 2 "$out/$word.log"; echo "left out: $word (see $out/$word.log)"; }
done
for word in $all; do
  case ",$need,$try," in *",$word,"*) ;; *) left="${left:-}${left:+,}$word" ;; esac
done
[ -n "${left:-}" ] && echo "not built, --try $left would"
[ -z "$failed" ]
