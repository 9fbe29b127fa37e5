//! Replays the corpus, and some random input, without an engine.

use arbitrary::{Arbitrary, Unstructured};
use blockpt_fuzz::bus::{Bus, HOST, Place};
use blockpt_fuzz::{check, device, driver};
use std::path::Path;

/// Runs every file of a target's corpus, then random bytes.
fn replay<I: for<'a> Arbitrary<'a>>(target: &str, run: impl Fn(I)) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&corpus)
        .expect("a corpus")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    assert!(files.len() > 10, "{} has {} files", corpus.display(), files.len());
    for file in &files {
        println!("{}", file.display());
        let bytes = std::fs::read(file).expect("a file");
        run(I::arbitrary_take_rest(Unstructured::new(&bytes)).expect("an input"));
    }
    // xorshift64: the same input each time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..3000 {
        let words = next() % 200;
        let bytes: Vec<u8> = (0..words).flat_map(|_| next().to_le_bytes()).collect();
        if let Ok(input) = I::arbitrary_take_rest(Unstructured::new(&bytes)) {
            run(input);
        }
    }
}

#[test]
fn a_hostile_driver_gets_what_the_protocol_says() {
    replay("device", |input: device::Input| input.run());
}

#[test]
fn a_hostile_device_gets_what_the_protocol_says() {
    replay("driver", |input: driver::Input| input.run());
}

#[test]
fn numbers_of_any_size_are_checked_as_the_protocol_says() {
    replay("check", |input: check::Input| input.run());
}

#[test]
#[should_panic(expected = "byte 4095 is 0x3a, not 0xc5")]
fn a_byte_outside_that_is_written_is_found_out() {
    let bus = Bus::new(&Place::new(16));
    bus.memory().write_u8(HOST.offset - 1, 0x3a);
    bus.assert_same();
}
