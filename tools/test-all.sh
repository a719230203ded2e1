#!/usr/bin/env bash
# What make test leaves out because it takes foreign programs or long: other people's servers, the Autobahn testsuite,
# the C tests under valgrind and the sanitizers.
. "$(dirname "$0")/env.sh"

echo
echo "[1/3] servers that nobody here wrote: websockets, gorilla, ws, nginx (two minutes)"
tests/rivals/run.sh
echo
echo "[2/3] Autobahn 1.* to 10.* (a minute; needs Python 2.7, and says so where there is none)"
tests/autobahn/run.sh --short
echo
echo "[3/3] the C tests under valgrind and AddressSanitizer (two minutes)"
tests/c/sanitized.sh
