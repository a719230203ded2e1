#!/usr/bin/env bash
# Runs the Autobahn testsuite's fuzzing server, on 127.0.0.1 only, against client.c (the C ABI), and compares its report
# with expected.json.
#   run.sh            all cases; fails where no Python 2.7 is found, which the suite needs
#   --client PROGRAM  another client than client.c: a program, or a .py beside it, which Python 3 runs over the package, or
#                     go for the Go package, go-pieces for the same with messages read and written in pieces
#   run.sh --short    1.* to 10.*; says so and passes where no Python 2.7 is found
#   --prove           runs a client that cuts messages, and passes if the comparison notices
# WSDIAL_PYTHON27 names the Python 2.7; WSDIAL_LIB the folder of a built libwsdial, else the release library is built.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/autobahn
build=$PWD/.build/autobahn
short='' prove='' program=''
while [ $# -gt 0 ]; do
  case $1 in
    --short) short=yes ;;
    --prove) prove=yes ;;
    --client) program=${2:?run.sh: --client wants a program}; shift ;;
    *) echo "usage: run.sh [--short] [--prove] [--client PROGRAM]" >&2; exit 2 ;;
  esac
  shift
done

die() { echo "autobahn: $*" >&2; exit 1; }

# A pyenv shim is on the PATH even where its version is switched off, so each candidate is asked.
find_python27() {
  local candidate
  for candidate in "${WSDIAL_PYTHON27:-}" python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

if ! python27=$(find_python27); then
  sentence="no Python 2.7 was found, so the Autobahn testsuite did NOT run (set WSDIAL_PYTHON27 to one)"
  [ -n "$short" ] || die "$sentence"
  echo "autobahn: $sentence"
  exit 0
fi
command -v python3 >/dev/null || die "python3 is missing; install it with: sudo apt-get install python3"

mkdir -p "$build"
if ! cmp -s $here/requirements.txt "$build/installed.txt"; then
  rm -rf "$build/site"
  "$python27" -m pip --version >/dev/null 2>&1 || die "$python27 has no pip; add it with: $python27 -m ensurepip"
  "$python27" -m pip install --quiet --disable-pip-version-check --target "$build/site" -r $here/requirements.txt \
    >"$build/pip.log" 2>&1 || { tail "$build/pip.log" >&2; die "the suite cannot be installed"; }
  cp $here/requirements.txt "$build/installed.txt"
fi

if [ -z "${WSDIAL_LIB:-}" ]; then
  cargo build --release --quiet
  WSDIAL_LIB=$PWD/target/release
fi
more=()
case $program in
  "")
    ${CC:-cc} -std=c99 -Wall -Wextra -Werror -O2 -g -Iinclude $here/client.c -o "$build/client" \
      -L"$WSDIAL_LIB" -lwsdial -Wl,-rpath,"$WSDIAL_LIB"
    client=("$build/client")
    ;;
  go | go-pieces)
    ls bindings/go/lib/*/libwsdial.a >/dev/null 2>&1 || die "the Go package links what make build makes"
    (cd $here/go && go build -o "$build/client-go" .)
    client=("$build/client-go")
    [ "$program" = go ] || more=(--pieces)
    ;;
  *.py)
    client=(env "PYTHONPATH=bindings/python/src" "WSDIAL_LIBRARY=$WSDIAL_LIB/libwsdial.so" "${PYTHON:-python3}" -B "$here/$program")
    ;;
  *) client=("$program") ;;
esac

patterns=('*')
[ -z "$short" ] || patterns=('1.*' '2.*' '3.*' '4.*' '5.*' '6.*' '7.*' '9.*' '10.*')
misbehaves=()
if [ -n "$prove" ]; then
  patterns=('1.2.*')
  misbehaves=(--misbehave)
fi

reports=$build/reports
rm -rf "$reports"
server=''
trap '[ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; } || true' EXIT
trap 'exit 130' INT TERM
"$python27" $here/server.py "$build/site" "$reports" "${patterns[@]}" >"$build/server.log" 2>&1 </dev/null &
server=$!
for _ in $(seq 1200); do
  grep -q ^listening "$build/server.log" && break
  kill -0 "$server" 2>/dev/null || { tail "$build/server.log" >&2; die "the fuzzing server did not start"; }
  sleep 0.1
done
port=$(sed -n 's/^listening //p' "$build/server.log")
[ -n "$port" ] || die "the fuzzing server did not say where it listens"
"${client[@]}" "ws://127.0.0.1:$port" wsdial "${more[@]}" "${misbehaves[@]}" || die "the client did not get through the cases"

if [ -z "$prove" ]; then
  python3 $here/compare.py "$reports/index.json" $here/expected.json wsdial "${patterns[@]}"
elif python3 $here/compare.py "$reports/index.json" $here/expected.json wsdial "${patterns[@]}" >"$build/prove.log"; then
  die "a client that cuts messages passed"
else
  echo "autobahn: a client that cuts messages is noticed: $(tail -n 1 "$build/prove.log")"
fi
