#!/usr/bin/env bash
# install.sh install|uninstall: the headers, the libraries, wsdial.pc, the CMake package and the manual pages.
#   PREFIX   /usr/local unless set
#   LIBDIR   $PREFIX/lib unless set; a path under PREFIX, such as /usr/lib/x86_64-linux-gnu
#   DESTDIR  in front of every path, for packagers
# Installing builds what is not built yet, or of older sources (make build, as yourself, then sudo make install, needs no
# cargo as root).
. "$(dirname "$0")/env.sh"

word=${1:-}
case $word in install | uninstall) ;; *) die "usage: install.sh install|uninstall" ;; esac
PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
case $PREFIX$DESTDIR${LIBDIR:-} in *[[:space:]]*) die "PREFIX, LIBDIR and DESTDIR must have no white space in them" ;; esac
[ "${PREFIX:0:1}" = / ] || die "PREFIX must be an absolute path, not $PREFIX"
PREFIX=${PREFIX%/} # nothing, for the root itself
LIBDIR=${LIBDIR:-$PREFIX/lib}
[ -z "$DESTDIR" ] || [ "${DESTDIR:0:1}" = / ] || die "DESTDIR must be an absolute path, not $DESTDIR"
case $LIBDIR/ in "$PREFIX"/*) ;; *) die "LIBDIR ($LIBDIR) must be under PREFIX ($PREFIX)" ;; esac
version=$(wsdial_version)
so=$(so_version "$version")
man=$PREFIX/share/man/man3

# Every path that is installed, from the root of the file system.
pages() { [ ! -d docs/man ] || find docs/man -name '*.3' -printf '%f\n' | sort; }
installed() {
  printf '%s\n' "$PREFIX/include/wsdial.h" "$PREFIX/include/wsdial.hpp" "$LIBDIR/libwsdial.a" \
    "$LIBDIR/libwsdial.so.$version" "$LIBDIR/libwsdial.so.$so" "$LIBDIR/libwsdial.so" "$LIBDIR/pkgconfig/wsdial.pc" \
    "$LIBDIR/cmake/wsdial/wsdialConfig.cmake" "$LIBDIR/cmake/wsdial/wsdialConfigVersion.cmake"
  pages | sed "s|^|$man/|"
}

if [ "$word" = uninstall ]; then
  installed | while read -r path; do rm -f "$DESTDIR$path"; done
  rmdir "$DESTDIR$LIBDIR/cmake/wsdial" 2>/dev/null || true
  [ -n "$DESTDIR" ] || ldconfig 2>/dev/null || true
  echo "uninstalled wsdial $version from $DESTDIR$PREFIX"
  exit 0
fi

# A library of older sources beside today's headers would be worse than none.
sources=(src build.rs Cargo.toml Cargo.lock packaging/wsdial.map tools/library.sh)
if [ ! -f "$BUILD/lib/libwsdial.so.$version" ] || [ -n "$(find "${sources[@]}" -newer "$BUILD/lib/stamp" -print -quit)" ]; then
  command -v cargo >/dev/null || die "the library is not built yet, or of older sources, and there is no cargo here to build it; first, as yourself: make build"
  tools/library.sh
fi

up_to_prefix() { # from LIBDIR/cmake/wsdial
  local below=${LIBDIR#"$PREFIX"}
  sed 's|[^/]\+|..|g' <<<"${below#/}/cmake/wsdial"
}
filled() { # filled TEMPLATE TARGET
  sed -e "s|@PREFIX@|$PREFIX|g" -e "s|@LIBDIR@|$LIBDIR|g" -e "s|@VERSION@|$version|g" -e "s|@SO_VERSION@|$so|g" \
    -e "s|@UP_TO_PREFIX@|$(up_to_prefix)|g" "$1" >"$BUILD/filled"
  install -D -m 644 "$BUILD/filled" "$DESTDIR$2"
}

for header in include/*; do install -D -m 644 "$header" "$DESTDIR$PREFIX/$header"; done
install -D -m 644 "$BUILD/lib/libwsdial.a" "$DESTDIR$LIBDIR/libwsdial.a"
install -D -m 755 "$BUILD/lib/libwsdial.so.$version" "$DESTDIR$LIBDIR/libwsdial.so.$version"
ln -sf "libwsdial.so.$version" "$DESTDIR$LIBDIR/libwsdial.so.$so"
ln -sf "libwsdial.so.$so" "$DESTDIR$LIBDIR/libwsdial.so"
filled packaging/wsdial.pc.in "$LIBDIR/pkgconfig/wsdial.pc"
filled packaging/cmake/wsdialConfig.cmake.in "$LIBDIR/cmake/wsdial/wsdialConfig.cmake"
filled packaging/cmake/wsdialConfigVersion.cmake.in "$LIBDIR/cmake/wsdial/wsdialConfigVersion.cmake"
# One page stands for several functions: a link is a file that names the page, as man(1) reads it.
pages | while read -r page; do install -D -m 644 "docs/man/$page" "$DESTDIR$man/$page"; done
[ -n "$DESTDIR" ] || ldconfig 2>/dev/null || true
echo "installed wsdial $version under $DESTDIR$PREFIX"
