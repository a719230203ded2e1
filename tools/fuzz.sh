#!/usr/bin/env bash
# Fuzzes each target for a while, from the committed corpora on: fuzz.sh [SECONDS [TARGET...]], a minute each unless said.
# What it finds goes to .build/fuzz, a failure to fuzz/artifacts. With "merge" for SECONDS the committed corpora are made
# anew of what was found, as few files as reach as much code.
. "$(dirname "$0")/env.sh"

seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(address answer proxy session)
[ -x "$BUILD/tools/bin/cargo-fuzz" ] ||
  { echo "building cargo-fuzz (a minute or two)"; quietly cargo-fuzz cargo install --quiet --locked --root "$BUILD/tools" --version '^0.13' cargo-fuzz; }
PATH=$BUILD/tools/bin:$PATH
# The coverage that guides it is an unstable flag, which a stable compiler takes when told so.
export RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_LTO=false
# A message of a session is 4 KiB at most, so a piece of memory of 64 MiB would be a mistake.
limits=(-timeout=5 -rss_limit_mb=512 -malloc_limit_mb=64)

for target in "${targets[@]}"; do
  found=$BUILD/fuzz/$target
  mkdir -p "$found" "fuzz/corpus/$target"
  if [ "$seconds" = merge ]; then
    rm -rf "$found.least"
    mkdir "$found.least"
    cargo fuzz run --sanitizer none -O "$target" "$found.least" -- -merge=1 "${limits[@]}" "fuzz/corpus/$target" "$found" 2>&1 | tail -1
    rm -rf "fuzz/corpus/$target"
    mv "$found.least" "fuzz/corpus/$target"
    echo "$target: $(find "fuzz/corpus/$target" -type f | wc -l) files"
  else
    echo "$target, $seconds s"
    cargo fuzz run --sanitizer none -O "$target" "$found" "fuzz/corpus/$target" -- -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
      "${limits[@]}" >"$BUILD/fuzz-$target.log" 2>&1 || { tail -40 "$BUILD/fuzz-$target.log" >&2; die "$target: see fuzz/artifacts/$target"; }
    grep -a '^Done\|^stat::number_of_executed\|^stat::peak_rss' "$BUILD/fuzz-$target.log"
  fi
done
