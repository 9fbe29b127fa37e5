//! Where the core computes with what the other side wrote before it has been checked: sectors, lengths, addresses,
//! ranges, the distance of two ring positions; compiled with overflow as a panic. Each function links only if the
//! optimiser has shown that it reaches no panic for any value of its arguments: `no_panic` makes a call of what is
//! not there otherwise. What the optimiser cannot show is in `crates/core/tests/arithmetic.rs`.
//!
//! It holds for all that the signatures let in, under the conditions that the `if`s state: they are the callers'
//! promises, and the invariants that the types keep. `scripts/prove.mjs` links it for usizes of 64 and 32 bits.

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

/// A sum that can overflow.
#[cfg(feature = "control")]
#[no_panic]
#[inline(never)]
fn control(sector: u64, sectors: u64, num_sectors: u64) -> bool {
    sector + sectors <= num_sectors
}

/// Functions that anybody may call: no caller is known from whose arguments the optimiser could learn something.
fn main() {
    black_box(contains as fn(&Memory, usize, usize) -> bool);
    black_box(check as fn(&Memory, &Limits, Range, &Descriptor) -> Result<Request, u8>);
    black_box(translate as fn(&Memory, Range, u64, u32) -> Option<usize>);
    black_box(count_before as fn(u16, u16, u16) -> u32);
    black_box(remember as fn(&Request, u32) -> (u32, u8, u32));
    #[cfg(feature = "control")]
    black_box(control as fn(u64, u64, u64) -> bool);
    println!("no panic can be reached, where a usize has {} bits", usize::BITS);
}
