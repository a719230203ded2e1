#!/usr/bin/env bash
# Counts the instructions of the hot paths under callgrind and compares them with benches/instructions.txt: whatever makes
# one of them dearer by more than the tolerance fails. Counting takes seconds, building a minute; a busy machine changes
# nothing.
#
#   benches/instructions.sh            compare
#   benches/instructions.sh --write    write the table anew, for what has become dearer or cheaper with intent
#
# The counts are those of x86-64 with AVX2 (copying, UTF-8, masking and inflating choose their instructions by the
# processor), of the release profile, and of the compiler and the C library that the table names; with others they differ by a few.
. "$(dirname "$0")/../tools/env.sh"

table=benches/instructions.txt
percent=5 least=8 # what is allowed: so much of a hundred, or so many instructions
write=
case ${1:-} in
  "") ;;
  --write) write=1 ;;
  *) sed -n '2,/^\. /s/^# \{0,1\}//p' "$0" | head -n -1; exit 2 ;;
esac

command -v valgrind >/dev/null || die "valgrind is missing, so nothing can be counted"
if [ "$(uname -m)" != x86_64 ] || ! grep -qw avx2 /proc/cpuinfo; then
  echo "NOT COUNTED: the table is of x86-64 with AVX2, which this processor is not"
  exit
fi

echo "building benches/instructions.rs"
program=$(cargo bench --locked --quiet --features bench-internals --bench instructions --no-run --message-format=json |
  sed -n 's/.*"name":"instructions".*"executable":"\([^"]*\)".*/\1/p')
[ -x "$program" ] || die "it was not built"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo "counting"
valgrind --tool=callgrind --quiet --combine-dumps=yes --callgrind-out-file="$dir/parts" --dump-before='instructions::mark' \
  "$program" >"$dir/paths"
sed -n 's/^totals: //p' "$dir/parts" >"$dir/totals"

# Three parts a path: what was before it, so many times, three times as many.
awk -F'\t' 'NR == FNR { total[NR] = $1; next }
  { n++; printf "%12.1f  %s\n", (total[3 * n] - total[3 * n - 1]) / $1, $2 }
  END { if (length(total) != 3 * n + 1) { print "the parts do not fit the paths" > "/dev/stderr"; exit 1 } }' \
  "$dir/totals" "$dir/paths" >"$dir/counts" || die "callgrind did not tell the parts apart"

if [ -n "$write" ]; then
  {
    echo "# Instructions of one turn of each path, by benches/instructions.sh --write;"
    echo "# $(rustc --version), $(ldd --version | head -n 1)."
    cat "$dir/counts"
  } >"$table"
  echo "written: $table"
  exit
fi

printf '%12s %12s %8s  %s\n' table now change path
grep -v '^#' "$table" | awk -v percent=$percent -v least=$least '
  { count = $1; sub(/^ *[^ ]+  /, ""); path = $0 }
  NR == FNR { was[path] = count; next }
  !(path in was) { printf "%12s %12.1f %8s  %s: not in the table\n", "-", count, "", path; bad = 1; next }
  {
    change = count - was[path]; share = 100 * change / was[path]
    margin = was[path] * percent / 100; if (margin < least) margin = least
    word = change > margin ? "  DEARER" : change < -margin ? "  cheaper: --write" : ""
    printf "%12.1f %12.1f %+7.1f%%  %s%s\n", was[path], count, share, path, word
    if (change > margin) bad = 1
    seen++
  }
  END { for (path in was) known++; if (seen != known) { print "a path of the table is gone"; bad = 1 }; exit bad }' - "$dir/counts" ||
  die "a path costs more than the table says, or is none of it (if that is meant: benches/instructions.sh --write)"
