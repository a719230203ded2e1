//! What the tests of the C ABI share: a server that does what the path says, and a C compiler.
#![allow(dead_code, unreachable_pub)]

pub mod c;
pub mod server;
