#!/usr/bin/env bash
# Every test of every language.
. "$(dirname "$0")/env.sh"

step() { echo; echo "[$1] $2"; }

step 1/6 "looking for the tools (seconds; minutes when some must be installed)"
tools/setup.sh test
step 2/6 "building library, echo server and examples (two to four minutes the first time, then seconds)"
tools/build.sh
step 3/6 "Rust and C (two to three minutes)"
cargo test --locked --quiet --no-fail-fast
step 4/6 "the examples (half a minute)"
tools/examples.sh
step 5/6 "Python: the wheel, its types, its tests (half a minute)"
quietly pip-wsdial "$PYTHON" -m pip install --quiet --force-reinstall --no-deps ./bindings/python
(cd bindings/python && "$PYTHON" -m mypy --cache-dir "$BUILD/mypy" && "$PYTHON" -B -m pytest -q -p no:cacheprovider)
step 6/6 "Go: vet and tests, with the race detector (a minute)"
(cd bindings/go && go vet ./... && go test -race -count=1 ./...)
(cd bindings/go/interop && go vet ./... && go test -race -count=1 ./...)
(cd examples/go && go vet ./...)
echo
echo "every test passed"
