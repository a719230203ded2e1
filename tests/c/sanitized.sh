#!/bin/sh
# The C ABI watched: every C program under valgrind and under the sanitizers, the headers through gcc and clang, and a
# panic inside the library. A tool that is missing is a failure.
set -eu
cd "$(dirname "$0")/../.."
cargo test --locked --quiet --test c_checked --test header --test cpp --test man -- --ignored
# In a folder of its own: a library with this feature must never be taken for the real one.
cargo test --locked --quiet --features test-hooks --target-dir target/hooks --test c_panic
