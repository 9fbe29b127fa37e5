//! Every place of the core where an index, a length, an offset or a sector is computed from what the other side
//! wrote, compiled with overflow as a panic. Each function links only if the optimiser has shown that it reaches
//! no panic for any value of its arguments: `no_panic` makes a call of what is not there otherwise.
//!
//! It holds for what the signatures let in, which is all values of 64 bits, under the conditions that
//! the `if`s state: they are the callers' promises, and the invariants that the types keep.

use blockpt_core::abi::Descriptor;
use blockpt_core::descriptor::{Limits, Request};
use blockpt_core::dma::Window;
use blockpt_core::memory::{Memory, Range};
use blockpt_core::ring::Consumer;
use no_panic::no_panic;
use std::hint::black_box;

/// Whether a range is inside a memory: no offset, no length overflows.
#[no_panic]
#[inline(never)]
fn contains(memory: &Memory, offset: usize, len: usize) -> bool {
    memory.contains(offset, len)
}

/// Three loads have made a descriptor of any bytes; the check of it, for any disc and any host memory.
#[no_panic]
#[inline(never)]
fn check(memory: &Memory, limits: &Limits, host: Range, bytes: &Descriptor) -> Result<Request, u8> {
    Limits { window: Window::new(host, None), ..*limits }.check(memory, bytes)
}

/// An address, any host memory.
#[no_panic]
#[inline(never)]
fn translate(memory: &Memory, host: Range, address: u64, len: u32) -> Option<usize> {
    Window::new(host, None).translate(memory, address, len)
}

/// How many entries are before a head that `look` let through, at any position that a ring can have.
#[no_panic]
#[inline(never)]
fn count_before(num_desc: u16, position: u16, head: u16) -> u32 {
    if position >= num_desc || head >= num_desc {
        return 0;
    }
    Consumer::new(0, num_desc.into(), position.into()).count_before(head.into())
}

/// What is remembered of a request.
#[no_panic]
#[inline(never)]
fn remember(request: &Request, tag: u32) -> (u32, u8, u32) {
    let work = request.work();
    (work.len_bytes(), work.opf(), request.record(tag).len_bytes)
}

#[cfg(feature = "control")]
#[no_panic]
#[inline(never)]
fn control(sector: u64, sectors: u64, num_sectors: u64) -> bool {
    sector + sectors <= num_sectors
}

fn main() {
    // SAFETY: nothing is read or written through it.
    let memory = &black_box(unsafe { Memory::new(std::ptr::null_mut(), 4096) });
    let host = black_box(Range { offset: 0, len: 4096 });
    let disc = black_box(Limits {
        num_sectors: 8,
        max_len: 4096,
        read_only: false,
        features: 0,
        window: Window::new(host, None),
    });
    let bytes = black_box(Descriptor {
        s_sector: 0,
        addr: 0,
        len: 512,
        opf: 0,
        status: 0,
        flags: 2,
        reserved: 0,
    });
    let number = black_box(16);
    black_box(contains(memory, number, number));
    let request = check(memory, &disc, host, &bytes);
    black_box(request.map(|request| remember(&request, 0)).is_ok());
    black_box(translate(memory, host, number as u64, number as u32));
    black_box(count_before(number as u16, number as u16, number as u16));
    #[cfg(feature = "control")]
    black_box(control(number as u64, number as u64, number as u64));
    println!("no panic can be reached");
}
