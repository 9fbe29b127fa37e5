//! A ring: `u16 idx, u16 ring[num_desc]`, one producer and one consumer
//! (protocol, section 3). Each end keeps its own position and trusts only it.
//!
//! ```text
//!   ring ─► idx    next entry the producer will write; storing it publishes
//!           ring[0]
//!           …      entries from the consumer's position up to idx are new
//!           ring[num_desc − 1]
//! ```
//!
//! Positions run modulo `num_desc`, so a full ring of `num_desc` entries would
//! read as empty: at most `num_desc − 1` are outstanding (section 4, fault 6),
//! which the driver's count of descriptors sees to.

use crate::abi::limits;
use crate::memory::Memory;
use core::sync::atomic::{Ordering, fence};

/// The `idx` of a ring that its producer has left; never a position, as `num_desc` is at most 65535.
const GONE: u32 = limits::RING_GONE as u32;

/// Why a ring can go no further. The values are those of `queue_fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Fault {
    /// The other side's `idx` is not below `num_desc`, or claims more than is outstanding.
    RingIndex = crate::records::queue_fault::RING_INDEX as i32,
    /// An entry is the index of no descriptor.
    DescriptorIndex = crate::records::queue_fault::DESCRIPTOR_INDEX as i32,
    /// An entry is the index of a descriptor whose turn it is not.
    DescriptorState = crate::records::queue_fault::DESCRIPTOR_STATE as i32,
    /// The endpoint has left the queue.
    Gone = crate::records::queue_fault::GONE as i32,
}

/// The end that writes entries.
#[derive(Clone, Copy, Debug)]
pub struct Producer {
    ring: usize,
    num_desc: u32,
    position: u32,
}

impl Producer {
    /// The producer of the ring at an offset, at a position below `num_desc`.
    pub const fn new(ring: usize, num_desc: u32, position: u32) -> Self {
        Self { ring, num_desc, position }
    }

    /// The next entry's place in the ring.
    #[inline(always)]
    pub const fn position(&self) -> u32 {
        self.position
    }

    /// Writes the next entry; the consumer does not see it before `publish`.
    #[inline(always)]
    pub fn push(&mut self, memory: &Memory, index: u16) {
        memory.write_u16(entry(self.ring, self.position), index);
        self.position = next(self.position, self.num_desc);
    }

    /// Shows the consumer all entries written so far. The store pairs with the
    /// load in [`Consumer::look`]: what the entries speak of was written before.
    #[inline(always)]
    pub fn publish(&self, memory: &Memory) {
        memory.publish_idx(self.ring, self.position as u16);
    }
}

/// The end that takes entries.
#[derive(Clone, Copy, Debug)]
pub struct Consumer {
    ring: usize,
    num_desc: u32,
    position: u32,
}

impl Consumer {
    /// The consumer of the ring at an offset, at a position below `num_desc`.
    pub const fn new(ring: usize, num_desc: u32, position: u32) -> Self {
        Self { ring, num_desc, position }
    }

    /// The next entry's place in the ring.
    #[inline(always)]
    pub const fn position(&self) -> u32 {
        self.position
    }

    /// How far the producer has published: looks until there is something new,
    /// at most `polls` times, at least once. The load pairs with the store in
    /// [`Producer::publish`].
    #[inline(always)]
    pub fn look(&self, memory: &Memory, polls: u32) -> Result<u32, Fault> {
        let mut looks = 1;
        let mut head = self.idx(memory);
        while head == self.position && looks < polls {
            pause();
            looks += 1;
            head = self.idx(memory);
        }
        self.checked(head)
    }

    /// Looks once, at a ring that its producer may have left.
    #[inline(always)]
    pub fn look_unless_gone(&self, memory: &Memory) -> Result<u32, Fault> {
        match self.idx(memory) {
            GONE => Err(Fault::Gone),
            head => self.checked(head),
        }
    }

    #[inline(always)]
    fn idx(&self, memory: &Memory) -> u32 {
        u32::from(memory.load_idx(self.ring))
    }

    #[inline(always)]
    const fn checked(&self, head: u32) -> Result<u32, Fault> {
        if head < self.num_desc { Ok(head) } else { Err(Fault::RingIndex) }
    }

    /// How many entries there are before `head`, a value that `look` gave.
    #[inline(always)]
    pub const fn count_before(&self, head: u32) -> u32 {
        if head >= self.position {
            head - self.position
        } else {
            self.num_desc - self.position + head
        }
    }

    /// Whether there is an entry before `head`, a value that `look` gave.
    #[inline(always)]
    pub const fn has_before(&self, head: u32) -> bool {
        self.position != head
    }

    /// Takes the next entry: the index of a descriptor, checked.
    #[inline(always)]
    pub fn take(&mut self, memory: &Memory) -> Result<u32, Fault> {
        let index = u32::from(memory.read_u16(entry(self.ring, self.position)));
        self.position = next(self.position, self.num_desc);
        if index < self.num_desc { Ok(index) } else { Err(Fault::DescriptorIndex) }
    }
}

/// Waits for a moment between two looks. WebAssembly has no instruction for it; a full fence takes some 10 ns, in
/// which the producer gets the cache line that it is about to write, and a thread that shares this processor's
/// core gets the core. Bare loads took up to half of the other side's speed.
#[inline(always)]
fn pause() {
    if cfg!(target_family = "wasm") {
        fence(Ordering::SeqCst);
    } else {
        core::hint::spin_loop();
    }
}

#[inline(always)]
const fn entry(ring: usize, position: u32) -> usize {
    ring + 2 + 2 * position as usize
}

/// `(position + 1) mod num_desc`, without a division.
#[inline(always)]
const fn next(position: u32, num_desc: u32) -> u32 {
    if position + 1 == num_desc { 0 } else { position + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_memory::TestMemory;

    #[test]
    fn entries_come_out_in_order_over_many_turns() {
        for num_desc in [16, 17, 256] {
            let bytes = TestMemory::new(4096);
            let memory = bytes.memory();
            let mut producer = Producer::new(8, num_desc, 0);
            let mut consumer = Consumer::new(8, num_desc, 0);
            let (mut sent, mut taken) = (0_u32, 0_u32);
            for round in 0..if cfg!(miri) { 70 } else { 1000 } {
                for _ in 0..round % num_desc {
                    producer.push(&memory, (sent % num_desc) as u16);
                    sent += 1;
                }
                assert_eq!(consumer.look(&memory, 1), Ok(consumer.position), "not yet published");
                producer.publish(&memory);
                let head = consumer.look(&memory, 1).expect("a head");
                assert_eq!(consumer.count_before(head), sent - taken);
                while consumer.has_before(head) {
                    assert_eq!(consumer.take(&memory), Ok(taken % num_desc));
                    taken += 1;
                }
                assert_eq!(sent, taken);
            }
        }
    }

    #[test]
    fn an_idx_or_an_entry_out_of_range_is_a_fault() {
        let bytes = TestMemory::new(4096);
        let memory = bytes.memory();
        let mut consumer = Consumer::new(0, 16, 0);
        for idx in [16, 17, u16::MAX] {
            memory.write_u16(0, idx);
            assert_eq!(consumer.look(&memory, 1), Err(Fault::RingIndex));
        }
        memory.publish_idx(0, 16);
        assert_eq!(consumer.look_unless_gone(&memory), Err(Fault::RingIndex));
        memory.write_u16(0, 1);
        memory.write_u16(2, 16);
        assert_eq!(consumer.take(&memory), Err(Fault::DescriptorIndex));
    }

    #[test]
    fn only_a_ring_that_its_producer_may_leave_is_ever_gone() {
        let bytes = TestMemory::new(4096);
        let memory = bytes.memory();
        for num_desc in [16, limits::MAX_DESCRIPTORS as u32] {
            let consumer = Consumer::new(0, num_desc, 0);
            memory.publish_idx(0, limits::RING_GONE as u16);
            assert_eq!(consumer.look_unless_gone(&memory), Err(Fault::Gone));
            assert_eq!(consumer.look(&memory, 1), Err(Fault::RingIndex));
            memory.publish_idx(0, 15);
            assert_eq!(consumer.look_unless_gone(&memory), Ok(15));
        }
    }
}
