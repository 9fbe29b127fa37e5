//! The core's own files, compiled on a memory that a model checker looks into, and beside them
//! the doorbell and the interrupts of `ts/bus`, written down in Rust.
//!
//! Nothing of the core is copied: its modules are taken by path, and only `memory` is another one
//! of the same shape. With `Cells` behind it every plain access is one that loom checks for races:
//! what WebAssembly reads and writes without atomics must be ordered by the two accesses to `idx`
//! alone. With `Watched` behind it a hostile side may write between any two accesses.

#[path = "../../core/src/abi.rs"]
pub mod abi;
#[path = "../../core/src/descriptor.rs"]
pub mod descriptor;
#[path = "../../core/src/device_queue.rs"]
pub mod device_queue;
#[path = "../../core/src/dma.rs"]
pub mod dma;
#[path = "../../core/src/driver_queue.rs"]
pub mod driver_queue;
#[path = "../../core/src/ordering.rs"]
pub mod ordering;
#[path = "../../core/src/queue_layout.rs"]
pub mod queue_layout;
#[path = "../../core/src/records.rs"]
pub mod records;
#[path = "../../core/src/ring.rs"]
pub mod ring;

pub mod cells;
pub mod doorbell;
pub mod explore;
pub mod memory;
pub mod msix;
pub mod rig;
pub mod watched;
pub mod word;

#[path = "../../core/src/layout.rs"]
mod layout;
