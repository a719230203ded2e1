#!/usr/bin/env bash
# Builds the documentation site in .build/docs from docs/*.md. A page that no menu names, or a link to nowhere, is a failure.
. "$(dirname "$0")/env.sh"

site=$BUILD/site
[ -x "$site/bin/mkdocs" ] || {
  echo "installing mkdocs in .build/site (half a minute)"
  quietly venv python3 -m venv "$site"
  quietly mkdocs "$site/bin/pip" install --quiet --disable-pip-version-check 'mkdocs-material==9.6.*'
}
# Not with --quiet: it silences the warnings, and strict counts those that are heard.
quietly docs "$site/bin/mkdocs" build --config-file packaging/site/mkdocs.yml
# A theme may change its mind about this.
if grep -lE '<(script|img|iframe)[^>]* src="(https?:)?//|<link[^>]* rel="(stylesheet|preconnect|icon)"[^>]* href="(https?:)?//|data-md-component="source"' \
  "$BUILD"/docs/*.html; then die "these pages ask other machines"; fi
echo "open .build/docs/index.html ($(find "$BUILD/docs" -name '*.html' | wc -l) pages; the search wants a web server: python3 -m http.server -d .build/docs)"
