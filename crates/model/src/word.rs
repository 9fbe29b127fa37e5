//! Atomic words, with the orderings that a model is run with.
//!
//! loom takes a sequentially consistent load or store for an acquire or a release, which is less,
//! but knows the fence. So a word is sequentially consistent by a fence behind each store and before
//! each load: between any two such accesses of a thread there is one, which is the same order of them all.
//! As loom's fences order plain accesses, too, races are looked for without them: [`Order::Code`].

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Condvar, Mutex};

/// What the accesses of a model are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The core's constants as loom understands them: at most release and acquire.
    Code,
    /// As the code is: one order of all accesses to words.
    SeqCst,
    /// For controls: stores are releases, loads acquires.
    AcquireRelease,
    /// For controls: publications are in no order.
    RelaxedPublish,
    /// For controls: looks are in no order.
    RelaxedLook,
}

impl Order {
    /// Loads by `load`, given the ordering of the code.
    pub fn load<T>(self, code: Ordering, load: impl FnOnce(Ordering) -> T) -> T {
        match self {
            Self::Code => load(code),
            Self::SeqCst => {
                fence(code);
                load(Ordering::Acquire)
            }
            Self::AcquireRelease | Self::RelaxedPublish => load(Ordering::Acquire),
            Self::RelaxedLook => load(Ordering::Relaxed),
        }
    }

    /// Stores by `store`, given the ordering of the code.
    pub fn store(self, code: Ordering, store: impl FnOnce(Ordering)) {
        match self {
            Self::Code => store(code),
            Self::SeqCst => {
                store(Ordering::Release);
                fence(code);
            }
            Self::AcquireRelease | Self::RelaxedLook => store(Ordering::Release),
            Self::RelaxedPublish => store(Ordering::Relaxed),
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
        self.order.load(Ordering::SeqCst, |ordering| self.value.load(ordering))
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
        if self.order != Order::SeqCst {
            return exchange(Ordering::AcqRel);
        }
        fence(Ordering::SeqCst);
        let before = exchange(Ordering::AcqRel);
        fence(Ordering::SeqCst);
        before
    }
}
