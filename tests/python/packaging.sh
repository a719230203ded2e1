#!/usr/bin/env bash
# The wheel and the sdist as strangers meet them: the wheel goes into an empty environment without cargo on the PATH, the
# sdist is built by cargo in another; the wheel's tag must name the glibc that the library really asks for.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$root/.build/packaging
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
rm -rf "$work/dist" "$work/bare" "$work/built" "$work/source"
mkdir -p "$work/dist"

die() { echo "packaging: $*" >&2; exit 1; }
quietly() {
  local log=$work/$1.log
  shift
  "$@" >"$log" 2>&1 || { tail -40 "$log" >&2; die "failed: $*"; }
}

[ -x "$work/tools/bin/python" ] || quietly tools "$python" -m venv "$work/tools"
quietly tools "$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check build
[ -z "${WSDIAL_LIBRARY:-}" ] || export WSDIAL_LIBRARY
quietly build "$work/tools/bin/python" -m build --outdir "$work/dist" --wheel bindings/python
quietly build "$work/tools/bin/python" -m build --outdir "$work/dist" --sdist bindings/python
wheel=$(echo "$work"/dist/*.whl) sdist=$(echo "$work"/dist/*.tar.gz)

# The newest glibc that a symbol asks for is what the tag says.
newest=$(unzip -p "$wheel" wsdial/libwsdial.so >"$work/library.so" && objdump -T "$work/library.so" |
  sed -n 's/.*(*GLIBC_\([0-9.]*\))* .*/\1/p' | sort -V | tail -1)
newest=$(printf '%s\n2.17\n' "$newest" | sort -V | tail -1)
case $wheel in
  *-py3-none-manylinux_"${newest//./_}"_*.whl) ;;
  *) die "the library asks for glibc $newest, the wheel is $(basename "$wheel")" ;;
esac
echo "packaging: $(basename "$wheel"), $(($(stat -c %s "$wheel") / 1024)) KiB, for glibc $newest and newer"

cat >"$work/hello.py" <<'PROGRAM'
import base64, hashlib, socket, sys, threading
import wsdial

def serve(listener):
    stream, _ = listener.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        head += stream.recv(4096)
    key = next(line[19:] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    stream.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
                   + b"\r\n\r\n\x81\x05hello\x88\x02\x03\xe8")
    stream.recv(4096)
    stream.close()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,)).start()
with wsdial.connect("ws://127.0.0.1:%d" % listener.getsockname()[1]) as ws:
    assert list(ws) == ["hello"]
print("wsdial", wsdial.__version__, "under Python %d.%d" % sys.version_info[:2])
PROGRAM

install() { # install ENVIRONMENT PACKAGE: into an empty environment, then a program, outside of the checkout
  local venv=$work/$1
  quietly "$1" "$python" -m venv "$venv"
  quietly "$1" env -u PYTHONPATH -u WSDIAL_LIBRARY "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$2"
  (cd / && env -u PYTHONPATH -u WSDIAL_LIBRARY "$venv/bin/python" "$work/hello.py")
}

(
  PATH=/usr/bin:/bin
  ! command -v cargo >/dev/null || die "cargo is in /usr/bin or /bin: this shows nothing"
  install bare "$wheel"
)
echo "packaging: the wheel works where there is no cargo"
export CARGO_TARGET_DIR=$work/target CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
install built "$sdist"
echo "packaging: the sdist ($(($(stat -c %s "$sdist") / 1024)) KiB) builds with cargo"
