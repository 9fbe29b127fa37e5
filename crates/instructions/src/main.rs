//! The work whose instructions `npm run bench:instructions` counts, under callgrind.
//!
//! Without an argument: the names of the rows, a line each. With a row's name: its work, [`BATCHES`] times
//! [`BATCH`] requests, of which what is inside [`counted`] counts, and nothing else.
//!
//! What is known to the compiler here and to nobody in WebAssembly goes through `black_box`.

use blockpt_core::abi::{Descriptor, descriptor_flag};
use blockpt_core::descriptor::Limits;
use blockpt_core::device_queue::DeviceQueue;
use blockpt_core::dma::{Transfer, Window};
use blockpt_core::driver_queue::DriverQueue;
use blockpt_core::memory::{Memory, Range};
use blockpt_core::queue_layout::{Geometry, QueueLayout};
use blockpt_core::records::{CompletionRecord, RequestRecord};
use blockpt_core::ring::{Consumer, Producer};
use std::hint::black_box;
use std::process::ExitCode;

/// Requests of one call, and calls.
const BATCH: usize = 32;
const BATCHES: usize = 64;

const NUM_DESC: u32 = 256;
const PAGE_BYTES: usize = 4096;
/// The memory: a queue, a table of descriptors, the IOMMU's table, host memory, a disc.
const TABLE: usize = 16384;
const IOMMU_TABLE: usize = 24576;
const HOST: Range = Range { offset: 32768, len: 256 * PAGE_BYTES };
const DISC: Range = Range { offset: HOST.offset + HOST.len, len: 256 * PAGE_BYTES };
const MEMORY_BYTES: usize = DISC.offset + DISC.len;

/// A name, and what is done.
type Row = (&'static str, fn());

const ROWS: [Row; 14] = [
    ("descriptor, encode", encode),
    ("descriptor, decode", decode),
    ("ring, push", push),
    ("ring, pop", pop),
    ("driver queue, put and publish", || queue(Stage::Put, 4096, false, Serve::Memory)),
    ("driver queue, reap", || queue(Stage::Reap, 4096, false, Serve::Memory)),
    ("device queue, serve 512 B", || queue(Stage::Serve, 512, false, Serve::Memory)),
    ("device queue, serve 4 KiB", || queue(Stage::Serve, 4096, false, Serve::Memory)),
    ("device queue, serve 4 KiB, IOMMU", || queue(Stage::Serve, 4096, true, Serve::Memory)),
    ("device queue, answer", || queue(Stage::Serve, 4096, false, Serve::Null)),
    ("device queue, fetch", || queue(Stage::Serve, 4096, false, Serve::File)),
    ("device queue, complete", || queue(Stage::Complete, 4096, false, Serve::File)),
    ("check, 4 KiB", || check(4096, false)),
    ("check, 4 KiB, IOMMU", || check(4096, true)),
];

fn main() -> ExitCode {
    let Some(wanted) = std::env::args().nth(1) else {
        for (name, _) in ROWS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, work)) = ROWS.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("there is no row {wanted}");
        return ExitCode::FAILURE;
    };
    work();
    ExitCode::SUCCESS
}

/// What is counted: callgrind is told this function's name.
#[inline(never)]
fn counted<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// What is not, for the other stages of a request.
fn uncounted<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// A memory that is there to the end of the process.
fn memory() -> Memory {
    let words = vec![0_u64; MEMORY_BYTES / 8].leak();
    // SAFETY: words are 8-aligned, and leaked: nobody else has them, and they are never unmapped.
    unsafe { Memory::new(words.as_mut_ptr().cast(), MEMORY_BYTES) }
}

/// What a device takes a descriptor for; with an IOMMU all of host memory is mapped.
fn limits(memory: &Memory, iommu: bool) -> Limits {
    for page in 0..HOST.len / PAGE_BYTES {
        memory.write_u32(IOMMU_TABLE + page * 4, 1);
    }
    Limits {
        num_sectors: (DISC.len / 512) as u64,
        max_len: 1 << 20,
        read_only: false,
        features: 0,
        window: Window::new(HOST, black_box(iommu.then_some(IOMMU_TABLE))),
    }
}

/// A batch of reads.
fn reads(len_bytes: u32) -> [RequestRecord; BATCH] {
    std::array::from_fn(|index| RequestRecord {
        start_sector_low: (index as u32 * 37 % 64) * 8,
        start_sector_high: 0,
        address: HOST.offset as u32 + index as u32 * len_bytes,
        len_bytes,
        opf: 0,
        tag: index as u32,
        flags: u32::from(descriptor_flag::IN_USE),
        status: 0,
    })
}

fn encode() {
    let memory = memory();
    for _ in 0..BATCHES {
        let requests = black_box(reads(4096));
        counted(|| {
            for (index, request) in requests.iter().enumerate() {
                Descriptor::of(request).write(&memory, TABLE + index * size_of::<Descriptor>());
            }
        });
    }
}

fn decode() {
    let memory = memory();
    let mut requests = reads(4096);
    for _ in 0..BATCHES {
        counted(|| {
            for (index, request) in requests.iter_mut().enumerate() {
                let descriptor = Descriptor::read(&memory, TABLE + index * size_of::<Descriptor>());
                *request = descriptor.record(index as u32);
            }
        });
        black_box(&requests);
    }
}

fn push() {
    let memory = memory();
    let mut producer = Producer::new(TABLE, black_box(NUM_DESC), 0);
    for _ in 0..BATCHES {
        let entries = black_box([7_u32; BATCH]);
        counted(|| {
            for entry in &entries {
                producer.push(&memory, *entry as u16);
            }
            producer.publish(&memory);
        });
    }
}

fn pop() {
    let memory = memory();
    let mut producer = Producer::new(TABLE, NUM_DESC, 0);
    let mut consumer = Consumer::new(TABLE, black_box(NUM_DESC), 0);
    let mut entries = [0_u32; BATCH];
    for _ in 0..BATCHES {
        for _ in 0..BATCH {
            producer.push(&memory, 7);
        }
        producer.publish(&memory);
        let count = counted(|| {
            let head = consumer.look(&memory, 1).expect("no fault");
            let mut count = 0;
            while consumer.has_before(head) && count < entries.len() {
                entries[count] = consumer.take(&memory).expect("no fault");
                count += 1;
            }
            count
        });
        assert_eq!(black_box(count), BATCH);
    }
}

/// The stages of a request. One of them is counted.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Put,
    Serve,
    Complete,
    Reap,
}

/// How a device does what it is asked: for a disc in memory, one that moves nothing, or one in a file.
#[derive(Clone, Copy, PartialEq)]
enum Serve {
    Memory,
    Null,
    File,
}

/// Requests through a queue, both ends in this thread.
#[inline(always)]
fn queue(stage: Stage, len_bytes: u32, iommu: bool, serve: Serve) {
    let memory = memory();
    let layout = QueueLayout::new(NUM_DESC).expect("a layout");
    let (driver_ring, device_ring) = (layout.driver_offset as usize, layout.device_offset as usize);
    let geometry = Geometry::new(&memory, 0, driver_ring, device_ring, black_box(NUM_DESC));
    let geometry = geometry.expect("a geometry");
    let (free, tags) = (&mut [0; NUM_DESC as usize], &mut [0; NUM_DESC as usize]);
    let mut driver = DriverQueue::new(memory, geometry, 0, free, tags);
    let in_service = &mut [0; NUM_DESC as usize];
    let mut device = DeviceQueue::new(memory, geometry, limits(&memory, iommu), in_service);
    let mut fetched = reads(len_bytes);
    let mut done = [CompletionRecord { tag: 0, status: 0 }; BATCH];
    // A call each, as both are inlined.
    macro_rules! stage {
        ($is:expr, $work:expr) => {
            if stage == $is { counted($work) } else { uncounted($work) }
        };
    }
    for _ in 0..BATCHES {
        let requests = black_box(reads(len_bytes));
        stage!(Stage::Put, || {
            driver.put(&requests);
            driver.publish();
        });
        let (disc, transfer, polls, most) = black_box((DISC, Transfer::Dma, 1, BATCH as u32));
        let served = match serve {
            Serve::Memory => stage!(Stage::Serve, || device.serve(disc, transfer, polls, most)),
            Serve::Null => stage!(Stage::Serve, || device.answer(polls, most)),
            Serve::File => {
                let count = stage!(Stage::Serve, || device.fetch(&mut fetched, polls));
                for (completion, request) in done.iter_mut().zip(black_box(&fetched)) {
                    *completion = CompletionRecord { tag: request.tag, status: 0 };
                }
                stage!(Stage::Complete, || device.complete(black_box(&done)));
                count.map(|count| count as u32)
            }
        };
        assert_eq!(black_box(served), Ok(BATCH as u32));
        let reaped = stage!(Stage::Reap, || driver.reap(&mut done));
        assert_eq!(black_box(reaped), Ok(BATCH));
    }
}

fn check(len_bytes: u32, iommu: bool) {
    let memory = memory();
    let limits = black_box(limits(&memory, iommu));
    for _ in 0..BATCHES {
        let descriptors = black_box(reads(len_bytes)).map(|request| Descriptor::of(&request));
        let good = counted(|| {
            descriptors.iter().filter(|each| limits.check(&memory, each).is_ok()).count()
        });
        assert_eq!(black_box(good), BATCH);
    }
}
