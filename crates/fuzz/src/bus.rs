//! The memory of a run, and the second one that says what must be in it.

use crate::shadow::Shadow;
use blockpt_core::dma::Window;
use blockpt_core::memory::{Memory, Range};
use blockpt_core::queue_layout::{Geometry, QueueLayout};
use std::cell::UnsafeCell;
use std::sync::LazyLock;

/// Most descriptors of a run's queue.
pub const MOST_DESC: u32 = 24;
/// Where the queue starts; what is before it is nobody's.
pub const QUEUE: usize = 64;
/// The IOMMU's table.
pub const IOMMU_TABLE: usize = 1024;
/// Host memory: three pages.
pub const HOST: Range = Range { offset: 4096, len: 3 * 4096 };
/// The disc; a sector between it and host memory is nobody's.
pub const DISC: Range = Range { offset: HOST.offset + HOST.len + 512, len: 16 * 512 };
/// All bytes; the last sector is nobody's.
pub const BUS_BYTES: usize = DISC.offset + DISC.len + 512;
/// What nobody's bytes, and all others, are at the start.
const CANARY: u8 = 0xc5;

/// The bytes that every run starts with, but for its queue's.
static START: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = vec![CANARY; BUS_BYTES];
    bytes[IOMMU_TABLE..IOMMU_TABLE + 12].fill(0);
    for range in [HOST, DISC] {
        for (index, byte) in bytes[range.offset..range.offset + range.len].iter_mut().enumerate() {
            *byte = (index / 512 * 7 + index + range.len) as u8;
        }
    }
    bytes
});

/// Where the parts of a queue of so many descriptors are.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Descriptors.
    pub num_desc: u32,
    /// The driver ring.
    pub driver_ring: usize,
    /// The device ring.
    pub device_ring: usize,
    /// Where the queue ends.
    pub end: usize,
}

impl Place {
    /// Where they are.
    pub fn new(num_desc: u32) -> Self {
        let layout = QueueLayout::new(num_desc).expect("a layout");
        let end = QUEUE + layout.bytes as usize;
        assert!(end <= IOMMU_TABLE);
        Self {
            num_desc,
            driver_ring: QUEUE + layout.driver_offset as usize,
            device_ring: QUEUE + layout.device_offset as usize,
            end,
        }
    }

    /// The core's.
    pub fn geometry(&self, memory: &Memory) -> Geometry {
        Geometry::new(memory, QUEUE, self.driver_ring, self.device_ring, self.num_desc)
            .expect("a geometry")
    }
}

/// The host memory that a device reaches.
pub fn window(iommu: bool) -> Window {
    Window::new(HOST, iommu.then_some(IOMMU_TABLE))
}

/// The memory that the core works on.
pub struct Bus {
    words: Box<[UnsafeCell<u64>]>,
    /// What must be in it.
    pub shadow: Shadow,
}

impl Bus {
    /// A memory with zeros where the queue is, other bytes in host memory and on the disc, and canaries.
    pub fn new(place: &Place) -> Self {
        let mut bytes = START.clone();
        bytes[QUEUE..place.end].fill(0);
        let (words, _) = bytes.as_chunks::<8>();
        let words = words.iter().map(|word| UnsafeCell::new(u64::from_le_bytes(*word))).collect();
        Self { words, shadow: Shadow { bytes } }
    }

    /// The core's view of it.
    pub fn memory(&self) -> Memory {
        // SAFETY: aligned words that may be written through a shared borrow; every run keeps the bus to its end.
        unsafe { Memory::new(self.words.as_ptr() as *mut u8, BUS_BYTES) }
    }

    /// Writes on both, as somebody whom neither the core nor the reference is.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let memory = self.memory();
        for (index, byte) in bytes.iter().enumerate() {
            memory.write_u8(offset + index, *byte);
        }
        self.shadow.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Panics unless every byte is what it must be.
    pub fn assert_same(&self) {
        let base = self.words.as_ptr().cast::<u8>();
        // SAFETY: all of the words, and nobody writes them now.
        let real = unsafe { std::slice::from_raw_parts(base, BUS_BYTES) };
        if real != self.shadow.bytes {
            let at = (0..BUS_BYTES).find(|&at| real[at] != self.shadow.bytes[at]);
            let at = at.expect("a byte that differs");
            panic!("byte {at} is {:#x}, not {:#x}", real[at], self.shadow.bytes[at]);
        }
    }
}
