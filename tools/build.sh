#!/usr/bin/env bash
# Builds the library and the echo server, puts the archive where the Go package links it, and builds the examples.
. "$(dirname "$0")/env.sh"

CFLAGS=${CFLAGS:--O2 -g -Wall -Wextra -Werror}
link=(-Iinclude "-L$TARGET/release" "-Wl,-rpath,$TARGET/release" -lwsdial)

tools/library.sh
cargo build --quiet --release --locked --lib --examples

# Go rebuilds a package when a file in its folder changes, and a linked archive is none: so the header there carries
# the archive's sum.
go_folder=bindings/go/lib/$(go env GOOS)_$(go env GOARCH)
archive=$BUILD/lib/libwsdial.a
header=$(cat include/wsdial.h && echo "/* libwsdial.a: $(cksum <"$archive") */")
if [ ! -f "$go_folder/libwsdial.a" ] || [ "$header" != "$(cat bindings/go/wsdial.h 2>/dev/null)" ]; then
  mkdir -p "$go_folder"
  cp "$archive" "$go_folder/libwsdial.a"
  printf '%s\n' "$header" >bindings/go/wsdial.h
fi

out=$BUILD/examples
mkdir -p "$out"
for source in examples/c/*.c; do
  cc -std=c99 $CFLAGS "$source" -o "$out/c-$(basename "$source" .c)" "${link[@]}" -lpthread
done
for source in examples/cpp/*.cpp; do
  c++ -std=c++17 $CFLAGS "$source" -o "$out/cpp-$(basename "$source" .cpp)" "${link[@]}" -lpthread
done
for folder in examples/go/*/; do
  (cd examples/go && go build -o "$out/go-$(basename "$folder")" "./$(basename "$folder")")
done
