#!/usr/bin/env bash
# Makes the archives of make dist and uses each as its receiver would: without Rust on the PATH where none is needed.
. "$(dirname "$0")/../../tools/env.sh"

make --no-print-directory dist
version=$(wsdial_version)
dir=$(mktemp -d "${TMPDIR:-/tmp}/wsdial-dist.XXXXXX")
trap 'rm -rf "$dir"' EXIT
passed=0
ok() { # ok TITLE COMMAND...
  local title=$1
  shift
  "$@" >"$dir/said" 2>&1 || { cat "$dir/said" >&2; die "$title"; }
  passed=$((passed + 1))
  echo "  $title"
}

# A PATH with everything but what builds Rust.
mkdir "$dir/bin"
IFS=: read -ra places <<<"$PATH"
for place in "${places[@]}"; do
  for program in "$place"/*; do
    case ${program##*/} in cargo* | rustc* | rustup* | '*') ;; *) ln -s "$program" "$dir/bin/" 2>/dev/null || true ;; esac
  done
done
python=$(readlink -f "$PYTHON")
without_rust() { env PATH="$dir/bin" "$@"; }
without_rust bash -c '! command -v cargo' >/dev/null || die "cargo is still on the PATH"

ok "checksums" bash -c "cd dist && sha256sum --check --quiet SHA256SUMS"
ok "the bill of materials names rustls and its licence" "$python" - "dist/wsdial-$version.cdx.json" <<'PY'
import json, sys

parts = {part["name"]: part for part in json.load(open(sys.argv[1]))["components"]}
assert "rustls" in parts and parts["rustls"]["licenses"], parts.keys()
PY

tar -xzf "dist/wsdial-$version-linux-$(uname -m).tar.gz" -C "$dir"
sdk=$dir/wsdial-$version-linux-$(uname -m)
in_sdk() { without_rust bash -euc "cd '$sdk'; $1"; }
ok "SDK: C, static" in_sdk 'cc examples/quickstart.c -Iinclude lib/libwsdial.a -lm -ldl -lpthread -o c; ! ./c ws://127.0.0.1:1'
ok "SDK: C++, shared" in_sdk 'c++ -std=c++17 examples/quickstart.cpp -Iinclude -Llib -lwsdial -Wl,-rpath,"$PWD/lib" -o cpp; ! ./cpp ws://127.0.0.1:1'
ok "SDK: pkg-config finds it where it was unpacked" in_sdk 'test "$(PKG_CONFIG_PATH=lib/pkgconfig pkg-config --variable=prefix wsdial | xargs readlink -f)" = "$PWD"'
ok "SDK: a manual page" test -f "$sdk/share/man/man3/ws_dial.3"

tar -xzf "dist/wsdial-go-$version-linux-$(uname -m).tar.gz" -C "$dir"
mkdir "$dir/program"
cp examples/go/quickstart/main.go "$dir/program/"
printf 'module program\n\ngo 1.24\n\nrequire github.com/wsdial/wsdial/bindings/go v0.0.0\n\nreplace github.com/wsdial/wsdial/bindings/go => %s\n' \
  "$dir/wsdial-go-$version-linux-$(uname -m)" >"$dir/program/go.mod"
ok "Go: a program outside the tree" without_rust bash -c "cd '$dir/program' && go build -o program . && ! ./program ws://127.0.0.1:1"

"$python" -m venv "$dir/venv"
ok "Python: the wheel, without Rust" without_rust "$dir/venv/bin/python" -m pip install --quiet --no-index --find-links dist wsdial
ok "Python: it runs" without_rust "$dir/venv/bin/python" -c "import wsdial; assert wsdial.__version__ == '$version'"

tar -xzf "dist/wsdial-$version-src.tar.gz" -C "$dir"
ok "source: it builds" bash -c "cd '$dir/wsdial-$version' && CARGO_TARGET_DIR='$dir/target' cargo build --quiet --locked --lib"
echo "$passed passed, 0 failed"
