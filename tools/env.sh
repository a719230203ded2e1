# Sourced by the scripts here: where things are. Leaves the caller in the root of the project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
BUILD=$ROOT/.build
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
VENV=$ROOT/.venv
PYTHON=$VENV/bin/python
PIP_DISABLE_PIP_VERSION_CHECK=1
# A Go that tools/setup.sh had to install by pip goes before one of the machine, which is too old.
PATH=$BUILD/bin:$PATH
export PATH PIP_DISABLE_PIP_VERSION_CHECK
mkdir -p "$BUILD"

die() {
  echo "$(basename "$0" .sh): $*" >&2
  exit 1
}

# at_least WANTED FOUND: compares versions such as 1.88 and 1.95.0.
at_least() {
  [ -n "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -1)" = "$1" ]
}

# quietly LOG COMMAND...: runs it, and shows what it said only when it fails.
quietly() {
  local log=$BUILD/$1.log
  shift
  "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    die "failed: $*"
  }
}

wsdial_version() {
  sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1
}

# so_version VERSION: what programs are bound to. Before 1.0 a minor version may change the ABI.
so_version() {
  case $1 in 0.*) cut -d. -f1,2 <<<"$1" ;; *) cut -d. -f1 <<<"$1" ;; esac
}
