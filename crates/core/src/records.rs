//! The flat lists that cross between an engine and its caller, one crossing a
//! batch. They are not part of the protocol and never stand in the bus's BAR or
//! host memory. `ts/engine/records.ts` is generated from this file.

use crate::layout::{wire_constants, wire_struct};

wire_struct! {
    /// A request: what a driver submits, and what a device queue hands out
    /// after it checked the descriptor.
    RequestRecord, 32 bytes {
        /// First sector, low half.
        0 start_sector_low: u32,
        /// First sector, high half.
        4 start_sector_high: u32,
        /// Bus address of the data; 0 in a device's request that moves none.
        8 address: u32,
        /// Bytes.
        12 len_bytes: u32,
        /// Operation, one of `operation`.
        16 opf: u32,
        /// Driver: the caller's mark, given back with the completion.
        /// Device: the index of the descriptor.
        20 tag: u32,
        /// Driver: descriptor flags, to which the queue adds *in use*.
        /// Device: FUA on a write that has it, else 0.
        24 flags: u32,
        /// Result, where a descriptor is decoded; 0 in a request.
        28 status: u32,
    }
}

wire_struct! {
    /// A completion: what a device queue is told, and what a driver reaps.
    CompletionRecord, 8 bytes {
        /// Driver: the mark of the request. Device: the index of the descriptor.
        0 tag: u32,
        /// One of `blk_status`.
        4 status: u32,
    }
}

wire_struct! {
    /// What a device queue has done. Numbers of floating point, exact to 2^53: a caller in
    /// JavaScript reads them where they are, without a call or a BigInt.
    Counters, 56 bytes {
        /// Reads answered OK.
        0 reads: f64,
        /// Writes answered OK.
        8 writes: f64,
        /// Flushes answered OK.
        16 flushes: f64,
        /// Discards and writes of zeroes answered OK.
        24 discards: f64,
        /// Bytes of the reads.
        32 bytes_read: f64,
        /// Bytes of the writes.
        40 bytes_written: f64,
        /// Descriptors answered with any other status, the malformed ones included.
        48 errors: f64,
    }
}

wire_constants! {
    /// Why a queue can go no further: the other side broke the protocol in a
    /// way that no status can answer. Given as negative numbers.
    queue_fault: u32 {
        /// A ring's `idx` is not below the number of descriptors, or the device ring's claims
        /// more completions than are outstanding.
        RING_INDEX = 1,
        /// A ring holds an index of no descriptor.
        DESCRIPTOR_INDEX = 2,
        /// A ring holds the index of a descriptor whose turn it is not: one still
        /// in service on the driver ring, one not outstanding on the device ring.
        DESCRIPTOR_STATE = 3,
        /// The device ring's `idx` is `RING_GONE`: the endpoint has left the queue.
        GONE = 4,
    }
}

wire_constants! {
    /// Numbers that both sides of an engine know.
    memory: u32 {
        /// Bytes of a page of host memory, the grain of the IOMMU.
        HOST_PAGE_BYTES = 4096,
    }
}

wire_constants! {
    /// Lengths of the lists, in records.
    list: u32 {
        /// Records in one list. A longer batch takes several calls.
        CAPACITY = 256,
        /// Completions after which a device queue publishes within a batch: the
        /// driver works on the first while the device works on the next.
        PUBLISH_EVERY = 4,
        /// The same in bytes that were moved, for requests of which fewer take as long.
        PUBLISH_BYTES = 16384,
    }
}
