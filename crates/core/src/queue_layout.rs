//! Where the parts of a queue are.
//!
//! ```text
//!   descriptors        num_desc × 24 bytes, rounded up to 8
//!   driver_offset      driver ring: u16 idx, u16 ring[num_desc], rounded up to 8
//!   device_offset      device ring: the same shape
//!   doorbell_offset    doorbell block, if there is one: 128 bytes, at a multiple of 64
//! ```

use crate::abi::limits;
use crate::memory::Memory;

const MIN_DESCRIPTORS: u32 = limits::MIN_DESCRIPTORS as u32;
const MAX_DESCRIPTORS: u32 = limits::MAX_DESCRIPTORS as u32;
const DESCRIPTOR_BYTES: usize = limits::DESCRIPTOR_BYTES as usize;
const DOORBELL_BYTES: u32 = limits::DOORBELL_BYTES as u32;
const DOORBELL_ALIGNMENT: u32 = limits::DOORBELL_ALIGNMENT as u32;

/// The layout of a queue that a driver makes (protocol, sections 3 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLayout {
    /// Bytes of the whole queue.
    pub bytes: u32,
    /// The driver ring, in bytes from the start of the queue.
    pub driver_offset: u32,
    /// The device ring, in bytes from the start of the queue.
    pub device_offset: u32,
    /// The doorbell block, in bytes from the start of the queue, if there is one.
    pub doorbell_offset: Option<u32>,
}

impl QueueLayout {
    /// The layout for 16 to 65535 descriptors; `None` for any other number.
    pub const fn new(num_desc: u32) -> Option<Self> {
        if num_desc < MIN_DESCRIPTORS || num_desc > MAX_DESCRIPTORS {
            return None;
        }
        // At most 65535 × 24 + 2 × 131080 = 1 835 000: nothing here overflows a u32.
        let descriptors = (num_desc * DESCRIPTOR_BYTES as u32).next_multiple_of(8);
        let ring = (ring_bytes(num_desc) as u32).next_multiple_of(8);
        Some(Self {
            bytes: descriptors + 2 * ring,
            driver_offset: descriptors,
            device_offset: descriptors + ring,
            doorbell_offset: None,
        })
    }

    /// The layout with a doorbell block behind both rings. The queue itself starts at a
    /// multiple of `DOORBELL_ALIGNMENT`, too: the offsets are relative to it.
    pub const fn with_doorbell(num_desc: u32) -> Option<Self> {
        let Some(rings) = Self::new(num_desc) else {
            return None;
        };
        // `new` leaves far more room in a u32 than the block takes.
        let doorbell_offset = rings.bytes.next_multiple_of(DOORBELL_ALIGNMENT);
        Some(Self {
            bytes: doorbell_offset + DOORBELL_BYTES,
            doorbell_offset: Some(doorbell_offset),
            ..rings
        })
    }
}

/// Bytes that a ring of so many descriptors uses.
const fn ring_bytes(num_desc: u32) -> usize {
    2 + 2 * num_desc as usize
}

/// Where a queue's parts are in a memory, as offsets that were checked: aligned,
/// inside, and apart from each other. Only [`Geometry::new`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    descriptors: usize,
    driver_ring: usize,
    device_ring: usize,
    num_desc: u32,
}

impl Geometry {
    /// Checks the offsets of a queue's parts in `memory`; `None` if they cannot be.
    pub fn new(
        memory: &Memory,
        descriptors: usize,
        driver_ring: usize,
        device_ring: usize,
        num_desc: u32,
    ) -> Option<Self> {
        if !(MIN_DESCRIPTORS..=MAX_DESCRIPTORS).contains(&num_desc) {
            return None;
        }
        let parts = [
            (descriptors, num_desc as usize * DESCRIPTOR_BYTES, 8),
            (driver_ring, ring_bytes(num_desc), 2),
            (device_ring, ring_bytes(num_desc), 2),
        ];
        for (index, &(offset, len, align)) in parts.iter().enumerate() {
            if !offset.is_multiple_of(align) || !memory.contains(offset, len) {
                return None;
            }
            for &(other, other_len, _) in &parts[..index] {
                // Both ranges are inside the memory: the sums do not overflow.
                if offset < other + other_len && other < offset + len {
                    return None;
                }
            }
        }
        Some(Self { descriptors, driver_ring, device_ring, num_desc })
    }

    /// Number of descriptors.
    #[inline(always)]
    pub const fn num_desc(&self) -> u32 {
        self.num_desc
    }

    /// Offset of the driver ring.
    #[inline(always)]
    pub const fn driver_ring(&self) -> usize {
        self.driver_ring
    }

    /// Offset of the device ring.
    #[inline(always)]
    pub const fn device_ring(&self) -> usize {
        self.device_ring
    }

    /// Offset of a descriptor; `index` is below `num_desc`, so nothing overflows.
    #[inline(always)]
    pub const fn descriptor(&self, index: u32) -> usize {
        debug_assert!(index < self.num_desc);
        self.descriptors + index as usize * DESCRIPTOR_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_memory::TestMemory;

    /// All numbers of descriptors, or as many as an interpreter gets through.
    const STRIDE: usize = if cfg!(miri) { 1009 } else { 1 };

    #[test]
    fn layouts_are_those_of_the_protocol() {
        assert_eq!(
            QueueLayout::new(1024),
            Some(QueueLayout {
                bytes: 28688,
                driver_offset: 24576,
                device_offset: 26632,
                doorbell_offset: None
            })
        );
        assert_eq!(QueueLayout::new(256).map(|layout| layout.bytes), Some(7184));
        assert_eq!(QueueLayout::new(65535).map(|layout| layout.bytes), Some(1_834_984));
    }

    #[test]
    fn descriptor_counts_outside_the_limits_have_no_layout() {
        for num_desc in [0, 1, 15, 65536, u32::MAX] {
            assert_eq!(QueueLayout::new(num_desc), None, "{num_desc}");
            assert_eq!(QueueLayout::with_doorbell(num_desc), None, "{num_desc}");
        }
    }

    #[test]
    fn a_doorbell_block_lies_behind_the_rings_and_moves_nothing() {
        let layout = QueueLayout::with_doorbell(1024).expect("a layout");
        assert_eq!((layout.doorbell_offset, layout.bytes), (Some(28736), 28864));
        for num_desc in (MIN_DESCRIPTORS..=MAX_DESCRIPTORS).step_by(STRIDE) {
            let rings = QueueLayout::new(num_desc).expect("a layout");
            let layout = QueueLayout::with_doorbell(num_desc).expect("a layout");
            let doorbell = layout.doorbell_offset.expect("a doorbell block");
            assert!((rings.bytes..rings.bytes + 64).contains(&doorbell));
            assert!(doorbell.is_multiple_of(64));
            let bytes = doorbell + 128;
            assert_eq!(layout, QueueLayout { bytes, doorbell_offset: Some(doorbell), ..rings });
        }
    }

    #[test]
    fn every_layout_is_aligned_and_without_overlap() {
        for num_desc in (MIN_DESCRIPTORS..=MAX_DESCRIPTORS).step_by(STRIDE) {
            let layout = QueueLayout::new(num_desc).expect("a layout");
            assert!(
                layout.driver_offset >= num_desc * 24 && layout.driver_offset.is_multiple_of(8)
            );
            assert!(layout.device_offset >= layout.driver_offset + 2 + 2 * num_desc);
            assert!(layout.bytes >= layout.device_offset + 2 + 2 * num_desc);
            assert!(layout.bytes.is_multiple_of(8));
        }
    }

    #[test]
    fn a_geometry_outside_the_memory_misaligned_or_overlapping_is_refused() {
        let bytes = TestMemory::new(8192);
        let memory = bytes.memory();
        let geometry = |descriptors, driver, device, count| {
            Geometry::new(&memory, descriptors, driver, device, count)
        };
        assert!(geometry(0, 384, 424, 16).is_some());
        assert!(geometry(0, 384, 418, 16).is_some(), "parts may touch");
        for (descriptors, driver, device, count) in [
            (0, 384, 416, 16),             // device ring begins in the driver ring
            (0, 382, 424, 16),             // driver ring begins in the descriptors
            (4, 1024, 2048, 16),           // misaligned descriptors
            (0, 1025, 2048, 16),           // misaligned ring
            (0, 1024, 8192 - 32, 16),      // ring ends behind the memory
            (0, usize::MAX - 1, 2048, 16), // offset + length overflows
            (usize::MAX - 7, 1024, 2048, 16),
            (0, 1024, 2048, 15),
            (0, 1024, 2048, u32::MAX),
        ] {
            assert_eq!(geometry(descriptors, driver, device, count), None);
        }
    }
}
