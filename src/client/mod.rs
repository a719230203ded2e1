//! The waiting: the only place with locks and loops.

mod close;
mod connection;
mod dial;
mod link;
mod recv;
mod send;

pub use connection::{Connection, Outcome};
pub use dial::Client;
