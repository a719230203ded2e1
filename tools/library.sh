#!/usr/bin/env bash
# Builds the library as it is shipped, in .build/lib: a static one that keeps everything but ws_* to itself, and from it a
# shared one with soname and versioned symbols. Needs cargo, cc and binutils.
. "$(dirname "$0")/env.sh"

cargo build --quiet --release --locked --lib
archive=$TARGET/release/libwsdial.a
out=$BUILD/lib
version=$(wsdial_version)
so=$(so_version "$version")
real=$out/libwsdial.so.$version
stamp=$(cat "$archive" packaging/wsdial.map tools/library.sh | cksum)
if [ -f "$real" ] && [ "$stamp" = "$(cat "$out/stamp" 2>/dev/null)" ]; then
  touch "$out/stamp" # it is of all sources up to now
  exit 0
fi

rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d "$BUILD/library.XXXXXX")
trap 'rm -rf "$work"' EXIT

sed -n 's/^    \(ws_[a-z0-9_]*\);$/\1/p' packaging/wsdial.map >"$work/names"

# Two archives with Rust in them collide over the runtime's own symbols, and over each other's crates: so everything is
# linked to one object first, in which only ws_* stays visible. What ws_* does not need is left out by that, and groups are
# dissolved, for of two groups with one name a linker keeps one, whose symbols then must not be local. Rust's standard
# library carries bitcode besides, which the tools of an older LLVM do not understand.
ld -r --gc-sections --force-group-allocation $(sed 's/^/-u /' "$work/names") -o "$work/all.o" "$archive"
objcopy -R .llvmbc -R .llvmcmd --strip-debug --keep-global-symbols="$work/names" "$work/all.o" "$work/wsdial.o"
ar rcsD "$out/libwsdial.a" "$work/wsdial.o"

# nodelete: a name that is being looked up has a thread of its own, which a dlclose must not take the code from.
cc -shared -o "$real" -Wl,--whole-archive "$out/libwsdial.a" -Wl,--no-whole-archive \
  -Wl,--version-script=packaging/wsdial.map "-Wl,-soname,libwsdial.so.$so" \
  -Wl,-z,nodelete,-z,relro,-z,now,-z,defs,--gc-sections,--as-needed -lgcc_s -lm -ldl -lpthread -lc
strip --strip-unneeded "$real"
ln -s "libwsdial.so.$version" "$out/libwsdial.so.$so"
ln -s "libwsdial.so.$so" "$out/libwsdial.so"
printf '%s' "$stamp" >"$out/stamp"
