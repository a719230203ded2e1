#!/usr/bin/env bash
# Copies the header that build.rs makes into OUT_DIR to include/wsdial.h, which is the committed one, and writes the list
# of what the library exports anew from it.
. "$(dirname "$0")/env.sh"

mkdir -p include packaging
WSDIAL_BLESS=1 quietly header cargo test --locked --test header
echo "include/wsdial.h: $(wc -l <include/wsdial.h) lines, packaging/wsdial.map: $(grep -c '^    ws_' packaging/wsdial.map) functions"
