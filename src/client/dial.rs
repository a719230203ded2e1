//! The trip of a dial.
use crate::client::Connection;
use crate::dialer::Dialer;
use crate::error::Error;
use crate::wait::Wait;

/// A dialer at work: its decisions, the parsed trust roots and the TLS sessions they lead to.
#[derive(Debug)]
pub struct Client {
    dialer: Dialer,
}

impl Client {
    /// A client with these decisions.
    pub fn new(dialer: Dialer) -> Client {
        Client { dialer }
    }

    /// The decisions.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A client with other decisions; trust roots and sessions stay when nothing about TLS was decided anew.
    pub fn with(&self, dialer: Dialer) -> Client {
        Client { dialer }
    }

    /// Dials `url`: one deadline for the whole trip; an error names the phase that it ended in.
    pub fn dial(&self, _url: &str, _wait: Wait) -> Result<Connection, Error> {
        unimplemented!()
    }
}
