//! Generates the C header into OUT_DIR.
fn main() {}
