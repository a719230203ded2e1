#!/usr/bin/env bash
# What make test leaves out because it takes foreign programs or long: other people's servers, the Autobahn testsuite,
# the C tests under valgrind and the sanitizers, the locks under a model checker, system calls and instructions counted, installing.
. "$(dirname "$0")/env.sh"

steps=(
  "servers that nobody here wrote: websockets, gorilla, ws, nginx (two minutes)|tests/rivals/run.sh"
  "TLS: OpenSSL in every broken shape, nginx with client certificates, tshark with our key log (seconds)|tests/tls/run.sh"
  "proxies: tinyproxy, squid, stunnel, dante, microsocks (half a minute)|tests/proxies/run.sh"
  "dials that stall, a silent name server among what stalls them (half a minute)|tests/stalls/run.sh"
  "Autobahn 1.* to 10.* (a minute; needs Python 2.7, and says so where there is none)|tests/autobahn/run.sh --short"
  "the same through Go, whole messages (a minute)|tests/autobahn/run.sh --short --client go"
  "the same through Go, messages in pieces (a minute)|tests/autobahn/run.sh --short --client go-pieces"
  "the same through Python, blocking and asyncio (two minutes)|autobahn_python"
  "Python: wheel without cargo, sdist with it, pyright (two minutes)|python_packages"
  "the C tests under valgrind and AddressSanitizer (two minutes)|tests/c/sanitized.sh"
  "the three locks under a scheduler that tries interleavings (a minute)|model"
  "a Go program outside the tree, static and shared (seconds)|tests/outside/run.sh"
  "the Go package under cgocheck2, its fuzz targets half a minute each, a crowd of connections (three minutes)|tests/outside/go.sh"
  "one system call for each small message (seconds)|tests/syscalls.sh"
  "instructions of the hot paths, held to a table (a minute)|benches/instructions.sh"
  "install, and programs built outside the tree: flags, pkg-config, CMake, gcc, clang (seconds)|tests/install/run.sh"
  "the ABI of the header beside the last release's, by libabigail (seconds)|abi"
  "a gigabyte through 64 KiB of memory, each way, plain, TLS, compressed (a minute)|large"
  "the documentation site (half a minute)|tools/docs.sh"
  "the archives for others, each used without Rust (five minutes)|tests/dist/run.sh"
)

model() {
  WSDIAL_MODEL=${WSDIAL_MODEL:-1000} cargo test --locked --quiet --features model --lib model::
}

autobahn_python() {
  for client in client.py client_aio.py; do PYTHON=$PYTHON tests/autobahn/run.sh --short --client $client; done
}

abi() {
  tests/abi/run.sh --prove
  tests/abi/run.sh
}

large() {
  WSDIAL_LARGE=1024 cargo test --locked --quiet --release --test large
}

python_packages() {
  PYTHON=$PYTHON tests/python/packaging.sh
  PYTHON=$PYTHON tests/python/pyright.sh
}

for index in "${!steps[@]}"; do
  echo
  echo "[$((index + 1))/${#steps[@]}] ${steps[index]%|*}"
  ${steps[index]##*|}
done
