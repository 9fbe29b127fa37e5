//! One MSI-X vector and its interrupt word: `ts/bus/msix.ts` (`mask`, `unmask`, `raise`, `sendPending`), line by
//! line, and what `ts/root-complex/queue-end.ts` (`block`) does with them, without its time-out.

use crate::word::{Order, Word};
use std::sync::atomic::{AtomicU32, Ordering};

/// What a control does differently, to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raise {
    /// As the code does.
    Right,
    /// Does not look at the mask again once the pending bit is set.
    LooksOnce,
    /// Sends what is pending without taking the bit in one step.
    TakesInTwoSteps,
}

/// A vector, masked, and the word that it writes.
pub struct Msix {
    control: Word,
    pending: Word,
    interrupt: Word,
    raise: Raise,
    /// How often it was sent and raised; none of the model's.
    sent: AtomicU32,
    raised: AtomicU32,
}

impl Msix {
    /// A vector as after a reset.
    pub fn new(order: Order, raise: Raise) -> Self {
        Self {
            control: Word::new(1, order),
            pending: Word::new(0, order),
            interrupt: Word::new(0, order),
            raise,
            sent: AtomicU32::new(0),
            raised: AtomicU32::new(0),
        }
    }

    /// `Msix.mask`
    pub fn mask(&self) {
        self.control.store(1);
    }

    /// `Msix.unmask`
    pub fn unmask(&self) {
        self.control.store(0);
        self.send_pending();
    }

    /// `Msix.raise`
    pub fn raise(&self) {
        self.raised.fetch_add(1, Ordering::Relaxed);
        if self.may_send() {
            self.send();
            return;
        }
        if self.pending.load() & 1 != 0 {
            return;
        }
        self.pending.or(1);
        if self.raise != Raise::LooksOnce {
            self.send_pending();
        }
    }

    /// `Msix.sendPending`
    pub fn send_pending(&self) {
        if !self.may_send() || self.pending.load() & 1 == 0 {
            return;
        }
        if self.raise == Raise::TakesInTwoSteps {
            self.pending.and(!1);
            self.send();
        } else if self.pending.and(!1) & 1 != 0 {
            self.send();
        }
    }

    /// `QueueEnd.block`: waits for the interrupt unless `look` finds something.
    pub fn block(&self, mut look: impl FnMut() -> usize) -> usize {
        self.interrupt.store(0);
        self.unmask();
        let mut count = look();
        if count == 0 {
            self.interrupt.wait(0);
            count = look();
        }
        self.mask();
        count
    }

    /// How often it was sent, which is never more often than it was raised.
    pub fn checked_sends(&self) -> u32 {
        let (sent, raised) =
            (self.sent.load(Ordering::Relaxed), self.raised.load(Ordering::Relaxed));
        assert!(sent <= raised, "sent {sent} times, raised {raised} times");
        sent
    }

    fn may_send(&self) -> bool {
        self.control.load() & 1 == 0
    }

    fn send(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.interrupt.store(1);
        self.interrupt.notify();
    }
}
