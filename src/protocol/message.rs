//! Messages and their kinds.

/// What a message is. The numbers are the opcodes of RFC 6455 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Kind {
    /// UTF-8 text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// A close frame that is delivered: the code in two bytes, the higher first, then the reason; or nothing.
    Close = 8,
    /// A ping that is delivered.
    Ping = 9,
    /// A pong that is delivered.
    Pong = 10,
}

impl Kind {
    /// The kind of that number.
    pub(crate) fn from_number(number: i32) -> Option<Kind> {
        [Kind::Text, Kind::Binary, Kind::Close, Kind::Ping, Kind::Pong].into_iter().find(|&kind| kind as i32 == number)
    }

    /// Whether it is what messages are sent as.
    pub(crate) fn is_data(self) -> bool {
        matches!(self, Kind::Text | Kind::Binary)
    }
}

/// A received message. Receiving into the same one again uses its memory again.
#[derive(Debug)]
pub struct Message {
    pub(crate) kind: Kind,
    pub(crate) data: Vec<u8>,
}

impl Default for Message {
    fn default() -> Message {
        Message { kind: Kind::Binary, data: Vec::new() }
    }
}

impl Message {
    /// An empty one, to receive into.
    pub fn new() -> Message {
        Message::default()
    }

    /// Text or bytes.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The payload.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The payload as text, when the message is text (which was checked while it arrived).
    pub fn text(&self) -> Option<&str> {
        match self.kind {
            Kind::Text => std::str::from_utf8(&self.data).ok(),
            _ => None,
        }
    }

    /// The payload's memory.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }
}
