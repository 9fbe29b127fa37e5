//! A memory for the tests of this crate: owned, zeroed, aligned.

extern crate std;
use crate::memory::Memory;
use core::cell::UnsafeCell;
use std::vec::Vec;

pub struct TestMemory {
    words: Vec<UnsafeCell<u64>>,
}

impl TestMemory {
    pub fn new(len: usize) -> Self {
        Self { words: (0..len / 8).map(|_| UnsafeCell::new(0)).collect() }
    }

    pub fn memory(&self) -> Memory {
        // SAFETY: the words are 8-aligned, live as long as `self`, which every
        // test keeps until its end, and may be written through a shared borrow.
        unsafe { Memory::new(self.words.as_ptr() as *mut u8, self.words.len() * 8) }
    }
}
