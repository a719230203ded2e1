#!/usr/bin/env bash
# Copies the header that build.rs makes into OUT_DIR to include/wsdial.h, which is the committed one.
. "$(dirname "$0")/env.sh"

out=$(cargo build --lib --locked --message-format=json 2>/dev/null |
  sed -n 's/.*"reason":"build-script-executed".*wsdial[@#][^"]*".*"out_dir":"\([^"]*\)".*/\1/p' | tail -1)
[ -f "$out/wsdial.h" ] || die "the build made no header: run cargo build to see why"
mkdir -p include
cp "$out/wsdial.h" include/wsdial.h
echo "include/wsdial.h: $(wc -l <include/wsdial.h) lines"
