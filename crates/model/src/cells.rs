//! A memory that loom looks into: each `idx` an atomic, everything else cells, whose every access
//! loom checks to be ordered with those of other threads.

use crate::memory::{Backing, Memory};
use crate::word::Order;
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU16;

/// A stretch of memory that a model touches, as cells of `grain` bytes.
struct Stretch {
    start: usize,
    grain: usize,
    cells: Vec<UnsafeCell<Vec<u8>>>,
}

/// The memory. What no stretch covers is there, and nobody may touch it.
pub struct Cells {
    len: usize,
    order: Order,
    stretches: Vec<Stretch>,
    idx: Vec<(usize, AtomicU16)>,
}

impl Cells {
    /// A memory of zeros with the `idx` words at some offsets.
    pub fn new(len: usize, order: Order, idx: &[usize]) -> Self {
        let idx = idx.iter().map(|&offset| (offset, AtomicU16::new(0))).collect();
        Self { len, order, stretches: Vec::new(), idx }
    }

    /// With a stretch of `count` cells. A cell is what one side writes while the other leaves it alone.
    pub fn with(mut self, start: usize, grain: usize, count: usize) -> Self {
        let cells = (0..count).map(|_| UnsafeCell::new(vec![0; grain])).collect();
        self.stretches.push(Stretch { start, grain, cells });
        self
    }

    /// The core's view of it.
    pub fn memory(&self) -> Memory {
        // SAFETY: the callers in this crate keep it as long as their queues.
        unsafe { Memory::new(std::ptr::from_ref(self) as *const dyn Backing) }
    }

    /// Each cell that a range touches: what of the cell, and what of the range.
    fn each(
        &self,
        offset: usize,
        len: usize,
        mut visit: impl FnMut(&UnsafeCell<Vec<u8>>, std::ops::Range<usize>, usize),
    ) {
        let end = offset + len;
        let is_in =
            |it: &&Stretch| offset >= it.start && end <= it.start + it.grain * it.cells.len();
        let stretch = self.stretches.iter().find(is_in);
        let Stretch { start, grain, cells } =
            stretch.unwrap_or_else(|| panic!("{offset}, {len} bytes, is nobody's"));
        let mut at = offset;
        while at < end {
            let cell = (at - start) / grain;
            let cell_start = start + cell * grain;
            let stop = end.min(cell_start + grain);
            visit(&cells[cell], at - cell_start..stop - cell_start, at - offset);
            at = stop;
        }
    }

    fn read_bytes(&self, offset: usize, bytes: &mut [u8]) {
        self.each(offset, bytes.len(), |cell, within, at| {
            cell.with(|held| {
                // SAFETY: loom has made sure that nobody writes it now.
                let held = unsafe { &*held };
                bytes[at..at + within.len()].copy_from_slice(&held[within.clone()]);
            });
        });
    }

    fn write_bytes(&self, offset: usize, bytes: &[u8]) {
        self.each(offset, bytes.len(), |cell, within, at| {
            cell.with_mut(|held| {
                // SAFETY: loom has made sure that nobody else touches it now.
                let held = unsafe { &mut *held };
                held[within.clone()].copy_from_slice(&bytes[at..at + within.len()]);
            });
        });
    }

    fn idx(&self, offset: usize) -> &AtomicU16 {
        let found = self.idx.iter().find(|(at, _)| *at == offset);
        &found.unwrap_or_else(|| panic!("{offset} is no idx")).1
    }
}

impl Backing for Cells {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, offset: usize, width: usize) -> u64 {
        let mut bytes = [0; 8];
        self.read_bytes(offset, &mut bytes[..width]);
        u64::from_le_bytes(bytes)
    }

    fn write(&self, offset: usize, width: usize, value: u64) {
        self.write_bytes(offset, &value.to_le_bytes()[..width]);
    }

    fn load_idx(&self, offset: usize) -> u16 {
        self.idx(offset).load(self.order.look)
    }

    fn publish_idx(&self, offset: usize, value: u16) {
        self.order.store(self.order.publish, |order| self.idx(offset).store(value, order));
    }

    fn copy(&self, target: usize, source: usize, len: usize) {
        let mut bytes = vec![0; len];
        self.read_bytes(source, &mut bytes);
        self.write_bytes(target, &bytes);
    }

    fn fill(&self, offset: usize, value: u8, len: usize) {
        self.write_bytes(offset, &vec![value; len]);
    }
}
