//! A queue of the fewest descriptors in a small memory, and both its ends, each with the arrays that it borrows.

use crate::abi::feature;
use crate::cells::Cells;
use crate::descriptor::Limits;
use crate::device_queue::DeviceQueue;
use crate::dma::Window;
use crate::driver_queue::DriverQueue;
use crate::memory::{Memory, Range};
use crate::queue_layout::{Geometry, QueueLayout};
use crate::records::{CompletionRecord, RequestRecord};
use crate::word::Order;

/// Descriptors of the queue, the fewest there may be.
pub const NUM_DESC: u32 = 16;
/// Host memory.
pub const HOST: Range = Range { offset: 512, len: 4 * 512 };
/// The disc.
pub const DISC: Range = Range { offset: HOST.offset + HOST.len, len: 4 * 512 };
/// Bytes of the memory.
pub const BUS_BYTES: usize = DISC.offset + DISC.len;
/// A record of zeros.
pub const EMPTY: RequestRecord = RequestRecord {
    start_sector_low: 0,
    start_sector_high: 0,
    address: 0,
    len_bytes: 0,
    opf: 0,
    tag: 0,
    flags: 0,
    status: 0,
};

/// Where the queue's parts are.
pub fn layout() -> QueueLayout {
    QueueLayout::new(NUM_DESC).expect("a layout")
}

/// The memory in cells: a word of a descriptor, an entry of a ring, a sector.
pub fn cells(order: Order) -> Cells {
    let rings = [layout().driver_offset as usize, layout().device_offset as usize];
    let mut cells = Cells::new(BUS_BYTES, order, &rings).with(0, 8, NUM_DESC as usize * 3);
    for ring in rings {
        cells = cells.with(ring + 2, 2, NUM_DESC as usize);
    }
    cells.with(HOST.offset, 512, 4).with(DISC.offset, 512, 4)
}

/// The checked geometry of the queue.
pub fn geometry(memory: &Memory) -> Geometry {
    let QueueLayout { driver_offset, device_offset, .. } = layout();
    Geometry::new(memory, 0, driver_offset as usize, device_offset as usize, NUM_DESC)
        .expect("a geometry")
}

/// What the device queue is opened with.
pub const fn limits() -> Limits {
    Limits {
        num_sectors: (DISC.len / 512) as u64,
        max_len: 1024,
        read_only: false,
        features: feature::FLUSH | feature::DISCARD | feature::WRITE_ZEROES,
        window: Window::new(HOST, None),
    }
}

/// The driver's end.
pub struct Driver {
    /// The queue.
    pub queue: DriverQueue<'static>,
    free: *mut [u16],
    tags: *mut [u32],
}

impl Driver {
    /// Opens it on a memory that outlives it.
    pub fn open(memory: Memory) -> Self {
        let free = Box::into_raw(vec![0; NUM_DESC as usize].into_boxed_slice());
        let tags = Box::into_raw(vec![0; NUM_DESC as usize].into_boxed_slice());
        // SAFETY: they are freed with the queue, and nobody else has them.
        let (free_list, tag_list) = unsafe { (&mut *free, &mut *tags) };
        let queue = DriverQueue::new(memory, geometry(&memory), 0, free_list, tag_list);
        Self { queue, free, tags }
    }

    /// Reaps once: marks and statuses.
    pub fn reap(&mut self) -> Vec<(u32, u32)> {
        let mut list = [CompletionRecord { tag: 0, status: 0 }; 4];
        let count = self.queue.reap(&mut list).expect("no fault");
        list[..count].iter().map(|it| (it.tag, it.status)).collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: `open` made them, and the queue is not used any more.
        unsafe {
            drop(Box::from_raw(self.free));
            drop(Box::from_raw(self.tags));
        }
    }
}

/// The device's end.
pub struct Device {
    /// The queue.
    pub queue: DeviceQueue<'static>,
    in_service: *mut [u32],
}

impl Device {
    /// Opens it on a memory that outlives it.
    pub fn open(memory: Memory, limits: Limits) -> Self {
        let in_service = Box::into_raw(vec![0; NUM_DESC as usize].into_boxed_slice());
        // SAFETY: it is freed with the queue, and nobody else has it.
        let list = unsafe { &mut *in_service };
        let queue = DeviceQueue::new(memory, geometry(&memory), limits, list);
        Self { queue, in_service }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: `open` made it, and the queue is not used any more.
        drop(unsafe { Box::from_raw(self.in_service) });
    }
}

/// A request of one sector, whose mark, place in host memory and sector go together.
pub fn request(opf: u8, sector: u32, tag: u32) -> RequestRecord {
    let address = HOST.offset as u32 + sector * 512;
    RequestRecord {
        start_sector_low: sector,
        address,
        len_bytes: 512,
        opf: u32::from(opf),
        tag,
        ..EMPTY
    }
}
