//! A hostile side that writes between any two accesses of a queue: each of its words is looked at once, so the
//! outcome is that of the word as it was before, or as it was after, and never of both.

use blockpt_model::abi::{Descriptor, operation};
use blockpt_model::dma::Transfer;
use blockpt_model::memory::Range;
use blockpt_model::records::{CompletionRecord, RequestRecord};
use blockpt_model::rig::{self, BUS_BYTES, DISC, Device, Driver, EMPTY, HOST, NUM_DESC, request};
use blockpt_model::watched::{Attack, Watched};
use std::collections::BTreeSet;

/// What a descriptor's words, an entry and an `idx` are set to: in range and far out of it.
const WORDS: [u64; 9] = [
    0,
    1,
    HOST.offset as u64,
    DISC.offset as u64 - 512,
    (1 << 49) | 512,
    (1 << 49) | (1 << 32) | 1024,
    0x7fff_ffff_ffff_fe00,
    u64::MAX - 511,
    u64::MAX,
];
const ENTRIES: [u64; 6] = [0, 2, 3, 15, 16, 0xffff];

/// Where the other side may write: offset, width, values.
fn targets() -> Vec<(usize, usize, &'static [u64])> {
    let mut all: Vec<(usize, usize, &'static [u64])> =
        (0..4 * 3).map(|word| (word * 8, 8, WORDS.as_slice())).collect();
    for ring in [rig::layout().driver_offset, rig::layout().device_offset] {
        all.extend((0..6).map(|entry| (ring as usize + 2 * entry, 2, ENTRIES.as_slice())));
    }
    all
}

/// Runs `act` with every attack behind every access, and compares each outcome with the two that it may have.
fn linearizes<T: PartialEq + std::fmt::Debug>(
    act: impl Fn(&mut dyn FnMut(&Watched)) -> (T, Vec<u8>, usize),
) {
    let mut outcomes = 0_usize;
    for (offset, width, values) in targets() {
        for &value in values {
            let run = |after: Option<usize>| {
                let attack = after.map(|after| Attack { after, offset, width, value });
                let (result, mut bytes, accesses) = act(&mut |memory| memory.arm(attack));
                bytes[offset..offset + width].fill(0);
                ((result, bytes), accesses)
            };
            let ((never, _), (before, _)) = (run(None), run(Some(0)));
            for after in 1.. {
                let (outcome, accesses) = run(Some(after));
                assert!(
                    outcome == never || outcome == before,
                    "{width} bytes at {offset} set to {value:#x} behind access {after}: {:?}",
                    outcome.0
                );
                outcomes += 1;
                if after > accesses {
                    break;
                }
            }
        }
    }
    println!("{outcomes} outcomes");
}

fn requests() -> [RequestRecord; 4] {
    [
        request(operation::WRITE, 0, 10),
        request(operation::READ, 2, 11),
        request(operation::WRITE_ZEROES, 1, 12),
        RequestRecord { len_bytes: 0, ..request(operation::FLUSH, 3, 13) },
    ]
}

fn data(memory: &Watched) {
    for (index, byte) in (HOST.offset..BUS_BYTES).enumerate() {
        memory.poke(byte, &[(index / 512) as u8 + 1]);
    }
}

/// A device that serves four requests of a driver.
fn serve(arm: &mut dyn FnMut(&Watched), act: Act) -> (String, Vec<u8>, usize, Vec<(usize, usize)>) {
    let statuses = (0..NUM_DESC as usize).map(|index| Range { offset: index * 24 + 21, len: 1 });
    let ring = rig::layout().device_offset as usize;
    let ring = Range { offset: ring, len: 2 + 2 * NUM_DESC as usize };
    let writable: Vec<_> = statuses.chain([ring, HOST, DISC]).collect();
    let memory = Watched::new(BUS_BYTES, &writable);
    data(&memory);
    // The requests, as a driver of its own memory leaves them.
    let theirs = Watched::new(BUS_BYTES, &[Range { offset: 0, len: HOST.offset }]);
    let mut driver = Driver::open(theirs.memory());
    driver.queue.put(&requests());
    driver.queue.publish();
    memory.poke(0, &theirs.bytes()[..HOST.offset]);
    let mut device = Device::open(memory.memory(), rig::limits());
    arm(&memory);
    let result = match act {
        Act::Serve => format!("{:?}", device.queue.serve(DISC, Transfer::Dma, 1, 9)),
        Act::Fetch => {
            let mut list = [EMPTY; 8];
            let fetched = device.queue.fetch(&mut list, 1);
            let count = fetched.unwrap_or(0);
            for record in &list[..count] {
                let end = u64::from(record.address) + u64::from(record.len_bytes);
                assert!(record.address == 0 || (record.address as usize) >= HOST.offset);
                assert!(end <= (HOST.offset + HOST.len) as u64 || record.address == 0);
            }
            let done: Vec<_> = list[..count]
                .iter()
                .map(|it| CompletionRecord { tag: it.tag, status: 7 })
                .collect();
            device.queue.complete(&done);
            format!("{fetched:?} {:?}", &list[..count])
        }
    };
    let result = format!("{result} {:?} {}", device.queue.counters(), device.queue.completed());
    (result, memory.bytes(), memory.accesses(), memory.reads())
}

#[derive(Clone, Copy)]
enum Act {
    Serve,
    Fetch,
}

/// A driver that reaps what a device has completed.
fn reap(arm: &mut dyn FnMut(&Watched)) -> (String, Vec<u8>, usize, Vec<(usize, usize)>) {
    let descriptors = NUM_DESC as usize * size_of::<Descriptor>();
    let driver_ring = rig::layout().driver_offset as usize;
    let ring = Range { offset: driver_ring, len: 2 + 2 * NUM_DESC as usize };
    let memory = Watched::new(BUS_BYTES, &[Range { offset: 0, len: descriptors }, ring]);
    let mut driver = Driver::open(memory.memory());
    driver.queue.put(&requests());
    driver.queue.publish();
    // The completions, as a device of its own memory leaves them.
    let theirs = Watched::new(BUS_BYTES, &[Range { offset: 0, len: BUS_BYTES }]);
    theirs.poke(0, &memory.bytes());
    let mut device = Device::open(theirs.memory(), rig::limits());
    device.queue.serve(DISC, Transfer::Dma, 1, 9).expect("no fault");
    memory.poke(0, &theirs.bytes()[..HOST.offset]);
    arm(&memory);
    let mut list = [CompletionRecord { tag: 0, status: 0 }; 8];
    let reaped = driver.queue.reap(&mut list);
    let marks: Vec<_> = list[..reaped.unwrap_or(0)].iter().map(|it| it.tag).collect();
    assert_eq!(marks.iter().collect::<BTreeSet<_>>().len(), marks.len(), "each once");
    let result = format!("{reaped:?} {:?}", &list[..marks.len()]);
    (result, memory.bytes(), memory.accesses(), memory.reads())
}

#[test]
fn each_word_is_looked_at_once() {
    for act in [Act::Serve, Act::Fetch] {
        let (_, _, _, reads) = serve(&mut |memory| memory.arm(None), act);
        // The idx, and of each request the entry and three words.
        assert_eq!(reads.len(), 1 + 4 * 4);
        assert_eq!(reads.iter().collect::<BTreeSet<_>>().len(), reads.len(), "{reads:?}");
    }
    let (_, _, _, reads) = reap(&mut |memory| memory.arm(None));
    assert_eq!(reads.len(), 1 + 4 * 2);
    assert_eq!(reads.iter().collect::<BTreeSet<_>>().len(), reads.len(), "{reads:?}");
}

#[test]
fn a_device_that_serves_takes_a_word_as_it_was_or_as_it_is() {
    linearizes(|arm| {
        let (result, bytes, accesses, _) = serve(arm, Act::Serve);
        (result, bytes, accesses)
    });
}

#[test]
fn a_device_that_fetches_takes_a_word_as_it_was_or_as_it_is() {
    linearizes(|arm| {
        let (result, bytes, accesses, _) = serve(arm, Act::Fetch);
        (result, bytes, accesses)
    });
}

#[test]
fn a_driver_takes_a_word_as_it_was_or_as_it_is() {
    linearizes(|arm| {
        let (result, bytes, accesses, _) = reap(arm);
        (result, bytes, accesses)
    });
}

#[test]
#[should_panic(expected = "8 bytes at 0 set to")]
fn one_who_looks_twice_is_found_out() {
    linearizes(|arm| {
        let memory = Watched::new(BUS_BYTES, &[]);
        arm(&memory);
        let looked = [memory.memory().read_u64(0), memory.memory().read_u64(0)];
        (looked, memory.bytes(), memory.accesses())
    });
}
