//! Many messages with one call: all that is here when receiving, as few system calls as possible when sending.

use super::connection::{Connection, Outcome, Rx, Spent, Tx};
use super::fill::Filled;
use super::recv::{Ending, LARGE, Turn};
use super::send::{Lost, SEALED, UNSENT_LIMIT, no_memory, serve};
use super::sync::Ordering;
use crate::error::{Error, Phase};
use crate::net::random;
use crate::protocol::batch::{Batch, Messages, Most};
use crate::protocol::encoder::{self, MAX_HEADER};
use crate::wait::{Over, Patience, Wait};

/// A message up to here is gathered with others; a longer one leaves by itself.
const GATHERED: usize = 16 * 1024;

/// Without a limit a batch ends here all the same: what is here is read in smaller portions, but may be compressed.
const INFLATED: usize = 1024 * 1024;

impl Connection {
    /// Waits for a message as `recv` does, then takes all that are here already, at most `max_bytes` of payload and
    /// `max_messages`, 0 for no limit. A message that is longer than `max_bytes` comes alone. Any answer but `Done` leaves
    /// the batch empty; an end or a failure behind messages comes with the next call.
    pub fn recv_batch(
        &self,
        batch: &mut Batch,
        max_bytes: usize,
        max_messages: usize,
        wait: Wait,
    ) -> Result<Outcome, Error> {
        batch.clear();
        let or_all = |limit: usize| if limit == 0 { usize::MAX } else { limit };
        let most = Most { bytes: or_all(max_bytes), messages: or_all(max_messages) };
        self.call(wait, |patience| {
            let mut rx = match self.rx.try_lock() {
                Some(rx) => rx,
                None => match self.enter_rx(patience)? {
                    Ok(rx) => rx,
                    Err(over) => return Ok(over.into()),
                },
            };
            self.receiving.store(true, Ordering::Relaxed);
            let answer = self.batch_in(&mut rx, batch, most, patience);
            self.stop_receiving(rx);
            answer
        })
    }

    fn batch_in(&self, rx: &mut Rx, batch: &mut Batch, most: Most, patience: Patience<'_>) -> Ending {
        rx.may_come_whole()?;
        rx.spent = Spent { grown: rx.message.len(), ..Spent::default() };
        self.take_what_is_here(rx, batch, most, patience);
        while batch.is_empty() {
            if rx.message.capacity() == 0 {
                rx.message = std::mem::take(batch.data_mut());
            }
            let turn = if rx.drains { self.drop_messages(rx, patience) } else { self.next_message(rx, patience) };
            match turn {
                Turn::Message(kind) => {
                    rx.large = rx.message.len() > LARGE && !rx.decoder.is_deflated();
                    let _always = batch.take(kind, &mut rx.message);
                }
                Turn::Ready => {}
                turn => return self.no_message(rx, batch.data_mut(), turn, patience),
            }
            self.take_what_is_here(rx, batch, most, patience);
        }
        rx.let_go();
        if rx.over.is_some() {
            // The end is told with the next call; the peer need not wait for that.
            self.settle(Some(rx.awake));
        }
        Ok(Outcome::Done)
    }

    /// Takes what needs no reading, from the messages that were read ahead on.
    fn take_what_is_here(&self, rx: &mut Rx, batch: &mut Batch, most: Most, patience: Patience<'_>) {
        loop {
            while let Some(ready) = rx.ready.front_mut() {
                let len = ready.data.len();
                if !batch.has_room_for(len, most) || !batch.take(ready.kind, &mut ready.data) {
                    return;
                }
                rx.ready.pop_front();
                rx.ready_bytes -= len;
            }
            let is_enough = most.bytes == usize::MAX && batch.data().len() >= INFLATED;
            if is_enough || rx.drains || !batch.has_room_for(0, most) {
                return;
            }
            if rx.over.is_none() {
                rx.decoder.set_max_message(self.max_message.load(Ordering::Relaxed));
                let before = (batch.len(), batch.data().len());
                let taken = batch.decode(&mut rx.decoder, rx.plain.filled(), most);
                self.arrived.messages(batch.len() - before.0, batch.data().len() - before.1);
                rx.plain.consume(taken);
            }
            if self.stream.is_memory() && !rx.plain.is_empty() && !rx.decoder.has_whole_deflated(rx.plain.filled()) {
                // What is next is no whole message. It has its turn with the next call: whoever moves the bytes can answer
                // these messages before the end that it may lead to is met.
                return;
            }
            match self.next_buffered(rx, patience) {
                // It is taken, or waits where there is no room for it.
                Some(Turn::Message(kind)) => rx.keep(kind),
                Some(Turn::Ready) => {}
                Some(Turn::Over | Turn::Impatient(_)) => return,
                None => {
                    if !self.secure || !self.open_more(rx) {
                        return;
                    }
                }
            }
        }
    }

    /// Opens what was read and is still sealed. Whether that brought anything.
    fn open_more(&self, rx: &mut Rx) -> bool {
        match self.open_sealed(rx) {
            Some(Filled::Some(event)) => {
                if let Some(Turn::Message(kind)) = event.and_then(|event| self.meet(rx, event)) {
                    rx.keep(kind);
                }
                true
            }
            Some(Filled::End(end)) => {
                rx.over = Some(self.end(end));
                false
            }
            Some(Filled::Impatient(_)) | None => false,
        }
    }

    /// Sends the messages of a batch from number `*taken` on, which is moved behind those that were taken. Each is taken
    /// whole or not at all. `Done` and `Pending`: all of them; any other answer, a failure too: as many as `*taken` says.
    /// Text is checked before anything is sent.
    pub fn send_batch(&self, batch: &Batch, taken: &mut usize, wait: Wait) -> Result<Outcome, Error> {
        let from = (*taken).min(batch.len());
        let offsets = batch.offsets().get(from..).unwrap_or(&[0]);
        let mut more = 0;
        let messages = Messages::new(&batch.kinds()[from..], batch.data(), offsets)?;
        let answer = self.send_messages(messages, &mut more, wait);
        *taken = from + more;
        answer
    }

    /// The same, from memory of any owner's; `*taken` counts from the first of them.
    pub(crate) fn send_messages(
        &self,
        messages: Messages<'_>,
        taken: &mut usize,
        wait: Wait,
    ) -> Result<Outcome, Error> {
        *taken = 0;
        self.call(wait, |patience| {
            let mut tx = match self.enter_for_message(patience)? {
                Ok(tx) => tx,
                Err(answer) => return Ok(answer),
            };
            let mut gather = Gather { messages, taken: 0, over: None, refusal: None, patience };
            let put = self.put_batch(&mut tx, &mut gather);
            *taken = gather.taken;
            let answer = self.leave_tx(tx, put, gather.patience())?;
            if gather.taken == messages.len() {
                return Ok(answer);
            }
            gather.refusal.unwrap_or_else(|| Ok(gather.over.or_else(|| patience.over()).unwrap_or(Over::Time).into()))
        })
    }

    /// Takes message after message and writes portion by portion. Once the caller's time is over the rest is only taken,
    /// as far as the limit of unsent bytes allows: what as many sends would have done.
    fn put_batch(&self, tx: &mut Tx, gather: &mut Gather<'_>) -> Result<(), Lost> {
        let portion = if self.secure { self.write_size().min(SEALED) } else { self.write_size() };
        let mut deflated = Vec::new();
        while gather.taken < gather.messages.len() && gather.refusal.is_none() {
            if gather.over.is_some() && tx.unsent() >= UNSENT_LIMIT {
                break;
            }
            let (kind, data) = gather.messages.get(gather.taken);
            let len = data.len();
            deflated.clear();
            let is_deflated = match &self.deflating {
                Some(deflating) => match self.deflate(deflating, tx, data, &mut deflated) {
                    Ok(is_deflated) => is_deflated,
                    // As if the message had never been: those before it leave, and it may be sent again.
                    Err(error) => {
                        gather.refusal = Some(Err(self.about_us(error.in_phase(Phase::Send))));
                        break;
                    }
                },
                None => false,
            };
            let (data, reserved) = if is_deflated { (&deflated[..], encoder::DEFLATED) } else { (data, 0) };
            let gathered = if self.secure { tx.plain.len() } else { tx.wire.len() };
            let is_large = data.len() > GATHERED;
            if gathered > 0 && (is_large || gathered + MAX_HEADER + data.len() > portion) {
                self.write_gathered(tx, gather)?;
            }
            // What was compressed is taken, unless nothing is any more.
            let is_full = gather.over.is_some() && tx.unsent() >= UNSENT_LIMIT && !is_deflated;
            if is_full || gather.refusal.is_some() {
                break;
            }
            if is_large {
                let over = self.put_message(tx, kind, data, reserved, gather.patience())?;
                gather.over = gather.over.or(over);
            } else {
                let to = if self.secure { &mut *tx.plain } else { &mut tx.wire };
                let room = to.room(MAX_HEADER + data.len()).map_err(|_| no_memory())?;
                let len = encoder::message_frame(room, kind, data, random::mask_key());
                room[0] |= reserved;
                to.fill(len);
            }
            self.sent.message(len);
            gather.taken += 1;
        }
        self.write_gathered(tx, gather)
    }

    /// Between two messages of a batch: writes what was gathered, then serves what is owed, as anybody who leaves `tx` does,
    /// for a batch may be long. A close that is owed ends it here.
    fn write_gathered(&self, tx: &mut Tx, gather: &mut Gather<'_>) -> Result<(), Lost> {
        if self.secure && !tx.plain.is_empty() {
            self.seal_plain(tx).map_err(Lost::Error)?;
        }
        if gather.over.is_none() {
            gather.over = self.write_out(tx, gather.patience).map_err(Lost::Io)?;
        }
        if gather.taken == gather.messages.len() || !tx.wire.is_empty() {
            return Ok(());
        }
        let mut link = self.link.lock();
        gather.refusal = gather.refusal.take().or_else(|| link.refuses());
        if gather.refusal.is_none() && link.owes() {
            serve(tx, &mut link).map_err(Lost::Error)?;
        }
        Ok(())
    }
}

/// How far the sending of a batch has come.
struct Gather<'a> {
    messages: Messages<'a>,
    taken: usize,
    /// Why the caller's wait was over before all was written.
    over: Option<Over>,
    /// Why nothing more may be sent.
    refusal: Option<Ending>,
    patience: Patience<'a>,
}

impl Gather<'_> {
    /// What is left of the caller's patience.
    fn patience(&self) -> Patience<'_> {
        if self.over.is_some() { Wait::Never.into() } else { self.patience }
    }
}
