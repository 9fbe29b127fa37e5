//! The device's end of a queue: fetch a batch of descriptors, check them,
//! complete them. What the driver wrote is untrusted throughout.

use crate::abi::{Descriptor, blk_status, limits, operation};
use crate::descriptor::{Limits, Operation, Request, Work};
use crate::dma::Transfer;
use crate::memory::{Memory, Range};
use crate::queue_layout::Geometry;
use crate::records::{CompletionRecord, Counters, RequestRecord, list};
use crate::ring::{Consumer, Fault, Producer};

/// The device's end of a queue.
#[derive(Debug)]
pub struct DeviceQueue<'a> {
    memory: Memory,
    geometry: Geometry,
    limits: Limits,
    driver_ring: Consumer,
    device_ring: Producer,
    /// Entries put on the device ring and not yet published, and the bytes of their requests.
    unpublished: u32,
    unpublished_bytes: u32,
    /// How many completions were put on the device ring, modulo 2^32.
    completed: u32,
    counters: Counters,
    /// The `Work` of each descriptor that was handed out and not yet completed; 0 for the others.
    in_service: &'a mut [u32],
    fault: Option<Fault>,
}

impl<'a> DeviceQueue<'a> {
    /// A queue at the start of both rings. `in_service` has room for `num_desc` items.
    pub fn new(
        memory: Memory,
        geometry: Geometry,
        limits: Limits,
        in_service: &'a mut [u32],
    ) -> Self {
        in_service[..geometry.num_desc() as usize].fill(0);
        Self {
            memory,
            geometry,
            limits,
            driver_ring: Consumer::new(geometry.driver_ring(), geometry.num_desc(), 0),
            device_ring: Producer::new(geometry.device_ring(), geometry.num_desc(), 0),
            unpublished: 0,
            unpublished_bytes: 0,
            completed: 0,
            counters: Counters::ZERO,
            in_service,
            fault: None,
        }
    }

    /// How many completions were put on the device ring, modulo 2^32.
    #[inline(always)]
    pub const fn completed(&self) -> u32 {
        self.completed
    }

    /// What was done since the queue was opened.
    #[inline(always)]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The disc has another size from here on: the next descriptor is checked against it.
    /// A request in service was checked against the old one.
    #[inline(always)]
    pub fn resize(&mut self, num_sectors: u64) {
        self.limits.num_sectors = num_sectors;
    }

    /// Hands out what is new on the driver ring, checked, until the list is full;
    /// says how many. A descriptor that fails its check is answered here and now.
    /// Looks at an empty ring `polls` times. After a fault the queue is of no more
    /// use; what came before it is given first.
    #[inline(always)]
    pub fn fetch(&mut self, requests: &mut [RequestRecord], polls: u32) -> Result<usize, Fault> {
        let mut fetched = 0;
        let most = requests.len() as u32;
        self.drain(polls, most, |queue, index, request| {
            queue.in_service[index as usize] = request.work().word();
            requests[fetched] = request.record(index);
            fetched += 1;
        })?;
        Ok(fetched)
    }

    /// Serves what is new on the driver ring from a disc that lies in the memory,
    /// at most `most` requests; says how many there were. Its memory is as stable as it
    /// gets: a flush has nothing to do. Polls and faults as `fetch` does.
    #[inline(always)]
    pub fn serve(
        &mut self,
        disc: Range,
        transfer: Transfer,
        polls: u32,
        most: u32,
    ) -> Result<u32, Fault> {
        self.drain(polls, most, |queue, index, request| {
            // start_sector + len is at most num_sectors, and the disc has room for
            // num_sectors: nothing overflows, and the copy checks it once more.
            let start = request.start_sector() as usize * limits::SECTOR_BYTES as usize;
            let len = request.len_bytes() as usize;
            debug_assert!(start + len <= disc.len);
            let (memory, sectors) = (&queue.memory, disc.offset + start);
            match request.operation() {
                Operation::Read => transfer.copy(memory, request.address(), sectors, len),
                Operation::Write => transfer.copy(memory, sectors, request.address(), len),
                Operation::Discard | Operation::WriteZeroes => memory.fill(sectors, 0, len),
                Operation::Flush => {}
            }
            queue.complete_one(index, Some(request.work()), blk_status::OK);
        })
    }

    /// Answers what is new on the driver ring without moving a byte, at most `most` requests; says how
    /// many there were. What the rings alone can do. Polls and faults as `fetch` does.
    #[inline(always)]
    pub fn answer(&mut self, polls: u32, most: u32) -> Result<u32, Fault> {
        self.drain(polls, most, |queue, index, request| {
            queue.complete_one(index, Some(request.work()), blk_status::OK);
        })
    }

    /// Completes descriptors that `fetch` handed out, in the order of the list,
    /// and publishes them. An entry that was not handed out is our caller's bug.
    #[inline(always)]
    pub fn complete(&mut self, completions: &[CompletionRecord]) {
        for completion in completions {
            let work = Work::of(self.in_service[completion.tag as usize]);
            assert!(work.is_some(), "completed twice");
            self.in_service[completion.tag as usize] = 0;
            self.complete_one(completion.tag, work, completion.status as u8);
        }
        self.publish();
    }

    /// Takes descriptors from the driver ring: good ones go to `serve`, others are
    /// answered. Publishes at the end, and says how many were taken.
    #[inline(always)]
    fn drain(
        &mut self,
        polls: u32,
        most: u32,
        serve: impl FnMut(&mut Self, u32, Request),
    ) -> Result<u32, Fault> {
        let mut taken = 0;
        if self.fault.is_none() {
            self.fault = self.take_each(polls, most, &mut taken, serve).err();
            self.publish();
        }
        match self.fault {
            Some(fault) if taken == 0 => Err(fault),
            _ => Ok(taken),
        }
    }

    #[inline(always)]
    fn take_each(
        &mut self,
        polls: u32,
        most: u32,
        taken: &mut u32,
        mut serve: impl FnMut(&mut Self, u32, Request),
    ) -> Result<(), Fault> {
        let head = self.driver_ring.look(&self.memory, polls)?;
        while self.driver_ring.has_before(head) && *taken < most {
            let index = self.driver_ring.take(&self.memory)?;
            if self.in_service[index as usize] != 0 {
                // Its one completion belongs to the request in service; a status
                // written now would end that one while its data still moves.
                return Err(Fault::DescriptorState);
            }
            let descriptor = Descriptor::read(&self.memory, self.geometry.descriptor(index));
            match self.limits.check(&self.memory, &descriptor) {
                Ok(request) => serve(self, index, request),
                Err(status) => self.complete_one(index, None, status),
            }
            *taken += 1;
        }
        Ok(())
    }

    /// Answers a descriptor, and counts it. `work` is what it was taken for, and `None` for one that
    /// failed its check.
    #[inline(always)]
    fn complete_one(&mut self, index: u32, work: Option<Work>, status: u8) {
        match work {
            Some(work) if status == blk_status::OK => {
                self.counters.add(work);
                self.unpublished_bytes = self.unpublished_bytes.saturating_add(work.len_bytes());
            }
            _ => self.counters.errors += 1.0,
        }
        Descriptor::write_status(&self.memory, self.geometry.descriptor(index), status);
        self.device_ring.push(&self.memory, index as u16);
        self.completed = self.completed.wrapping_add(1);
        self.unpublished += 1;
        if self.unpublished == list::PUBLISH_EVERY || self.unpublished_bytes >= list::PUBLISH_BYTES
        {
            self.publish();
        }
    }

    #[inline(always)]
    fn publish(&mut self) {
        if self.unpublished != 0 {
            self.unpublished = 0;
            self.unpublished_bytes = 0;
            self.device_ring.publish(&self.memory);
        }
    }
}

impl Counters {
    const ZERO: Self = Self {
        reads: 0.0,
        writes: 0.0,
        flushes: 0.0,
        discards: 0.0,
        bytes_read: 0.0,
        bytes_written: 0.0,
        errors: 0.0,
    };

    /// Counts work that was done.
    #[inline(always)]
    fn add(&mut self, work: Work) {
        let len = f64::from(work.len_bytes());
        match work.opf() {
            operation::READ => {
                self.reads += 1.0;
                self.bytes_read += len;
            }
            operation::WRITE => {
                self.writes += 1.0;
                self.bytes_written += len;
            }
            operation::FLUSH => self.flushes += 1.0,
            _ => self.discards += 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::abi::{descriptor_flag, feature};
    use crate::dma::Window;
    use crate::driver_queue::DriverQueue;
    use crate::queue_layout::QueueLayout;
    use crate::test_memory::TestMemory;
    use std::{vec, vec::Vec};

    const NUM_DESC: u32 = 16;
    const HOST: Range = Range { offset: 8192, len: 65536 };
    const DISC: Range = Range { offset: 8192 + 65536, len: 65536 };
    const BUS_BYTES: usize = DISC.offset + DISC.len + 4096;

    const EMPTY: RequestRecord = RequestRecord {
        start_sector_low: 0,
        start_sector_high: 0,
        address: 0,
        len_bytes: 0,
        opf: 0,
        tag: 0,
        flags: 0,
        status: 0,
    };

    /// The parts of one queue, which both ends borrow.
    struct Bench {
        bytes: TestMemory,
        free: Vec<u16>,
        tags: Vec<u32>,
        in_service: Vec<u32>,
        num_desc: u32,
    }

    impl Bench {
        fn new(num_desc: u32) -> Self {
            let count = num_desc as usize;
            Self {
                bytes: TestMemory::new(BUS_BYTES),
                free: vec![0; count],
                tags: vec![0; count],
                in_service: vec![0; count],
                num_desc,
            }
        }

        fn open(&mut self) -> (Memory, Geometry, DriverQueue<'_>, DeviceQueue<'_>) {
            let memory = self.bytes.memory();
            let layout = QueueLayout::new(self.num_desc).expect("a layout");
            let geometry = Geometry::new(
                &memory,
                0,
                layout.driver_offset as usize,
                layout.device_offset as usize,
                self.num_desc,
            )
            .expect("a geometry");
            let limits = Limits {
                num_sectors: (DISC.len / 512) as u64,
                max_len: 65536,
                read_only: false,
                features: u32::MAX,
                window: Window::new(HOST, None),
            };
            let driver = DriverQueue::new(memory, geometry, 0, &mut self.free, &mut self.tags);
            let device = DeviceQueue::new(memory, geometry, limits, &mut self.in_service);
            (memory, geometry, driver, device)
        }
    }

    fn read(sector: u32, tag: u32) -> RequestRecord {
        RequestRecord {
            start_sector_low: sector,
            address: HOST.offset as u32 + sector * 512,
            len_bytes: 512,
            tag,
            ..EMPTY
        }
    }

    fn reap(driver: &mut DriverQueue<'_>) -> Vec<(u32, u32)> {
        let mut list = [CompletionRecord { tag: 0, status: 0 }; 64];
        let count = driver.reap(&mut list).expect("no fault");
        list[..count].iter().map(|completion| (completion.tag, completion.status)).collect()
    }

    /// Whether every byte of an aligned range is `byte`.
    fn is_filled(memory: &Memory, offset: usize, len: usize, byte: u8) -> bool {
        let word = u64::from_ne_bytes([byte; 8]);
        (offset..offset + len).step_by(8).all(|at| memory.read_u64(at) == word)
    }

    #[test]
    fn requests_are_handed_out_in_order_and_completed_in_any() {
        let mut bench = Bench::new(NUM_DESC);
        let (memory, geometry, mut driver, mut device) = bench.open();
        let mut list = [EMPTY; 8];
        assert_eq!(driver.put(&[read(3, 103), read(5, 105)]), 2);
        assert_eq!(device.fetch(&mut list, 1), Ok(0), "not yet published");
        driver.publish();
        assert_eq!(device.fetch(&mut list, 1), Ok(2));
        assert_eq!((list[0].start_sector_low, list[1].start_sector_low), (3, 5));
        assert_eq!(reap(&mut driver), []);
        let done = |index: u32, status| CompletionRecord { tag: index, status };
        device.complete(&[done(list[1].tag, 0), done(list[0].tag, 10)]);
        assert_eq!(reap(&mut driver), [(105, 0), (103, 10)]);
        for index in 0..NUM_DESC {
            let cleared = Descriptor::read(&memory, geometry.descriptor(index));
            assert_eq!((cleared.flags, cleared.len, cleared.status), (0, 0, 0));
        }
    }

    #[test]
    fn all_but_one_descriptor_may_be_outstanding() {
        let mut bench = Bench::new(NUM_DESC);
        let (_, _, mut driver, mut device) = bench.open();
        for round in 0..if cfg!(miri) { 10 } else { 100 } {
            let requests: Vec<_> = (0..20).map(|index| read(index, round * 100 + index)).collect();
            assert_eq!(driver.put(&requests), 15);
            assert_eq!(driver.put(&requests), 0);
            driver.publish();
            assert_eq!(device.serve(DISC, Transfer::Dma, 1, 1000), Ok(15));
            assert_eq!(reap(&mut driver).len(), 15);
        }
    }

    #[test]
    fn a_memory_disc_is_read_and_written_and_nothing_around_it() {
        let mut bench = Bench::new(NUM_DESC);
        let (memory, _, mut driver, mut device) = bench.open();
        let sectors = (BUS_BYTES - HOST.offset) / 512;
        for sector in 0..sectors {
            memory.fill(HOST.offset + sector * 512, sector as u8, 512);
        }
        let write = RequestRecord {
            start_sector_low: 2,
            address: HOST.offset as u32 + 4 * 512,
            len_bytes: 1024,
            opf: 1,
            ..EMPTY
        };
        let read = RequestRecord { start_sector_low: 127, address: HOST.offset as u32, ..write };
        driver.put(&[write, RequestRecord { opf: 0, len_bytes: 512, ..read }]);
        driver.publish();
        assert_eq!(device.serve(DISC, Transfer::Pio, 1, 1000), Ok(2));
        assert_eq!(reap(&mut driver), [(0, 0), (0, 0)]);
        for sector in 0..sectors {
            let byte = match sector {
                0 => 128 + 127,
                130 | 131 => sector - 126,
                _ => sector,
            };
            assert!(is_filled(&memory, HOST.offset + sector * 512, 512, byte as u8), "{sector}");
        }
    }

    #[test]
    fn a_memory_disc_is_zeroed_and_nothing_around_it() {
        for opf in [operation::DISCARD, operation::WRITE_ZEROES] {
            let mut bench = Bench::new(NUM_DESC);
            let (memory, _, mut driver, mut device) = bench.open();
            memory.fill(HOST.offset, 0xee, BUS_BYTES - HOST.offset);
            let zeroes = RequestRecord { len_bytes: 1024, opf: u32::from(opf), ..read(126, 1) };
            driver.put(&[RequestRecord { start_sector_low: 127, tag: 2, ..zeroes }, zeroes]);
            driver.publish();
            assert_eq!(device.serve(DISC, Transfer::Pio, 1, 1000), Ok(2));
            assert_eq!(reap(&mut driver), [(2, u32::from(blk_status::INVAL)), (1, 0)]);
            let (zeroed, end) = (DISC.offset + 126 * 512, DISC.offset + DISC.len);
            assert!(is_filled(&memory, HOST.offset, zeroed - HOST.offset, 0xee));
            assert!(is_filled(&memory, zeroed, end - zeroed, 0));
            assert!(is_filled(&memory, end, BUS_BYTES - end, 0xee));
        }
    }

    #[test]
    fn a_memory_disc_is_flushed_and_written_with_fua() {
        let mut bench = Bench::new(NUM_DESC);
        let (memory, _, mut driver, mut device) = bench.open();
        memory.fill(HOST.offset, 0xee, HOST.len);
        let write = RequestRecord {
            opf: u32::from(operation::WRITE),
            flags: u32::from(descriptor_flag::FUA),
            ..read(5, 1)
        };
        let flush = RequestRecord { opf: u32::from(operation::FLUSH), tag: 2, ..EMPTY };
        driver.put(&[write, flush]);
        driver.publish();
        assert_eq!(device.serve(DISC, Transfer::Dma, 1, 1000), Ok(2));
        assert_eq!(reap(&mut driver), [(1, 0), (2, 0)]);
        for sector in 0..DISC.len / 512 {
            let byte = if sector == 5 { 0xee } else { 0 };
            assert!(is_filled(&memory, DISC.offset + sector * 512, 512, byte), "{sector}");
        }
    }

    #[test]
    fn what_was_done_is_counted_and_what_failed_is_an_error() {
        let mut bench = Bench::new(NUM_DESC);
        let (_, _, mut driver, mut device) = bench.open();
        let of =
            |opf: u8, len_bytes| RequestRecord { opf: u32::from(opf), len_bytes, ..read(0, 1) };
        let each = [
            of(operation::READ, 1024),
            of(operation::WRITE, 512),
            of(operation::WRITE, 65536),
            of(operation::FLUSH, 0),
            of(operation::DISCARD, 512),
            of(operation::WRITE_ZEROES, 512),
            of(operation::READ, 100),
        ];
        let served = Counters {
            reads: 1.0,
            writes: 2.0,
            flushes: 1.0,
            discards: 2.0,
            bytes_read: 1024.0,
            bytes_written: 66048.0,
            errors: 1.0,
        };
        driver.put(&each);
        driver.publish();
        assert_eq!(device.serve(DISC, Transfer::Dma, 1, 1000), Ok(7));
        assert_eq!(*device.counters(), served);
        reap(&mut driver);

        let mut list = [EMPTY; 8];
        driver.put(&each);
        driver.publish();
        assert_eq!(device.fetch(&mut list, 1), Ok(6));
        let fetched = Counters { errors: 2.0, ..served };
        assert_eq!(*device.counters(), fetched, "a request in service is not counted yet");
        let done = |record: &RequestRecord, status| CompletionRecord { tag: record.tag, status };
        device.complete(&[done(&list[1], 0), done(&list[0], 0), done(&list[2], 10)]);
        device.complete(&[done(&list[3], 0), done(&list[4], 1), done(&list[5], 0)]);
        let completed = Counters {
            reads: 2.0,
            writes: 3.0,
            flushes: 2.0,
            discards: 3.0,
            bytes_read: 2048.0,
            bytes_written: 66560.0,
            errors: 4.0,
        };
        assert_eq!(*device.counters(), completed);
    }

    #[test]
    fn what_is_answered_moves_nothing() {
        let mut bench = Bench::new(NUM_DESC);
        let (memory, _, mut driver, mut device) = bench.open();
        memory.fill(DISC.offset, 0xee, DISC.len);
        memory.fill(HOST.offset, 0x11, HOST.len);
        let of = |opf: u8| RequestRecord { opf: u32::from(opf), ..read(0, 1) };
        let bad = RequestRecord { len_bytes: 100, ..read(0, 1) };
        let each = [of(operation::READ), of(operation::WRITE), of(operation::WRITE_ZEROES), bad];
        driver.put(&each);
        driver.publish();
        assert_eq!(device.answer(1, 3), Ok(3));
        assert_eq!(device.answer(1, 3), Ok(1));
        let inval = u32::from(blk_status::INVAL);
        assert_eq!(reap(&mut driver), [(1, 0), (1, 0), (1, 0), (1, inval)]);
        for (range, byte) in [(DISC, 0xee), (HOST, 0x11)] {
            assert!(is_filled(&memory, range.offset, range.len, byte));
        }
        let Counters { reads, writes, discards, errors, .. } = *device.counters();
        assert_eq!((reads, writes, discards, errors), (1.0, 1.0, 1.0, 1.0));
    }

    #[test]
    fn only_the_features_of_the_queue_are_served() {
        let mut bench = Bench::new(NUM_DESC);
        let (_, _, mut driver, mut device) = bench.open();
        device.limits.features = feature::FLUSH;
        let flush = RequestRecord { opf: u32::from(operation::FLUSH), tag: 1, ..EMPTY };
        let discard = RequestRecord { opf: u32::from(operation::DISCARD), ..read(0, 2) };
        driver.put(&[flush, discard]);
        driver.publish();
        assert_eq!(device.serve(DISC, Transfer::Dma, 1, 1000), Ok(2));
        assert_eq!(reap(&mut driver), [(1, 0), (2, u32::from(blk_status::NOTSUPP))]);
    }

    #[test]
    fn a_few_small_completions_are_published_together_and_a_large_one_at_once() {
        for (len_bytes, published) in [(512, [0, 0, 0, 0, 4, 4]), (16384, [0, 1, 2, 3, 4, 5])] {
            let mut bench = Bench::new(NUM_DESC);
            let (memory, geometry, mut driver, mut device) = bench.open();
            let large = RequestRecord { len_bytes, ..read(0, 1) };
            assert_eq!(driver.put(&[large; 6]), 6);
            driver.publish();
            let mut seen = Vec::new();
            let taken = device.drain(1, 16, |queue, index, request| {
                seen.push(memory.load_idx(geometry.device_ring()));
                queue.complete_one(index, Some(request.work()), blk_status::OK);
            });
            assert_eq!(taken, Ok(6));
            assert_eq!(seen, published);
            assert_eq!(reap(&mut driver).len(), 6);
        }
    }

    #[test]
    fn a_new_size_holds_from_the_next_descriptor_on() {
        let mut bench = Bench::new(NUM_DESC);
        let (_, _, mut driver, mut device) = bench.open();
        let mut list = [EMPTY; 8];
        driver.put(&[read(9, 1), read(9, 2), read(8, 3), read(9, 4)]);
        driver.publish();
        assert_eq!(device.fetch(&mut list[..1], 1), Ok(1));
        device.resize(9);
        assert_eq!(device.fetch(&mut list[1..2], 1), Ok(0), "sector 9 is beyond the disc");
        assert_eq!(device.fetch(&mut list[1..2], 1), Ok(1));
        device.resize(10);
        assert_eq!(device.fetch(&mut list[2..3], 1), Ok(1));
        let done = |record: RequestRecord| CompletionRecord { tag: record.tag, status: 0 };
        device.complete(&[done(list[0]), done(list[1]), done(list[2])]);
        assert_eq!(
            reap(&mut driver),
            [(2, u32::from(blk_status::INVAL)), (1, 0), (3, 0), (4, 0)],
            "one in service is not asked again"
        );
    }

    #[test]
    fn a_device_ring_that_the_endpoint_left_is_gone_for_good() {
        let mut bench = Bench::new(NUM_DESC);
        let (memory, geometry, mut driver, mut device) = bench.open();
        driver.put(&[read(0, 1)]);
        driver.publish();
        let gone = limits::RING_GONE as u16;
        memory.publish_idx(geometry.device_ring(), gone);
        let mut completions = [CompletionRecord { tag: 0, status: 0 }; 4];
        assert_eq!(driver.reap(&mut completions), Err(Fault::Gone));
        memory.publish_idx(geometry.device_ring(), 0);
        assert_eq!(driver.reap(&mut completions), Err(Fault::Gone), "for good");
        memory.publish_idx(geometry.driver_ring(), gone);
        let mut list = [EMPTY; 8];
        assert_eq!(device.fetch(&mut list, 1), Err(Fault::RingIndex), "a driver does not leave");
    }

    #[test]
    fn a_malformed_descriptor_is_answered_and_the_next_one_served() {
        let mut bench = Bench::new(NUM_DESC);
        let (_, _, mut driver, mut device) = bench.open();
        let bad = RequestRecord { len_bytes: 100, ..read(0, 1) };
        let unknown = RequestRecord { opf: 77, ..read(0, 2) };
        driver.put(&[bad, unknown, read(0, 3)]);
        driver.publish();
        let mut list = [EMPTY; 8];
        assert_eq!(device.fetch(&mut list, 1), Ok(1));
        assert_eq!(device.completed(), 2);
        assert_eq!(
            reap(&mut driver),
            [(1, u32::from(blk_status::INVAL)), (2, u32::from(blk_status::NOTSUPP))]
        );
    }

    #[test]
    fn a_descriptor_in_service_that_comes_again_stops_the_queue() {
        let mut bench = Bench::new(NUM_DESC);
        let (memory, geometry, mut driver, mut device) = bench.open();
        driver.put(&[read(0, 1)]);
        driver.publish();
        let mut list = [EMPTY; 8];
        assert_eq!(device.fetch(&mut list, 1), Ok(1));
        memory.write_u16(geometry.driver_ring() + 4, list[0].tag as u16);
        memory.publish_idx(geometry.driver_ring(), 2);
        assert_eq!(device.fetch(&mut list, 1), Err(Fault::DescriptorState));
        assert_eq!(device.fetch(&mut list, 1), Err(Fault::DescriptorState), "for good");
    }

    #[test]
    fn what_came_before_a_fault_is_given_first() {
        let mut bench = Bench::new(NUM_DESC);
        let (memory, geometry, mut driver, mut device) = bench.open();
        driver.put(&[read(0, 1), read(1, 2)]);
        memory.write_u16(geometry.driver_ring() + 4, 999);
        memory.publish_idx(geometry.driver_ring(), 2);
        let mut list = [EMPTY; 8];
        assert_eq!(device.fetch(&mut list, 1), Ok(1));
        assert_eq!(device.fetch(&mut list, 1), Err(Fault::DescriptorIndex));
        memory.write_u16(geometry.device_ring() + 2, list[0].tag as u16);
        memory.write_u16(geometry.device_ring() + 4, list[0].tag as u16);
        memory.publish_idx(geometry.device_ring(), 2);
        assert_eq!(reap(&mut driver), [(1, 0)]);
        let mut completions = [CompletionRecord { tag: 0, status: 0 }; 4];
        assert_eq!(driver.reap(&mut completions), Err(Fault::DescriptorState));
    }

    #[test]
    fn more_completions_than_requests_are_a_fault() {
        let mut bench = Bench::new(NUM_DESC);
        let (memory, _, mut driver, mut device) = bench.open();
        for tag in 0..3 {
            driver.put(&[read(0, tag)]);
            driver.publish();
            device.serve(DISC, Transfer::Dma, 1, 1).expect("no fault");
            assert_eq!(reap(&mut driver), [(tag, 0)]);
        }
        // As after a reset of the BAR: the driver is at 3, the ring at 0 again.
        memory.fill(0, 0, HOST.offset);
        driver.put(&[read(0, 9)]);
        driver.publish();
        let mut completions = [CompletionRecord { tag: 0, status: 0 }; 4];
        assert_eq!(driver.reap(&mut completions), Err(Fault::RingIndex));
    }

    #[test]
    fn two_threads_exchange_every_request_once() {
        let mut bench = Bench::new(64);
        let (memory, _, mut driver, mut device) = bench.open();
        for sector in 0..DISC.len / 512 {
            memory.write_u32(DISC.offset + sector * 512, sector as u32 + 1);
        }
        const TOTAL: u32 = if cfg!(miri) { 200 } else { 200_000 };
        struct Sendable<T>(T);
        // SAFETY: the queue's end moves to one thread as a whole; what both ends
        // share is the memory, which is made for that.
        unsafe impl<T> Send for Sendable<T> {}
        let device_end = Sendable(&mut device);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let Sendable(device) = { device_end };
                let mut served = 0;
                while served < TOTAL {
                    served += device.serve(DISC, Transfer::Dma, 100, 32).expect("no fault");
                    std::thread::yield_now();
                }
            });
            let (mut sent, mut done) = (0, 0);
            while done < TOTAL {
                let mut batch = Vec::new();
                while sent < TOTAL && batch.len() < 20 && sent - done < 60 {
                    batch.push(RequestRecord {
                        address: (HOST.offset as u32) + (sent % 64) * 512,
                        ..read(sent % 128, sent)
                    });
                    sent += 1;
                }
                sent -= (batch.len() - driver.put(&batch)) as u32;
                driver.publish();
                for (tag, status) in reap(&mut driver) {
                    assert_eq!((tag, status), (done, 0), "a memory disc completes in order");
                    let at = HOST.offset + (tag as usize % 64) * 512;
                    assert_eq!(memory.read_u32(at), tag % 128 + 1);
                    done += 1;
                }
                std::thread::yield_now();
            }
        });
    }
}
