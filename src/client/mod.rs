//! The waiting: the only place with locks and loops.

mod connection;
mod dial;

pub use connection::{Connection, Outcome};
pub use dial::Client;
