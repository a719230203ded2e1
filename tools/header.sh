#!/usr/bin/env bash
# Copies the header that build.rs makes into OUT_DIR to include/wsdial.h, which is the committed one, and writes anew from
# it the list of what the library exports and the manual pages.
. "$(dirname "$0")/env.sh"

mkdir -p include packaging docs/man
export WSDIAL_BLESS=1
quietly header cargo test --locked --test header
quietly man cargo test --locked --test man the_pages
quietly errors cargo test --locked --test docs the_page_of_errors
echo "include/wsdial.h: $(wc -l <include/wsdial.h) lines, packaging/wsdial.map: $(grep -c '^    ws_' packaging/wsdial.map) functions"
