#!/usr/bin/env bash
# Whether programs that were built against the header of the last release still fit this one's: functions, parameters,
# layouts, by libabigail. The header is compared, as a library of empty functions made of it, for it is what programs are
# built against, and another test holds it to the library.
#   run.sh           against reference.abi, which is the last release's, or of what will be the first one
#   run.sh REF       against the header of a commit or tag
#   run.sh --prove   a changed parameter, a changed layout and a function that is gone must each be noticed
#   run.sh --renew   makes reference.abi anew: for a release, and for a change that the changelog tells under ABI
set -euo pipefail
cd "$(dirname "$0")/../.."
reference=$PWD/tests/abi/reference.abi
dir=$(mktemp -d "${TMPDIR:-/tmp}/wsdial-abi.XXXXXX")
trap 'rm -rf "$dir"' EXIT

die() { echo "abi: $*" >&2; exit 1; }

command -v abidiff >/dev/null && command -v abidw >/dev/null ||
  die "libabigail is missing; install it with: sudo apt-get install abigail-tools"

# stubs HEADER OUT: the library of empty functions.
stubs() {
  local work
  work=$(mktemp -d "$dir/XXXXXX")
  cp "$1" "$work/wsdial.h"
  python3 - "$work/wsdial.h" "$work/stubs.c" <<'PY'
import re, subprocess, sys

header, out = sys.argv[1:]
text = subprocess.run(["cc", "-E", "-P", header], check=True, capture_output=True, text=True).stdout
# Behind the typedefs of the system's headers: every statement that declares a function of ours.
declared = [s for s in re.split(r";(?![^{]*\})", text) if re.search(r"\bws_\w+\s*\(", s) and "typedef" not in s]
with open(out, "w") as stubs:
    stubs.write('#include "wsdial.h"\n')
    for declaration in declared:
        stubs.write(declaration.strip() + " { __builtin_trap(); }\n")
print(f"  {len(declared)} functions in the header", file=sys.stderr)
PY
  (cd "$work" && cc -std=gnu11 -g -w -shared -fPIC -Wl,-soname,libwsdial.so -o "$2" stubs.c)
}

compare() { # compare OLD NEW
  abidiff --no-added-syms "$1" "$2"
}

stubs include/wsdial.h "$dir/now.so"
case ${1:-} in
  "")
    compare "$reference" "$dir/now.so" ||
      die "programs built against the last release do not fit; if that is meant: CHANGELOG.md under ABI, then $0 --renew"
    echo "abi: what was built against the reference fits"
    ;;
  --renew)
    abidw --no-corpus-path --no-comp-dir-path --no-show-locs "$dir/now.so" >"$reference"
    echo "abi: $reference is new"
    ;;
  --prove)
    changed() { # changed WHAT SED-PROGRAM
      sed "$2" include/wsdial.h >"$dir/changed.h"
      ! cmp -s include/wsdial.h "$dir/changed.h" || die "$1: the header has nothing to change"
      stubs "$dir/changed.h" "$dir/changed.so" 2>/dev/null
      ! compare "$reference" "$dir/changed.so" >/dev/null || die "$1 was not noticed"
      echo "  noticed: $1"
    }
    changed "a parameter of another type" 's/ws_dial(const char \*url, const ws_dialer \*dialer, int timeout_ms/ws_dial(const char *url, const ws_dialer *dialer, long timeout_ms/'
    changed "another layout" 's/^    size_t count;/    unsigned count;/'
    changed "a function that is gone" 's/ ws_flush(/ ws_flash(/'
    ;;
  -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
  *)
    git show "$1:include/wsdial.h" >"$dir/then.h"
    stubs "$dir/then.h" "$dir/then.so"
    compare "$dir/then.so" "$dir/now.so" || die "what was built against $1 does not fit"
    echo "abi: what was built against $1 fits"
    ;;
esac
