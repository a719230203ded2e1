//! Messages that tell who sent them as which, and that no torn or mixed one can look like.

use std::collections::BTreeMap;

/// `sender:number:` in front of every message.
const LABEL: usize = 11;

/// Where a message's bytes begin in the base differs from message to message, by less than this.
const SHIFTS: usize = 1021;

/// All messages of one flood, cut from one long row of bytes.
pub(crate) struct Pattern {
    base: Vec<u8>,
    bytes: usize,
}

impl Pattern {
    /// Of messages of that many bytes.
    pub(crate) fn new(bytes: usize) -> Pattern {
        assert!(bytes > LABEL);
        // ASCII, so that every message may go as text; with no period that a shift could hide in.
        let base = (0..bytes + SHIFTS).map(|at| b' ' + ((at * at / 7 + at * 31) % 95) as u8).collect();
        Pattern { base, bytes }
    }

    /// The opcode of a message: text or binary, in turns.
    pub(crate) fn opcode(number: u32) -> u8 {
        1 + (number % 2) as u8
    }

    pub(crate) fn message(&self, sender: u8, number: u32) -> Vec<u8> {
        let mut message = format!("{sender}:{number:08}:").into_bytes();
        message.extend_from_slice(self.rest(sender, number));
        message
    }

    fn rest(&self, sender: u8, number: u32) -> &[u8] {
        let shift = (usize::from(sender) * 331 + number as usize * 37) % SHIFTS;
        &self.base[shift..shift + self.bytes - LABEL]
    }

    /// Sender and number of a message, which is panicked about unless it is whole.
    fn read(&self, opcode: u8, message: &[u8]) -> (u8, u32) {
        assert_eq!(message.len(), self.bytes, "a message of the wrong length");
        let label = std::str::from_utf8(&message[..LABEL]).expect("a label");
        let (sender, number) = label[..LABEL - 1].split_once(':').expect("a label");
        let (sender, number) = (sender.parse().expect("a sender"), number.parse().expect("a number"));
        assert_eq!(opcode, Pattern::opcode(number), "message {label} came as another kind");
        assert!(message[LABEL..] == *self.rest(sender, number), "message {label} is torn");
        (sender, number)
    }
}

/// The numbers that came so far: each sender's must come one by one.
#[derive(Debug, Default)]
pub(crate) struct Sequences(BTreeMap<u8, u32>);

impl Sequences {
    /// Checks a message and takes it into account.
    pub(crate) fn take(&mut self, pattern: &Pattern, opcode: u8, message: &[u8]) {
        let (sender, number) = pattern.read(opcode, message);
        let next = self.0.entry(sender).or_default();
        assert_eq!(number, *next, "sender {sender}: message {number} instead of {next}");
        *next += 1;
    }

    /// How many came from each of so many senders.
    pub(crate) fn counts(&self, senders: u8) -> Vec<u32> {
        assert!(self.0.keys().all(|sender| *sender < senders), "messages of a sender that is none: {self:?}");
        (0..senders).map(|sender| self.0.get(&sender).copied().unwrap_or(0)).collect()
    }
}
