//! A memory for the tests of this crate: owned, zeroed, aligned.

extern crate std;
use crate::memory::Memory;
use std::boxed::Box;
use std::vec;

pub struct TestMemory {
    words: *mut [u64],
}

impl TestMemory {
    /// All zeros in one allocation, which an interpreter, too, makes at once.
    pub fn new(len: usize) -> Self {
        Self { words: Box::into_raw(vec![0; len / 8].into_boxed_slice()) }
    }

    pub fn memory(&self) -> Memory {
        // SAFETY: the words are 8-aligned, live as long as `self`, which every
        // test keeps until its end, and are reached by no reference.
        unsafe { Memory::new(self.words.cast(), self.words.len() * 8) }
    }
}

impl Drop for TestMemory {
    fn drop(&mut self) {
        // SAFETY: `new` made it, and nobody uses it any more.
        drop(unsafe { Box::from_raw(self.words) });
    }
}
