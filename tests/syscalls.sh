#!/bin/sh
# Counts the system calls of a blocking plain connection: one for a message sent, one for a message received. The set-up
# and the end are taken off by playing twice, so many and twice as many messages.
set -eu
cd "$(dirname "$0")/.."

command -v strace >/dev/null || { echo "syscalls: strace is missing, so nothing can be shown" >&2; exit 1; }

MESSAGES=${1:-500}
cargo build --quiet --lib --example echo-server
target=${CARGO_TARGET_DIR:-target}/debug
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
${CC:-cc} -Wall -Wextra -O1 -Iinclude tests/syscalls/client.c -o "$dir/client" -L"$target" -lwsdial -Wl,-rpath,"$(realpath "$target")"

"$target/examples/echo-server" >"$dir/server" 2>&1 &
server=$!
tries=0
until url=$(grep -o 'ws://[^ ]*' "$dir/server" | head -n 1) && [ -n "$url" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "syscalls: the echo server does not start" >&2; cat "$dir/server" >&2; exit 1; }
    sleep 0.1
done

# Prints "name count" for every system call of a game of $1 messages.
count() {
    strace -f -c -U name,calls -o "$dir/counts" "$dir/client" "$url" "$1"
    awk '$2 ~ /^[0-9]+$/ && $1 != "total" { print $1, $2 }' "$dir/counts" | sort
}
count "$MESSAGES" >"$dir/once"
count $((2 * MESSAGES)) >"$dir/twice"

echo "system calls of $MESSAGES messages sent and $MESSAGES received, blocking and plain:"
join -a 2 "$dir/once" "$dir/twice" | awk -v n="$MESSAGES" '
    { more = (NF == 3 ? $3 - $2 : $2); if (more) { printf "  %-12s %6d  %.3f a message\n", $1, more, more / n; calls += more } }
    END {
        printf "  together     %6d  %.3f for one sent and one received\n", calls, calls / n
        # The end of one game may take a poll and a read more than that of the other, and the allocator asks for a little now and then.
        if (calls < 2 * n - n / 50 || calls > 2 * n + n / 50) { print "syscalls: that is not one each"; exit 1 }
    }'
