//! One MSI-X vector that is programmed well and allowed to send, and its interrupt word, method by method, without
//! time-outs. What is quoted is what the code has, or `test/package/model.test.ts` fails.

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

    /// ```ts
    /// // ts/bus/msix.ts
    /// mask(vector: number): void {
    ///   Atomics.store(this.#words, this.#control(vector), CONTROL_MASKED);
    /// }
    /// ```
    pub fn mask(&self) {
        self.control.store(1);
    }

    /// ```ts
    /// // ts/bus/msix.ts
    /// unmask(vector: number): void {
    ///   Atomics.store(this.#words, this.#control(vector), 0);
    ///   this.sendPending(vector);
    /// }
    /// ```
    pub fn unmask(&self) {
        self.control.store(0);
        self.send_pending();
    }

    /// ```ts
    /// // ts/bus/msix.ts
    /// raise(vector: number): void {
    ///   if (vector < 0 || vector >= this.#vectors) return;
    ///   if (this.#maySend(vector)) {
    ///     this.#send(vector);
    ///     return;
    ///   }
    ///   const word = this.#pending + (vector >>> 5);
    ///   const bit = 1 << (vector & 31);
    ///   // One that is pending is sent when it is unmasked, which is still to come.
    ///   if ((Atomics.load(this.#words, word) & bit) !== 0) return;
    ///   Atomics.or(this.#words, word, bit);
    ///   this.sendPending(vector);
    /// }
    /// ```
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

    /// ```ts
    /// // ts/bus/msix.ts
    /// sendPending(vector: number): void {
    ///   if (vector < 0 || vector >= this.#vectors || !this.#maySend(vector)) return;
    ///   const word = this.#pending + (vector >>> 5);
    ///   const bit = 1 << (vector & 31);
    ///   if ((Atomics.load(this.#words, word) & bit) === 0) return;
    ///   if ((Atomics.and(this.#words, word, ~bit) & bit) !== 0) this.#send(vector);
    /// }
    /// ```
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

    /// Waits for the interrupt unless `look` finds something. A ladder does the same with another way to wait:
    ///
    /// ```ts
    /// // ts/root-complex/queue-end.ts
    /// Atomics.store(this.#words, word, 0);
    /// if (vector !== undefined) this.#bus.msix.unmask(vector);
    /// let count = look();
    /// if (count === 0 && this.#owner.failure === undefined) {
    ///   Atomics.wait(this.#words, word, 0, Math.min(waitMs, LOST_INTERRUPT_MS));
    ///   count = look();
    /// }
    /// if (vector !== undefined) this.#bus.msix.mask(vector);
    /// return count;
    /// ```
    /// ```ts
    /// // ts/root-complex/completion.ts
    /// Atomics.store(this.#words, this.#word, 0);
    /// if (this.#vector !== undefined) this.#bus.msix.unmask(this.#vector);
    /// const waits =
    ///   this.#source.reap() === 0 &&
    ///   this.#source.inFlight > 0 &&
    ///   !this.#closed &&
    ///   Atomics.waitAsync(this.#words, this.#word, 0, LOST_INTERRUPT_MS);
    /// ```
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

    /// ```ts
    /// // ts/bus/msix.ts
    /// #maySend(vector: number): boolean {
    ///   const control = Atomics.load(this.#words, this.#control(vector));
    ///   return (control & CONTROL_MASKED) === 0 && this.#configSpace.msixMaySend;
    /// }
    /// ```
    fn may_send(&self) -> bool {
        self.control.load() & 1 == 0
    }

    /// ```ts
    /// // ts/bus/msix.ts
    ///   Atomics.store(words, address / 4, data);
    ///   Atomics.notify(words, address / 4);
    /// }
    /// ```
    fn send(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.interrupt.store(1);
        self.interrupt.notify();
    }
}
