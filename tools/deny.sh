#!/usr/bin/env bash
# Holds the dependencies to deny.toml: deny.sh [WHAT...], all of advisories, bans, licenses and sources unless said.
. "$(dirname "$0")/env.sh"

[ -x "$BUILD/tools/bin/cargo-deny" ] ||
  { echo "building cargo-deny (some minutes)"; quietly cargo-deny cargo install --quiet --locked --root "$BUILD/tools" --version '^0.20' cargo-deny; }
"$BUILD/tools/bin/cargo-deny" check --hide-inclusion-graph "$@"
