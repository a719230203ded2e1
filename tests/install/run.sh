#!/usr/bin/env bash
# Installs under a prefix of its own and builds programs outside the tree with what is there: by plain flags, pkg-config
# and CMake, shared and static, gcc and clang, C and C++. Uninstalls, and nothing may be left.
. "$(dirname "$0")/../../tools/env.sh"

for tool in gcc g++ clang clang++ cmake pkg-config nm readelf; do
  command -v "$tool" >/dev/null || die "$tool is missing; install it with: sudo apt-get install gcc g++ clang cmake pkg-config binutils"
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/wsdial-install.XXXXXX")
trap 'rm -rf "$dir"' EXIT
passed=0

ok() { # ok TITLE COMMAND...: it succeeds, and says nothing.
  local title=$1 said
  shift
  said=$("$@" 2>&1) || die "$title: $said"
  [ -z "$said" ] || die "$title said: $said"
  passed=$((passed + 1))
}

# Where a distribution has it; CMake looks there by itself.
below=lib/$(gcc -print-multiarch)
export PREFIX=$dir/prefix LIBDIR=$dir/prefix/$below
unset DESTDIR
tools/library.sh
# Of older sources, and nothing to build it with (as sudo often has it): a sentence, and nothing is installed.
touch -d 2000-01-01 "$BUILD/lib/stamp"
mkdir "$dir/bin"
for tool in bash basename dirname mkdir sort head sed cut find; do ln -s "$(command -v "$tool")" "$dir/bin/"; done
if said=$(PATH=$dir/bin bash tools/install.sh install 2>&1); then die "a library of older sources was installed"; fi
grep -q 'first, as yourself: make build$' <<<"$said" || die "a library of older sources: $said"
[ ! -e "$PREFIX" ] || die "a library of older sources was installed"
tools/library.sh
passed=$((passed + 1))
make --no-print-directory install
export PKG_CONFIG_PATH=$LIBDIR/pkgconfig
version=$(pkg-config --modversion wsdial)
cp tests/install/{program.c,both.c,other.rs,CMakeLists.txt} "$dir"
# C++ takes both headers.
{ cat "$dir/program.c"; echo '#include <wsdial.hpp>'; } >"$dir/program.cc"
cd "$dir"

strict='-Wall -Wextra -Werror'
for pair in gcc:program.c clang:program.c g++:program.cc clang++:program.cc; do
  compiler=${pair%%:*} source=${pair#*:}
  case $compiler in *++) compiler="$compiler -std=c++17" ;; esac
  ok "$compiler, plain flags, shared" $compiler $strict $source -Iprefix/include "-L$LIBDIR" -lwsdial "-Wl,-rpath,$LIBDIR" -o plain
  ok "$compiler, plain flags, shared, runs" ./plain
  ok "$compiler, plain flags, static" $compiler $strict $source -Iprefix/include "$LIBDIR/libwsdial.a" -o fixed
  ok "$compiler, plain flags, static, runs" env -i ./fixed
  ok "$compiler, pkg-config, shared" $compiler $strict $source $(pkg-config --cflags --libs wsdial) "-Wl,-rpath,$LIBDIR" -o plain
  ok "$compiler, pkg-config, shared, runs" ./plain
done
readelf -d plain | grep -q "NEEDED.*libwsdial.so.${version%.*}]" || die "a program is not bound to the soname"

# --static is for those who have the static library only.
mkdir only
mv "$LIBDIR"/libwsdial.so* only/
for pair in gcc:program.c clang:program.c g++:program.cc clang++:program.cc; do
  compiler=${pair%%:*} source=${pair#*:}
  case $compiler in *++) compiler="$compiler -std=c++17" ;; esac
  ok "$compiler, pkg-config, static" $compiler $strict $source $(pkg-config --static --cflags --libs wsdial) -o fixed
  ok "$compiler, pkg-config, static, runs" env -i ./fixed
done
mv only/* "$LIBDIR"/

mv prefix moved # a CMake package finds its files wherever the prefix has gone
for pair in gcc:g++ clang:clang++; do
  ok "cmake, ${pair%%:*}" bash -c "cmake -S . -B '${pair%%:*}' -DCMAKE_PREFIX_PATH='$dir/moved' \
    -DCMAKE_C_COMPILER=${pair%%:*} -DCMAKE_CXX_COMPILER=${pair#*:} >/dev/null && cmake --build '${pair%%:*}' >/dev/null"
  for program in c-shared c-static cpp-shared cpp-static; do ok "cmake, ${pair%%:*}, $program runs" "${pair%%:*}/$program"; done
done
mkdir wanted && cp program.c program.cc wanted/
found() { # found WANTED: by find_package, in words of its own
  sed "s/wsdial 0.1/wsdial $1/" CMakeLists.txt >wanted/CMakeLists.txt
  rm -rf wanted/b
  cmake -S wanted -B wanted/b -DCMAKE_PREFIX_PATH="$dir/moved" >/dev/null 2>&1
}
for wanted in "" "$version EXACT" "0.1...<0.2" "0.0...0.3" "0.1 COMPONENTS shared static"; do
  found "$wanted" || die "CMake did not take version $version for $wanted"
  passed=$((passed + 1))
done
for wanted in 0.2 1 "0.0...<0.1" "0.0...<$version" "0.2...0.3" "0.1 COMPONENTS other"; do
  ! found "$wanted" || die "CMake took version $version for $wanted"
  passed=$((passed + 1))
done
mv moved prefix

# Both carry Rust's runtime, optimised at link time: without the localised archive their symbols collide.
rustc --edition 2024 --crate-type staticlib -C opt-level=3 -C lto=fat -C codegen-units=1 other.rs -o libother.a
for flags in "" "-flto"; do
  for order in "$LIBDIR/libwsdial.a libother.a" "libother.a $LIBDIR/libwsdial.a"; do
    ok "two Rust archives $flags" gcc -O2 $flags $strict both.c -Iprefix/include $order -lpthread -lm -ldl -o both
    ok "two Rust archives $flags, runs" ./both
  done
done

names=$(sed -n 's/^    \(ws_[a-z0-9_]*\);$/\1/p' "$ROOT/packaging/wsdial.map")
shown=$(nm -D --defined-only "$LIBDIR/libwsdial.so" | awk '$2 != "A" { print $3 }' | sed 's/@@WSDIAL_.*//' | sort)
[ "$shown" = "$(sort <<<"$names")" ] || die "the shared library shows other names than packaging/wsdial.map"
shown=$(nm -g --defined-only "$LIBDIR/libwsdial.a" | awk 'NF == 3 { print $3 }' | sort)
[ "$shown" = "$(sort <<<"$names")" ] || die "the static library shows other names than packaging/wsdial.map"
readelf -d "$LIBDIR/libwsdial.so" | grep -q NODELETE || die "the shared library may be unloaded under its threads"
passed=$((passed + 3))

cd "$ROOT"
make --no-print-directory uninstall
left=$(find "$PREFIX" ! -type d)
[ -z "$left" ] || die "left behind: $left"
DESTDIR=$dir/destdir PREFIX=/usr LIBDIR=/usr/lib make --no-print-directory install
[ -z "$(grep -rl "$dir" "$dir/destdir")" ] || die "DESTDIR is in installed files"
[ -f "$dir/destdir/usr/lib/libwsdial.a" ] || die "DESTDIR is not obeyed"
DESTDIR=$dir/destdir PREFIX=/ LIBDIR=/lib64/ make --no-print-directory install
[ "$(PKG_CONFIG_PATH=$dir/destdir/lib64/pkgconfig pkg-config --variable=includedir wsdial)" = /include ] ||
  die "the root is no prefix"
for at in "/usr /usr/lib" "/ /lib64"; do
  DESTDIR=$dir/destdir PREFIX=${at% *} LIBDIR=${at#* } make --no-print-directory uninstall
done
left=$(find "$dir/destdir" ! -type d)
[ -z "$left" ] || die "left behind: $left"
passed=$((passed + 5))
echo "$passed passed, 0 failed"
