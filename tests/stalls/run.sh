#!/usr/bin/env bash
# A dial whose name server is silent, and with --bench how fast dials that stall end. The process gets a network and a resolv.conf of its
# own, where 127.0.0.1 is the name server and does not answer; that takes root, or user namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."

die() { echo "stalls: $*" >&2; exit 1; }

bench=
if [ "${1:-}" = --bench ]; then
  bench=yes
  shift
fi
if [ "${1:-}" != inside ]; then
  # Built outside: inside there is no network.
  cargo test --locked --quiet --test stalls --no-run
  [ -z "$bench" ] || cargo bench --locked --quiet --bench stalls --no-run
  rights=(--user --map-root-user)
  [ "$(id -u)" != 0 ] || rights=()
  exec unshare "${rights[@]}" --mount --net "$0" ${bench:+--bench} inside
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/wsdial-stalls.XXXXXX")
trap 'kill "$silent" 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -c '
import fcntl, socket, struct, time
# IFF_UP | IFF_RUNNING of lo (SIOCSIFFLAGS): here it is down yet.
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(server, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
server.bind(("127.0.0.1", 53))
print("listening", flush=True)
while True:
    server.recv(4096)
    print("asked", flush=True)
' >"$dir/asked" &
silent=$!
for _ in $(seq 100); do grep -q listening "$dir/asked" && break; sleep 0.05; done
grep -q listening "$dir/asked" || die "no silent name server"
echo "nameserver 127.0.0.1" >"$dir/resolv.conf"
echo "hosts: files dns" >"$dir/nsswitch.conf"
for file in resolv.conf nsswitch.conf; do mount --bind "$dir/$file" "$(realpath "/etc/$file")" || die "/etc/$file cannot be hidden"; done

cargo test --locked --offline --quiet --test stalls -- --include-ignored
# Else somebody else has answered.
grep -q asked "$dir/asked" || die "the silent name server was not asked"
[ -z "$bench" ] || WSDIAL_SILENT_RESOLVER=1 cargo bench --locked --offline --quiet --bench stalls
