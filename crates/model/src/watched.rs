//! A plain memory that counts accesses, lets somebody write behind any of them, and knows which bytes
//! the queue may write.

use crate::memory::{Backing, Memory, Range};
use std::cell::{Cell, RefCell};

/// What is written behind which access.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Behind so many accesses.
    pub after: usize,
    /// First byte.
    pub offset: usize,
    /// So many bytes, 1 to 8.
    pub width: usize,
    /// Of this.
    pub value: u64,
}

/// The memory.
pub struct Watched {
    bytes: RefCell<Vec<u8>>,
    accesses: Cell<usize>,
    attack: Cell<Option<Attack>>,
    reads: RefCell<Vec<(usize, usize)>>,
    writable: Vec<Range>,
}

impl Watched {
    /// A memory of zeros; a write by the queue outside of the ranges is a panic.
    pub fn new(len: usize, writable: &[Range]) -> Self {
        Self {
            bytes: RefCell::new(vec![0; len]),
            accesses: Cell::new(0),
            attack: Cell::new(None),
            reads: RefCell::new(Vec::new()),
            writable: writable.to_vec(),
        }
    }

    /// The core's view of it.
    pub fn memory(&self) -> Memory {
        // SAFETY: the callers in this crate keep it as long as their queues.
        unsafe { Memory::new(std::ptr::from_ref(self) as *const dyn Backing) }
    }

    /// Counts from 0 again, and writes behind an access, if one is given.
    pub fn arm(&self, attack: Option<Attack>) {
        self.accesses.set(0);
        self.reads.borrow_mut().clear();
        self.attack.set(attack);
        self.strike();
    }

    /// How many accesses there were.
    pub fn accesses(&self) -> usize {
        self.accesses.get()
    }

    /// Where was read, and how much, in order; copies are not in it.
    pub fn reads(&self) -> Vec<(usize, usize)> {
        self.reads.borrow().clone()
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }

    /// Writes by no access of the queue's.
    pub fn poke(&self, offset: usize, bytes: &[u8]) {
        self.bytes.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn strike(&self) {
        if let Some(Attack { after, offset, width, value }) = self.attack.get()
            && self.accesses.get() == after
        {
            self.poke(offset, &value.to_le_bytes()[..width]);
        }
    }

    fn accessed(&self) {
        self.accesses.set(self.accesses.get() + 1);
        self.strike();
    }

    fn check(&self, offset: usize, len: usize) {
        let inside = |it: &&Range| offset >= it.offset && offset + len <= it.offset + it.len;
        assert!(self.writable.iter().any(|it| inside(&it)), "{len} bytes written at {offset}");
    }
}

impl Backing for Watched {
    fn len(&self) -> usize {
        self.bytes.borrow().len()
    }

    fn read(&self, offset: usize, width: usize) -> u64 {
        let mut value = [0; 8];
        value[..width].copy_from_slice(&self.bytes.borrow()[offset..offset + width]);
        self.reads.borrow_mut().push((offset, width));
        self.accessed();
        u64::from_le_bytes(value)
    }

    fn write(&self, offset: usize, width: usize, value: u64) {
        self.check(offset, width);
        self.poke(offset, &value.to_le_bytes()[..width]);
        self.accessed();
    }

    fn load_idx(&self, offset: usize) -> u16 {
        self.read(offset, 2) as u16
    }

    fn publish_idx(&self, offset: usize, value: u16) {
        self.write(offset, 2, u64::from(value));
    }

    fn copy(&self, target: usize, source: usize, len: usize) {
        self.check(target, len);
        self.bytes.borrow_mut().copy_within(source..source + len, target);
        self.accessed();
    }

    fn fill(&self, offset: usize, value: u8, len: usize) {
        self.check(offset, len);
        self.bytes.borrow_mut()[offset..offset + len].fill(value);
        self.accessed();
    }
}
