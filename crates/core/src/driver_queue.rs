//! The driver's end of a queue: allocate a descriptor, fill it, publish it, reap
//! its completion.

use crate::abi::{Descriptor, descriptor_flag};
use crate::memory::Memory;
use crate::queue_layout::Geometry;
use crate::records::{CompletionRecord, RequestRecord};
use crate::ring::{Consumer, Fault, Producer};

/// The mark of a descriptor that is not outstanding.
const FREE: u32 = u32::MAX;

/// The driver's end of a queue, and which descriptors are outstanding. None of
/// that is read back from shared memory.
#[derive(Debug)]
pub struct DriverQueue<'a> {
    memory: Memory,
    geometry: Geometry,
    driver_ring: Producer,
    device_ring: Consumer,
    /// A stack of free descriptors, `free_len` high. One descriptor is never
    /// used: with `num_desc` outstanding a full ring would read as empty.
    free: &'a mut [u16],
    free_len: usize,
    /// The caller's mark of each outstanding descriptor, else [`FREE`].
    tags: &'a mut [u32],
    fault: Option<Fault>,
}

impl<'a> DriverQueue<'a> {
    /// A queue with every descriptor free, both rings at `position`, below `num_desc`: 0, or where
    /// a driver before this one left them. `free` and `tags` have room for `num_desc` items
    /// each. The driver ring's `idx` is set; the device ring's is the device's.
    pub fn new(
        memory: Memory,
        geometry: Geometry,
        position: u32,
        free: &'a mut [u16],
        tags: &'a mut [u32],
    ) -> Self {
        let num_desc = geometry.num_desc();
        let usable = num_desc as usize - 1;
        for (height, slot) in free[..usable].iter_mut().enumerate() {
            *slot = (usable - 1 - height) as u16;
        }
        tags[..num_desc as usize].fill(FREE);
        memory.publish_idx(geometry.driver_ring(), position as u16);
        Self {
            memory,
            geometry,
            driver_ring: Producer::new(geometry.driver_ring(), num_desc, position),
            device_ring: Consumer::new(geometry.device_ring(), num_desc, position),
            free,
            free_len: usable,
            tags,
            fault: None,
        }
    }

    /// Allocates descriptors, fills them and puts them on the driver ring, until
    /// the list or the descriptors end; says how many. Marks are below `u32::MAX`.
    #[inline(always)]
    pub fn put(&mut self, requests: &[RequestRecord]) -> usize {
        let count = requests.len().min(self.free_len);
        for request in &requests[..count] {
            self.free_len -= 1;
            let index = self.free[self.free_len];
            self.tags[usize::from(index)] = request.tag;
            let flags = request.flags | u32::from(descriptor_flag::IN_USE);
            Descriptor::of(&RequestRecord { flags, ..*request })
                .write(&self.memory, self.geometry.descriptor(u32::from(index)));
            self.driver_ring.push(&self.memory, index);
        }
        count
    }

    /// Shows the device all that was put.
    #[inline(always)]
    pub fn publish(&self) {
        self.driver_ring.publish(&self.memory);
    }

    /// Takes completions until the list is full or the device ring is empty; says
    /// how many. Their descriptors are cleared and free again. After a fault the
    /// queue is of no more use; what came before it is given first.
    #[inline(always)]
    pub fn reap(&mut self, list: &mut [CompletionRecord]) -> Result<usize, Fault> {
        let mut reaped = 0;
        if self.fault.is_none() {
            self.fault = self.reap_into(list, &mut reaped).err();
        }
        match self.fault {
            Some(fault) if reaped == 0 => Err(fault),
            _ => Ok(reaped),
        }
    }

    #[inline(always)]
    fn reap_into(
        &mut self,
        list: &mut [CompletionRecord],
        reaped: &mut usize,
    ) -> Result<(), Fault> {
        let head = self.device_ring.look_unless_gone(&self.memory)?;
        // More completions than requests: the ring was set back, as by a reset of the BAR.
        let outstanding = self.geometry.num_desc() as usize - 1 - self.free_len;
        if self.device_ring.count_before(head) as usize > outstanding {
            return Err(Fault::RingIndex);
        }
        while self.device_ring.has_before(head) && *reaped < list.len() {
            let index = self.device_ring.take(&self.memory)?;
            let tag = self.tags[index as usize];
            if tag == FREE {
                return Err(Fault::DescriptorState);
            }
            let descriptor = self.geometry.descriptor(index);
            // One that is not as it was put, as after a reset of the BAR, has no result.
            let Some(status) = Descriptor::read_result(&self.memory, descriptor) else {
                return Err(Fault::DescriptorState);
            };
            Descriptor::clear(&self.memory, descriptor);
            self.tags[index as usize] = FREE;
            self.free[self.free_len] = index as u16;
            self.free_len += 1;
            list[*reaped] = CompletionRecord { tag, status: u32::from(status) };
            *reaped += 1;
        }
        Ok(())
    }
}
