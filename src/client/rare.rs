//! What most connections never need, in eight bytes of each: made when it is first written to.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use crate::buffer::Buffer;
use crate::protocol::message::Message;

/// Nothing, or a `T` on the heap. Reading needs none; every other use makes one.
#[derive(Default)]
pub(super) struct Rare<T>(Option<Box<T>>);

/// What nothing looks like.
pub(super) trait Empty: Default + 'static {
    fn empty() -> &'static Self;
}

impl Empty for Buffer {
    fn empty() -> &'static Buffer {
        static EMPTY: Buffer = Buffer::new();
        &EMPTY
    }
}

impl Empty for VecDeque<Message> {
    fn empty() -> &'static VecDeque<Message> {
        static EMPTY: VecDeque<Message> = VecDeque::new();
        &EMPTY
    }
}

impl<T: Empty> Deref for Rare<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => T::empty(),
        }
    }
}

impl<T: Empty> DerefMut for Rare<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl Rare<Buffer> {
    /// As [`Buffer::rest`], of nothing as well.
    #[inline]
    pub(super) fn rest(&mut self) {
        if let Some(buffer) = &mut self.0 {
            buffer.rest();
        }
    }

    /// As [`Buffer::consume`], of nothing as well.
    #[inline]
    pub(super) fn consume(&mut self, n: usize) {
        if let Some(buffer) = &mut self.0 {
            buffer.consume(n);
        }
    }
}

impl Rare<VecDeque<Message>> {
    /// As [`VecDeque::pop_front`]; the last one takes the queue's memory along.
    pub(super) fn pop_front(&mut self) -> Option<Message> {
        let message = self.0.as_mut()?.pop_front();
        if self.is_empty() {
            self.0 = None;
        }
        message
    }

    /// As [`VecDeque::pop_back`].
    pub(super) fn pop_back(&mut self) -> Option<Message> {
        self.0.as_mut()?.pop_back()
    }

    /// As [`VecDeque::front_mut`].
    pub(super) fn front_mut(&mut self) -> Option<&mut Message> {
        self.0.as_mut()?.front_mut()
    }
}
