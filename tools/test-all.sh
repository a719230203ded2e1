#!/usr/bin/env bash
# What make test leaves out because it takes foreign programs or long: other people's servers, the Autobahn testsuite,
# the C tests under valgrind and the sanitizers, the locks under a model checker, system calls counted.
. "$(dirname "$0")/env.sh"

echo
echo "[1/5] servers that nobody here wrote: websockets, gorilla, ws, nginx (two minutes)"
tests/rivals/run.sh
echo
echo "[2/5] Autobahn 1.* to 10.* (a minute; needs Python 2.7, and says so where there is none)"
tests/autobahn/run.sh --short
echo
echo "[3/5] the C tests under valgrind and AddressSanitizer (two minutes)"
tests/c/sanitized.sh
echo
echo "[4/5] the three locks under a scheduler that tries interleavings (a minute)"
WSDIAL_MODEL=${WSDIAL_MODEL:-1000} cargo test --locked --quiet --features model --lib model::
echo
echo "[5/5] one system call for each small message (seconds)"
tests/syscalls.sh
