//! A driver and a device, each in a thread of its own, with data that goes both ways: what ThreadSanitizer looks at
//! (`scripts/sanitize.mjs`), and Miri (`scripts/miri.mjs`). Every publication and every look that the core has takes part.

use blockpt_core::abi::operation;
use blockpt_core::descriptor::Limits;
use blockpt_core::device_queue::DeviceQueue;
use blockpt_core::dma::{Transfer, Window};
use blockpt_core::driver_queue::DriverQueue;
use blockpt_core::memory::{Memory, Range};
use blockpt_core::queue_layout::{Geometry, QueueLayout};
use blockpt_core::records::{CompletionRecord, RequestRecord};

const NUM_DESC: u32 = 16;
const ROUNDS: u32 = if cfg!(miri) { 20 } else { 20_000 };
const HOST: Range = Range { offset: 1024, len: 16 * 512 };
const DISC: Range = Range { offset: HOST.offset + HOST.len, len: 16 * 512 };

/// A memory moves to a thread as a whole.
struct Sendable(Memory);
// SAFETY: it is made to be shared; the program keeps it to its end.
unsafe impl Send for Sendable {}

fn geometry(memory: &Memory) -> Geometry {
    let layout = QueueLayout::new(NUM_DESC).expect("a layout");
    let (driver, device) = (layout.driver_offset as usize, layout.device_offset as usize);
    Geometry::new(memory, 0, driver, device, NUM_DESC).expect("a geometry")
}

fn serve(memory: Memory) {
    let mut in_service = [0; NUM_DESC as usize];
    let limits = Limits {
        num_sectors: (DISC.len / 512) as u64,
        max_len: 512,
        read_only: false,
        features: 0,
        window: Window::new(HOST, None),
    };
    let mut device = DeviceQueue::new(memory, geometry(&memory), limits, &mut in_service);
    while device.completed() < ROUNDS * 2 {
        device.serve(DISC, Transfer::Dma, 100, 8).expect("no fault");
        std::thread::yield_now();
    }
}

/// Writes a sector, reads it into the next place, and looks whether it is the same.
fn drive(memory: Memory) {
    let (mut free, mut tags) = ([0; NUM_DESC as usize], [0; NUM_DESC as usize]);
    let mut driver = DriverQueue::new(memory, geometry(&memory), 0, &mut free, &mut tags);
    let mut finish = |opf: u8, sector: u32, place: u32| {
        let request = RequestRecord {
            start_sector_low: sector,
            start_sector_high: 0,
            address: HOST.offset as u32 + place * 512,
            len_bytes: 512,
            opf: u32::from(opf),
            tag: 1,
            flags: 0,
            status: 0,
        };
        assert_eq!(driver.put(&[request]), 1);
        driver.publish();
        let mut done = [CompletionRecord { tag: 0, status: 0 }];
        while driver.reap(&mut done).expect("no fault") == 0 {
            std::thread::yield_now();
        }
        assert_eq!(done[0].status, 0);
    };
    for round in 0..ROUNDS {
        let (sector, from, to) = (round % 16, round * 2 % 16, (round * 2 + 1) % 16);
        let place = |place: u32| HOST.offset + place as usize * 512;
        memory.fill(place(from), round as u8, 512);
        finish(operation::WRITE, sector, from);
        finish(operation::READ, sector, to);
        assert_eq!(memory.read_u64(place(to)), u64::from_ne_bytes([round as u8; 8]));
    }
}

fn main() {
    // The other one would wait for ever.
    std::panic::set_hook(Box::new(|why| {
        eprintln!("{why}");
        std::process::abort();
    }));
    let words = vec![0_u64; (DISC.offset + DISC.len) / 8].leak();
    // SAFETY: the words are aligned, and there for good.
    let memory = unsafe { Memory::new(words.as_mut_ptr().cast(), words.len() * 8) };
    let device = Sendable(memory);
    let thread = std::thread::spawn(move || {
        let Sendable(memory) = { device };
        serve(memory);
    });
    drive(memory);
    println!("{} requests of two threads", ROUNDS * 2);
    if cfg!(miri) {
        thread.join().expect("a device that ended");
    } else {
        // A join would free what the standard library, which ThreadSanitizer does not see, has counted references of.
        std::mem::forget(thread);
    }
}
