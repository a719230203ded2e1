//! The waiting: the only place with locks and loops.

mod batch;
mod calls;
mod cancel;
mod close;
mod connection;
mod control;
mod deflate;
mod dial;
mod figures;
mod fill;
mod fragments;
mod keepalive;
mod link;
#[cfg(all(test, feature = "model"))]
mod model;
mod open;
mod pieces;
mod rare;
mod recv;
mod send;
mod sync;
mod turns;

pub use cancel::Cancel;
pub use connection::{Connection, Outcome};
pub use dial::Client;
pub use figures::Figure;
pub use pieces::Piece;
pub use turns::Wants;
