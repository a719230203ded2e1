#!/usr/bin/env bash
# What is given to others, in dist/: the source, an SDK for C and C++ that needs no Rust, the Python wheel and sdist, the Go
# module with its static library, a bill of materials, checksums. Made of what is committed, on a clean work tree; two runs
# on one machine give the same archives.
. "$(dirname "$0")/env.sh"

[ -z "$(git status --porcelain --untracked-files=no)" ] || die "commit first: an archive is made of what is committed"
version=$(wsdial_version)
platform=linux-$(uname -m)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
dist=$ROOT/dist
work=$(mktemp -d "$BUILD/dist.XXXXXX")
trap 'rm -rf "$work"' EXIT
rm -rf "$dist"
mkdir -p "$dist"

step() { echo "[$1] $2"; }
pack() { # pack NAME: the folder $work/NAME
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$work" -cf - "$1" |
    gzip -n9 >"$dist/$1.tar.gz"
}

step 1/7 "the library (a minute)"
tools/setup.sh >/dev/null
tools/build.sh

step 2/7 "source"
git archive --prefix="wsdial-$version/" HEAD | gzip -n9 >"$dist/wsdial-$version-src.tar.gz"

step 3/7 "SDK for C and C++"
sdk=wsdial-$version-$platform
DESTDIR=$work/root PREFIX=/sdk LIBDIR=/sdk/lib tools/install.sh install >/dev/null
mv "$work/root/sdk" "$work/$sdk"
# It may be unpacked anywhere.
sed -i 's|^prefix=.*|prefix=${pcfiledir}/../..|; s|^libdir=.*|libdir=${prefix}/lib|' "$work/$sdk/lib/pkgconfig/wsdial.pc"
cp LICENSE-MIT LICENSE-APACHE CHANGELOG.md "$work/$sdk/"
cp packaging/README.sdk.md "$work/$sdk/README.md"
mkdir "$work/$sdk/examples"
cp examples/c/quickstart.c examples/c/echo.c examples/cpp/quickstart.cpp "$work/$sdk/examples/"
pack "$sdk"

step 4/7 "Go module"
go=wsdial-go-$version-$platform
mkdir "$work/$go"
git archive HEAD:bindings/go | tar -x -C "$work/$go" --exclude interop
cp -r bindings/go/lib bindings/go/wsdial.h LICENSE-MIT LICENSE-APACHE "$work/$go/"
pack "$go"

step 5/7 "Python wheel and sdist (a minute)"
in_venv_build() { "$PYTHON" -m build --version >/dev/null 2>&1 || quietly pip-build "$PYTHON" -m pip install --quiet build; }
[ -x "$PYTHON" ] || quietly venv python3 -m venv "$VENV"
in_venv_build
quietly wheel "$PYTHON" -m build --outdir "$dist" bindings/python

step 6/7 "bill of materials (minutes the first time: its tool is built)"
[ -x "$BUILD/tools/bin/cargo-cyclonedx" ] ||
  quietly cyclonedx cargo install --quiet --locked --root "$BUILD/tools" --version "^0.5" cargo-cyclonedx
PATH=$BUILD/tools/bin:$PATH quietly sbom cargo cyclonedx --format json --spec-version 1.5 --override-filename wsdial-sbom
mv wsdial-sbom.json "$dist/wsdial-$version.cdx.json"

step 7/7 "checksums, and what the crate's registry would be given"
quietly publish cargo publish --dry-run --locked
(cd "$dist" && sha256sum -- * >SHA256SUMS)
ls -l "$dist" | awk 'NR > 1 { printf "  %10d  %s\n", $5, $9 }'
