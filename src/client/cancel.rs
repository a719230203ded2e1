//! Cancel tokens: one descriptor that any number of waits watch.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Code, Error};
use crate::net::sys;

/// Ends waits while it is fired. Firing stays until it is reset, loses nothing, and may be done in a signal handler.
#[derive(Debug)]
pub struct Cancel {
    event: OwnedFd,
    fired: AtomicBool,
}

impl Cancel {
    /// A token that is not fired.
    pub fn new() -> Result<Cancel, Error> {
        let event = sys::new_event().map_err(|cause: io::Error| {
            Error::from_io(Code::Io, "a cancel token needs a descriptor and there is none", &cause)
        })?;
        Ok(Cancel { event, fired: AtomicBool::new(false) })
    }

    /// Ends every wait that watches the token, now and until it is reset.
    pub fn fire(&self) {
        self.fired.store(true, Ordering::SeqCst);
        sys::signal_event(self.event.as_fd());
    }

    /// Makes the token as new. Only when every call that it cancelled has returned.
    pub fn reset(&self) {
        sys::clear_event(self.event.as_fd());
        self.fired.store(false, Ordering::SeqCst);
    }

    /// Whether it is fired.
    pub fn is_fired(&self) -> bool {
        self.fired.load(Ordering::SeqCst)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
