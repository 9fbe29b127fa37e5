//! The rings under loom: no access of an honest side races with one of the other, nothing is lost, doubled
//! or mixed up, in any interleaving. With less order than the code has loom finds what goes wrong.

use blockpt_model::abi::{limits, operation};
use blockpt_model::cells::Cells;
use blockpt_model::dma::Transfer;
use blockpt_model::explore::explore;
use blockpt_model::memory::Memory;
use blockpt_model::records::RequestRecord;
use blockpt_model::rig::{self, DISC, Device, Driver, HOST, request};
use blockpt_model::ring::{Consumer, Producer};
use blockpt_model::word::Order;
use loom::sync::atomic::Ordering;
use loom::thread;
// All threads of a model are one of the machine's.
use std::rc::Rc;

/// A driver that writes sectors 0 and 1 and reads 2 and 3 in batches, and a device that serves a few times, after
/// `before` requests that nobody else sees.
fn queue(order: Order, before: u32, batches: &'static [&'static [u32]], serves: u32) {
    let cells = Rc::new(rig::cells(order));
    let memory = cells.memory();
    for sector in 0..4 {
        memory.fill(DISC.offset + sector * 512, 0xd0 + sector as u8, 512);
    }
    let mut driver = Driver::open(memory);
    let mut device = Device::open(memory, rig::limits());
    for tag in 0..before {
        let flush = RequestRecord { len_bytes: 0, ..request(operation::FLUSH, 0, tag) };
        driver.queue.put(&[flush]);
        driver.queue.publish();
        assert_eq!(device.queue.serve(DISC, Transfer::Dma, 1, 9), Ok(1));
        assert_eq!(driver.reap(), [(tag, 0)]);
    }
    let served = thread::spawn({
        let cells = cells.clone();
        move || {
            for _ in 0..serves {
                device.queue.serve(DISC, Transfer::Dma, 1, 9).expect("no fault");
            }
            drop(cells);
            device
        }
    });
    let mut done = Vec::new();
    for batch in batches {
        for &sector in *batch {
            let opf = if sector < 2 { operation::WRITE } else { operation::READ };
            memory.fill(HOST.offset + sector as usize * 512, 0xa0 + sector as u8, 512);
            assert_eq!(driver.queue.put(&[request(opf, sector, sector)]), 1);
        }
        driver.queue.publish();
        done.extend(driver.reap().into_iter().inspect(|&(tag, _)| check(&memory, tag)));
    }
    let mut device = served.join().expect("a device");
    device.queue.serve(DISC, Transfer::Dma, 1, 9).expect("no fault");
    for _ in 0..batches.len() {
        done.extend(driver.reap().into_iter().inspect(|&(tag, _)| check(&memory, tag)));
    }
    let sent: Vec<_> = batches.concat().into_iter().map(|sector| (sector, 0)).collect();
    assert_eq!(done, sent, "each is answered once, in order");
}

/// A read has brought the disc's bytes, and a write host memory's.
fn check(memory: &Memory, sector: u32) {
    let (at, byte) = if sector < 2 { (DISC, 0xa0) } else { (HOST, 0xd0) };
    // The disc is the device's, unless it has answered.
    assert_eq!(memory.read_u8(at.offset + sector as usize * 512), byte + sector as u8);
}

const ONE_EACH: &[&[u32]] = &[&[0], &[2]];
const TWO_AND_ONE: &[&[u32]] = &[&[0, 2], &[3]];
const THREE: &[&[u32]] = &[&[1], &[2], &[3]];
const FOUR: &[&[u32]] = &[&[0, 2], &[1], &[3]];

#[test]
fn requests_and_their_data_cross_in_every_interleaving() {
    explore("queue, two requests", || queue(Order::CODE, 0, ONE_EACH, 2));
    explore("queue, a batch of two and one more", || queue(Order::CODE, 0, TWO_AND_ONE, 3));
    explore("queue, three requests", || queue(Order::CODE, 0, THREE, 3));
    explore("queue, four requests", || queue(Order::CODE, 0, FOUR, 4));
}

#[test]
fn requests_cross_where_the_rings_begin_anew() {
    explore("queue, at the end of its rings", || queue(Order::CODE, 15, ONE_EACH, 2));
    explore("queue, across the end of its rings", || queue(Order::CODE, 14, THREE, 3));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_publication_without_an_order_is_found_out() {
    let order = Order { publish: Ordering::Relaxed, ..Order::CODE };
    explore("control", move || queue(order, 0, ONE_EACH, 2));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_look_without_an_order_is_found_out() {
    let order = Order { look: Ordering::Relaxed, ..Order::CODE };
    explore("control", move || queue(order, 0, ONE_EACH, 2));
}

/// Two rings of any number of descriptors from any position on, and a word for each descriptor that both write
/// in turn. `most` may be outstanding.
struct Pair {
    num_desc: u32,
    position: u32,
    most: u32,
    requests: u32,
}

impl Pair {
    const DRIVER: usize = 0;

    fn device_ring(&self) -> usize {
        Self::DRIVER + 2 + 2 * self.num_desc as usize
    }

    fn words(&self) -> usize {
        (self.device_ring() * 2).next_multiple_of(8)
    }

    fn cells(&self, order: Order) -> Cells {
        let rings = [Self::DRIVER, self.device_ring()];
        let len = self.words() + self.most as usize * 8;
        let mut cells = Cells::new(len, order, &rings).with(self.words(), 8, self.most as usize);
        for ring in rings {
            // The entries that are used, at the end and at the start.
            let used = self.requests.min(self.num_desc) as usize;
            let tail = (self.num_desc - self.position).min(used as u32) as usize;
            cells = cells.with(ring + 2 + 2 * self.position as usize, 2, tail);
            cells = cells.with(ring + 2, 2, (used - tail).min(self.position as usize));
        }
        let memory = cells.memory();
        for ring in rings {
            memory.publish_idx(ring, self.position as u16);
        }
        cells
    }

    fn run(&self, order: Order, looks: u32) {
        let &Self { num_desc, position, most, requests } = self;
        let cells = Rc::new(self.cells(order));
        let memory = cells.memory();
        let (words, device_ring) = (self.words(), self.device_ring());
        let word = move |index: u32| words + index as usize * 8;
        let serve = move |from: &mut Consumer, to: &mut Producer| {
            let head = from.look(&memory, 1).expect("no fault");
            while from.has_before(head) {
                let index = from.take(&memory).expect("a descriptor");
                memory.write_u64(word(index), memory.read_u64(word(index)) + 100);
                to.push(&memory, index as u16);
                to.publish(&memory);
            }
        };
        let device = thread::spawn({
            let cells = cells.clone();
            move || {
                let mut from = Consumer::new(Self::DRIVER, num_desc, position);
                let mut to = Producer::new(device_ring, num_desc, position);
                for _ in 0..looks {
                    serve(&mut from, &mut to);
                }
                drop(cells);
                (from, to)
            }
        });
        let mut to = Producer::new(Self::DRIVER, num_desc, position);
        let mut from = Consumer::new(device_ring, num_desc, position);
        let mut free: Vec<u32> = (0..most).collect();
        let (mut sent, mut done) = (0, Vec::new());
        let mut drive = move |done: &mut Vec<u64>| {
            let head = from.look(&memory, 1).expect("no fault");
            while from.has_before(head) {
                let index = from.take(&memory).expect("a descriptor");
                done.push(memory.read_u64(word(index)));
                free.push(index);
            }
            while sent < requests
                && let Some(index) = free.pop()
            {
                memory.write_u64(word(index), u64::from(sent));
                to.push(&memory, index as u16);
                to.publish(&memory);
                sent += 1;
            }
        };
        for _ in 0..looks {
            drive(&mut done);
        }
        let (mut device_from, mut device_to) = device.join().expect("a device");
        for _ in 0..=requests {
            drive(&mut done);
            serve(&mut device_from, &mut device_to);
        }
        let expected: Vec<u64> = (0..u64::from(requests)).map(|it| it + 100).collect();
        assert_eq!(done, expected, "each is answered once, in order");
        drop(cells);
    }
}

#[test]
fn rings_of_two_and_three_turn_over_and_over() {
    for (num_desc, requests, looks) in [(2, 3, 3), (2, 4, 4), (3, 4, 3), (3, 5, 4)] {
        explore(&format!("rings of {num_desc}, {requests} entries"), move || {
            Pair { num_desc, position: 0, most: num_desc - 1, requests }.run(Order::CODE, looks);
        });
    }
}

#[test]
fn the_largest_ring_turns_over_at_the_edge_of_its_idx() {
    let num_desc = limits::MAX_DESCRIPTORS as u32;
    for position in [num_desc - 1, num_desc - 2] {
        explore(&format!("ring of {num_desc} from {position}, 4 entries"), move || {
            Pair { num_desc, position, most: 2, requests: 4 }.run(Order::CODE, 4);
        });
    }
}

#[test]
#[should_panic(expected = "each is answered once")]
fn a_full_ring_that_reads_as_empty_is_found_out() {
    explore("control", || {
        Pair { num_desc: 3, position: 0, most: 3, requests: 3 }.run(Order::CODE, 1);
    });
}
