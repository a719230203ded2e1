#!/usr/bin/env bash
# Formatting and lints, all languages.
. "$(dirname "$0")/env.sh"

[ -f bindings/go/wsdial.h ] || tools/build.sh # in a fresh clone: the Go package is vetted with the library

cargo fmt --check
cargo clippy --quiet --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps
if command -v gofmt >/dev/null; then # a Go that came by pip has none
  unformatted=$(gofmt -l bindings/go examples/go)
  [ -z "$unformatted" ] || die "not formatted by gofmt: $unformatted"
fi
for module in bindings/go bindings/go/interop examples/go; do (cd "$module" && go vet ./...); done
[ ! -x "$PYTHON" ] || (cd bindings/python && "$PYTHON" -m mypy --cache-dir "$BUILD/mypy")
(cd bindings/go && go run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...)
for script in tools/*.sh .ci/run; do bash -n "$script"; done
