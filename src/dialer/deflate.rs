//! Decisions about permessage-deflate (RFC 7692).

use super::Dialer;
use crate::error::{Code, Error};

/// What is offered, and how our messages are compressed once it is agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeflateOptions {
    pub(crate) is_offered: bool,
    /// The most that we compress with, 8 to 15; 0 leaves it to the server.
    pub(crate) client_window_bits: u8,
    /// The most that the server may compress with, 8 to 15; 0 asks for nothing.
    pub(crate) server_window_bits: u8,
    pub(crate) client_no_context_takeover: bool,
    pub(crate) server_no_context_takeover: bool,
    /// The server is not told that it may limit our window.
    pub(crate) keeps_client_window: bool,
    pub(crate) level: u8,
    pub(crate) mem_level: u8,
    /// Shorter messages are not compressed.
    pub(crate) threshold: usize,
}

impl Default for DeflateOptions {
    fn default() -> DeflateOptions {
        DeflateOptions {
            is_offered: false,
            client_window_bits: 0,
            server_window_bits: 0,
            client_no_context_takeover: false,
            server_no_context_takeover: false,
            keeps_client_window: false,
            level: DEFAULT_LEVEL,
            mem_level: DEFAULT_MEM_LEVEL,
            threshold: DEFAULT_THRESHOLD,
        }
    }
}

const DEFAULT_LEVEL: u8 = 6;
const DEFAULT_MEM_LEVEL: u8 = 8;
const DEFAULT_THRESHOLD: usize = 128;

const FLAGS: u32 =
    Dialer::SERVER_NO_CONTEXT_TAKEOVER | Dialer::CLIENT_NO_CONTEXT_TAKEOVER | Dialer::CLIENT_WINDOW_FIXED;

impl Dialer {
    /// For `set_compression_params`: the server compresses each message by itself.
    pub const SERVER_NO_CONTEXT_TAKEOVER: u32 = 1;
    /// For `set_compression_params`: we compress each message by itself.
    pub const CLIENT_NO_CONTEXT_TAKEOVER: u32 = 2;
    /// For `set_compression_params`: the server is not told that it may limit our window.
    pub const CLIENT_WINDOW_FIXED: u32 = 4;

    /// Whether permessage-deflate is offered (it is not unless switched on). A server is free not to choose it.
    pub fn set_compression(&mut self, on: bool) {
        self.deflate.is_offered = on;
    }

    /// What is offered: windows as powers of two, 8 to 15, where 0 leaves the client's to the server and asks for nothing
    /// about the server's; and any of the three flags.
    pub fn set_compression_params(&mut self, client_bits: u32, server_bits: u32, flags: u32) -> Result<(), Error> {
        let client_window_bits = window_bits("client", client_bits)?;
        let server_window_bits = window_bits("server", server_bits)?;
        if flags & !FLAGS != 0 {
            return Err(wrong(format!("the flags of compression are 0x{flags:x}; 0x{FLAGS:x} are known")));
        }
        if flags & Dialer::CLIENT_WINDOW_FIXED != 0 && client_bits != 0 {
            return Err(wrong("the client's window is either offered or fixed".to_owned()));
        }
        self.deflate = DeflateOptions {
            client_window_bits,
            server_window_bits,
            server_no_context_takeover: flags & Dialer::SERVER_NO_CONTEXT_TAKEOVER != 0,
            client_no_context_takeover: flags & Dialer::CLIENT_NO_CONTEXT_TAKEOVER != 0,
            keeps_client_window: flags & Dialer::CLIENT_WINDOW_FIXED != 0,
            ..self.deflate
        };
        Ok(())
    }

    /// How our messages are compressed: `level` 1, the fastest, to 9, the smallest (6); `mem_level` 1, the least memory,
    /// to 9 (8); 0 is the default of either. Messages under `threshold` bytes are not compressed (128).
    pub fn set_compression_level(&mut self, level: u32, mem_level: u32, threshold: usize) -> Result<(), Error> {
        let level = one_to_nine("level", level, DEFAULT_LEVEL)?;
        let mem_level = one_to_nine("memory level", mem_level, DEFAULT_MEM_LEVEL)?;
        self.deflate = DeflateOptions { level, mem_level, threshold, ..self.deflate };
        Ok(())
    }
}

/// A level from 1 to 9, or 0 for what it is without being set.
pub(crate) fn one_to_nine(which: &str, value: u32, unset: u8) -> Result<u8, Error> {
    match value {
        0 => Ok(unset),
        1..=9 => Ok(value as u8),
        _ => Err(wrong(format!("the {which} of compression is {value}, expected 1 to 9, or 0 for the default"))),
    }
}

fn window_bits(whose: &str, bits: u32) -> Result<u8, Error> {
    match bits {
        0 | 8..=15 => Ok(bits as u8),
        _ => Err(wrong(format!("the {whose}'s window bits are {bits}, expected 8 to 15, or 0 to ask for nothing"))),
    }
}

fn wrong(text: String) -> Error {
    Error::new(Code::OptionValue, text)
}
