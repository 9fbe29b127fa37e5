//! The hot path of the block-passthrough protocol: layouts, rings, queues and
//! copies over a shared memory. No `std`, no allocator, no threads of its own.
//!
//! It knows a memory and ranges in it. It does not know discs, names,
//! registers' meaning, interrupts or configuration; those are the callers'.

#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod abi;
pub mod descriptor;
pub mod device_queue;
pub mod dma;
pub mod driver_queue;
pub mod memory;
pub mod ordering;
pub mod queue_layout;
pub mod records;
pub mod ring;

mod layout;

#[cfg(test)]
mod test_memory;
