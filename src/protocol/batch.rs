//! Many messages in one block of memory: what a call brings or takes at once, so that a language border is crossed once.

use super::decoder::Decoder;
use super::message::Kind;
use super::utf8::is_utf8;
use crate::error::{Code, Error};

/// Messages in one block, payload behind payload. Receiving into the same one again uses its memory again.
#[derive(Debug, Default)]
pub struct Batch {
    data: Vec<u8>,
    /// Where each message begins; behind the last, where it ends. Empty as long as there is no message.
    offsets: Vec<usize>,
    /// The kind of each, by its number.
    kinds: Vec<u8>,
}

/// How much a batch may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
}

impl Batch {
    /// An empty one.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// How many messages it has.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The message of that number, from 0.
    pub fn get(&self, index: usize) -> Option<(Kind, &[u8])> {
        let kind = Kind::from_number((*self.kinds.get(index)?).into())?;
        Some((kind, &self.data[self.offsets[index]..self.offsets[index + 1]]))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Kind, &[u8])> {
        let ends = self.offsets.windows(2);
        let kinds = self.kinds.iter().map(|&number| Kind::from_number(number.into()).unwrap_or(Kind::Binary));
        kinds.zip(ends).map(|(kind, ends)| (kind, &self.data[ends[0]..ends[1]]))
    }

    /// Puts a message behind the others.
    pub fn push(&mut self, kind: Kind, data: &[u8]) {
        self.data.extend_from_slice(data);
        self.end_message(kind);
    }

    /// Takes all messages out; the memory stays.
    pub fn clear(&mut self) {
        self.data.clear();
        self.offsets.clear();
        self.kinds.clear();
    }

    /// The payloads, one behind the other.
    pub(crate) fn data(&self) -> &Vec<u8> {
        &self.data
    }

    /// Where each payload begins, and where the last ends.
    pub(crate) fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The kinds by their numbers.
    pub(crate) fn kinds(&self) -> &[u8] {
        &self.kinds
    }

    /// The block itself, for who knows what to do with its memory.
    pub(crate) fn data_mut(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// Puts a NUL behind the block, which belongs to no message.
    pub(crate) fn end_with_nul(&mut self) -> Result<(), Error> {
        let bytes = self.data.len();
        if self.data.try_reserve(1).is_err() {
            let detail = format!("there is no memory for the NUL behind a batch of {bytes} bytes");
            return Err(Error::new(Code::LimitMemory, detail));
        }
        self.data.push(0);
        Ok(())
    }

    /// What the memory of all of it comes to.
    pub(crate) fn capacity(&self) -> usize {
        self.data.capacity() + self.offsets.capacity() * size_of::<usize>() + self.kinds.capacity()
    }

    /// What is in use of it.
    pub(crate) fn used(&self) -> usize {
        self.data.len() + self.offsets.len() * size_of::<usize>() + self.kinds.len()
    }

    /// Whether a message of that length may still come in. Into an empty one any may, whatever its length.
    #[inline]
    pub(crate) fn has_room_for(&self, len: usize, most: Most) -> bool {
        self.is_empty() || (self.len() < most.messages && self.data.len().saturating_add(len) <= most.bytes)
    }

    /// Puts a message behind the others; its memory becomes the block when it is the first. False when there is no memory
    /// for it behind others: then it stays where it is.
    #[must_use]
    pub(crate) fn take(&mut self, kind: Kind, message: &mut Vec<u8>) -> bool {
        if !self.has_list_room() {
            return false;
        }
        if self.is_empty() {
            std::mem::swap(&mut self.data, message);
        } else if self.data.try_reserve(message.len() + 1).is_ok() {
            self.data.extend_from_slice(message);
        } else {
            return false;
        }
        message.clear();
        self.end_message(kind);
        true
    }

    /// Takes messages off the front of `input` that are whole there, as far as there is room for them and no other frame
    /// comes between. Returns how many bytes it took.
    #[inline]
    pub(crate) fn decode(&mut self, decoder: &mut Decoder, input: &[u8], most: Most) -> usize {
        let mut at = 0;
        // No payload is longer than its frame: nothing has to grow on the way. Where there is no memory for that, one by
        // one may do.
        let _ = self.data.try_reserve(input.len().min(most.bytes.saturating_sub(self.data.len())).saturating_add(1));
        while self.len() < most.messages {
            if !self.has_list_room() {
                break;
            }
            let before = self.data.len();
            let Some((taken, kind)) = decoder.decode_whole(&input[at..], &mut self.data) else { break };
            if self.data.len() > most.bytes && !self.is_empty() {
                self.data.truncate(before);
                break;
            }
            at += taken;
            self.end_message(kind);
        }
        at
    }

    /// Whether the lists take one message more, which the first always is: its memory is small.
    #[inline]
    fn has_list_room(&mut self) -> bool {
        self.kinds.is_empty() || self.kinds.len() < self.kinds.capacity() || self.grow_lists()
    }

    #[cold]
    fn grow_lists(&mut self) -> bool {
        let more = self.kinds.len().max(64);
        self.offsets.try_reserve_exact(more + 1).is_ok() && self.kinds.try_reserve_exact(more).is_ok()
    }

    #[inline]
    fn end_message(&mut self, kind: Kind) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.offsets.push(self.data.len());
        self.kinds.push(kind as u8);
    }
}

/// Messages that are to be sent, in memory of the caller's. All of them can be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages<'a> {
    kinds: &'a [u8],
    data: &'a [u8],
    offsets: &'a [usize],
}

impl<'a> Messages<'a> {
    /// `offsets` has one more than `kinds`, and is where each payload begins in `data`, and where the last ends.
    pub(crate) fn new(kinds: &'a [u8], data: &'a [u8], offsets: &'a [usize]) -> Result<Messages<'a>, Error> {
        let messages = Messages { kinds, data, offsets };
        for (index, &number) in kinds.iter().enumerate() {
            let kind = Kind::from_number(number.into()).filter(|kind| kind.is_data()).ok_or_else(|| {
                let detail =
                    format!("the kind of message {index} is {number}; WS_TEXT (1) and WS_BINARY (2) can be sent");
                Error::new(Code::UsageKind, detail)
            })?;
            let payload = data.get(offsets[index]..offsets[index + 1]).ok_or_else(|| {
                let (from, to) = (offsets[index], offsets[index + 1]);
                let detail =
                    format!("message {index} cannot be from {from} to {to} in a block of {} bytes", data.len());
                Error::new(Code::UsageLength, detail)
            })?;
            if kind == Kind::Text && !is_utf8(payload) {
                let detail = format!("a text message must be UTF-8 (RFC 6455 5.6), and message {index} is not");
                return Err(Error::new(Code::UsageUtf8, detail));
            }
        }
        Ok(messages)
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> (Kind, &'a [u8]) {
        let kind = if self.kinds[index] == Kind::Text as u8 { Kind::Text } else { Kind::Binary };
        (kind, &self.data[self.offsets[index]..self.offsets[index + 1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Most = Most { bytes: usize::MAX, messages: usize::MAX };

    fn list(batch: &Batch) -> Vec<(Kind, &[u8])> {
        let list: Vec<_> = batch.iter().collect();
        assert_eq!(list.len(), batch.len());
        assert!(list.iter().enumerate().all(|(index, &message)| batch.get(index) == Some(message)));
        assert_eq!(batch.get(list.len()), None);
        list
    }

    #[test]
    fn whole_messages_go_in_one_behind_the_other() {
        let input = b"\x81\x02hi\x82\x00\x82\x7e\x00\x80".iter().copied().chain([7; 128]).chain(*b"\x89\x00\x82\x01x");
        let input: Vec<u8> = input.collect();
        let (mut batch, mut decoder) = (Batch::new(), Decoder::new(0));
        assert_eq!(batch.decode(&mut decoder, &input, ALL), 4 + 2 + 132, "the ping is not a message");
        let long = [7; 128];
        assert_eq!(list(&batch), [(Kind::Text, &b"hi"[..]), (Kind::Binary, b""), (Kind::Binary, &long)]);
        assert!(batch.data().capacity() > batch.data().len(), "no room for the NUL");
        batch.clear();
        assert!(batch.is_empty() && list(&batch).is_empty() && batch.offsets().is_empty());
    }

    #[test]
    fn a_limit_ends_a_batch_and_a_message_over_it_comes_alone() {
        let input = b"\x82\x03abc\x82\x02de\x82\x00\x82\x01f";
        let (mut batch, mut decoder) = (Batch::new(), Decoder::new(0));
        assert_eq!(batch.decode(&mut decoder, input, Most { bytes: 2, messages: 9 }), 5);
        batch.clear();
        assert_eq!(batch.decode(&mut decoder, &input[5..], Most { bytes: 2, messages: 9 }), 6);
        assert_eq!(list(&batch), [(Kind::Binary, &b"de"[..]), (Kind::Binary, b"")]);
        batch.clear();
        assert_eq!(batch.decode(&mut decoder, input, Most { bytes: 5, messages: 2 }), 9);
        assert!(
            !batch.has_room_for(0, Most { bytes: 5, messages: 2 })
                && batch.has_room_for(0, Most { bytes: 5, messages: 3 })
        );
        assert!(!batch.has_room_for(1, Most { bytes: 5, messages: 3 }));
    }

    #[test]
    fn the_first_messages_memory_is_the_block_and_the_others_go_behind() {
        let mut batch = Batch::new();
        let mut message = b"first".to_vec();
        let at = message.as_ptr();
        assert!(batch.take(Kind::Text, &mut message));
        assert!(message.is_empty() && batch.data().as_ptr() == at);
        message.extend_from_slice(b"second");
        assert!(batch.take(Kind::Binary, &mut message));
        assert_eq!(list(&batch), [(Kind::Text, &b"first"[..]), (Kind::Binary, b"second")]);
    }

    #[test]
    fn what_cannot_be_sent_is_told_with_its_number() {
        let sentence = |kinds: &[u8], offsets: &[usize]| {
            let error = Messages::new(kinds, b"ab\xff", offsets).unwrap_err();
            (error.code(), error.to_string())
        };
        let (code, words) = sentence(&[1, 1], &[0, 2, 3]);
        assert!(code == Code::UsageUtf8 && words.contains("message 1"), "{words}");
        let (code, words) = sentence(&[2, 2, 9], &[0, 0, 1, 3]);
        assert!(code == Code::UsageKind && words.contains("message 2"), "{words}");
        assert_eq!(sentence(&[2], &[0, 4]).0, Code::UsageLength);
        assert_eq!(sentence(&[2, 2], &[0, 2, 1]).0, Code::UsageLength);
        let messages = Messages::new(&[1, 2], b"ab\xff", &[1, 2, 3]).unwrap();
        assert_eq!(
            (messages.len(), messages.get(0), messages.get(1)),
            (2, (Kind::Text, &b"b"[..]), (Kind::Binary, &b"\xff"[..]))
        );
    }
}
