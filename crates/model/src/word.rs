//! Atomic words, with the orderings that a model is run with.
//!
//! loom takes a sequentially consistent load or store for an acquire or a release, which is less, but knows the
//! fence. So there is one behind each sequentially consistent store, as compilers make of it for x86, and none before a
//! load: a store that were less would be overtaken by the next load. As loom's fences order plain accesses, too,
//! races are looked for without them: [`Order::CODE`].

use crate::ordering;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Condvar, Mutex};

/// What the accesses of a model are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Of the publication of an `idx`.
    pub publish: Ordering,
    /// Of a look at an `idx`.
    pub look: Ordering,
    /// Whether what is sequentially consistent, as all words are, has its fence.
    pub fenced: bool,
}

impl Order {
    /// What the core has, as loom understands it: release and acquire at most.
    pub const CODE: Self = Self { publish: ordering::PUBLISH, look: ordering::LOOK, fenced: false };
    /// What the core has, with the words in one order.
    pub const SEQ_CST: Self = Self { fenced: true, ..Self::CODE };

    /// Stores by `store`.
    pub fn store(self, ordering: Ordering, store: impl FnOnce(Ordering)) {
        store(ordering);
        if self.fenced && ordering == Ordering::SeqCst {
            fence(Ordering::SeqCst);
        }
    }
}

/// A 32-bit word of the bus that JavaScript's `Atomics` work on, and who waits on it. All of them are
/// sequentially consistent.
pub struct Word {
    value: AtomicU32,
    order: Order,
    /// The critical section of the word's list of waiters, which `Atomics.wait` and `notify` enter.
    waiters: Mutex<()>,
    woken: Condvar,
}

impl Word {
    /// A word.
    pub fn new(value: u32, order: Order) -> Self {
        let value = AtomicU32::new(value);
        Self { value, order, waiters: Mutex::new(()), woken: Condvar::new() }
    }

    /// `Atomics.load`
    pub fn load(&self) -> u32 {
        self.value.load(Ordering::SeqCst)
    }

    /// `Atomics.store`
    pub fn store(&self, value: u32) {
        self.order.store(Ordering::SeqCst, |ordering| self.value.store(value, ordering));
    }

    /// `Atomics.add`; gives the value before.
    pub fn add(&self, value: u32) -> u32 {
        self.exchange(|ordering| self.value.fetch_add(value, ordering))
    }

    /// `Atomics.or`; gives the value before.
    pub fn or(&self, bits: u32) -> u32 {
        self.exchange(|ordering| self.value.fetch_or(bits, ordering))
    }

    /// `Atomics.and`; gives the value before.
    pub fn and(&self, bits: u32) -> u32 {
        self.exchange(|ordering| self.value.fetch_and(bits, ordering))
    }

    /// `Atomics.wait`, without a time-out: who is never woken is a deadlock, which loom reports.
    pub fn wait(&self, value: u32) {
        let waiters = self.waiters.lock().expect("a lock");
        if self.load() == value {
            drop(self.woken.wait(waiters).expect("a lock"));
        }
    }

    /// `Atomics.notify`
    pub fn notify(&self) {
        let _waiters = self.waiters.lock().expect("a lock");
        self.woken.notify_all();
    }

    fn exchange(&self, exchange: impl FnOnce(Ordering) -> u32) -> u32 {
        if !self.order.fenced {
            return exchange(Ordering::AcqRel);
        }
        fence(Ordering::SeqCst);
        let before = exchange(Ordering::AcqRel);
        fence(Ordering::SeqCst);
        before
    }
}
