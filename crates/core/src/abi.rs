//! Every byte that the two sides exchange: the registers at the start of the
//! BAR, the descriptor, and the numbers in them (protocol, sections 1 to 3
//! and 5). `ts/abi/layout.ts` is generated from this file.
//!
//! ```text
//!   BAR   0 ┌────────────────────────┐
//!           │ Registers    1089 bytes│  EP and RC, each its own fields
//!      1089 ├────────────────────────┤
//!           │ extension block, spare │
//!      1152 ├────────────────────────┤  queue_bar_offset
//!           │ descriptor space       │  RC lays queues out in it
//!           ├────────────────────────┤  queue_bar_offset + available_qsize
//!           │ MSI-X table            │  16 bytes a vector
//!           ├────────────────────────┤
//!           │ MSI-X pending bits     │  1 bit a vector, rounded up to 8 bytes
//!           └────────────────────────┘
//! ```

pub use crate::layout::{Constant, Field};
use crate::layout::{wire_constants, wire_struct};

wire_constants! {
    /// Sizes and limits.
    limits: u64 {
        /// The value of the `magic` register: it finds the BAR that holds the registers.
        MAGIC = 0x636f_6e74,
        /// Bytes of a sector, whatever the block size of the disc.
        SECTOR_BYTES = 512,
        /// Bytes reserved for the registers: where descriptor space starts.
        REGISTERS_BYTES = 1152,
        /// Bytes of a descriptor.
        DESCRIPTOR_BYTES = 24,
        /// Bytes of one MSI-X table entry.
        MSIX_ENTRY_BYTES = 16,
        /// Bytes of a BAR whose size nothing else fixes.
        DEFAULT_BAR_BYTES = 128 * 1024,
        /// Most discs that an endpoint exports.
        MAX_DEVICES = 16,
        /// Most bytes of a disc's name in `dev_name`, without its `;`.
        MAX_NAME_BYTES = 63,
        /// Bytes of the `dev_name` register.
        DEV_NAME_BYTES = 1025,
        /// Fewest descriptors of a queue.
        MIN_DESCRIPTORS = 16,
        /// Most descriptors of a queue.
        MAX_DESCRIPTORS = 65535,
        /// Most bytes of one descriptor's transfer.
        MAX_LEN_BYTES = 1024 * 1024,
        /// The value of `ext_magic` where the endpoint offers the extension block.
        EXT_MAGIC = 0x7865_6270,
        /// The value of `ext_version`.
        EXT_VERSION = 1,
        /// Bytes of the doorbell block, which lies behind a queue's rings.
        DOORBELL_BYTES = 128,
        /// The doorbell block's offset is a multiple of this: each side's word on a cache line of its own.
        DOORBELL_ALIGNMENT = 64,
        /// Offset of `sleeping` in the doorbell block; `bell` is at 0.
        SLEEPING_OFFSET = 64,
        /// The `qidx` that SET_IRQ takes for the events of a disc.
        EVENTS_QIDX = 0xff,
        /// The `idx` of a device ring that the endpoint has left.
        RING_GONE = 0xffff,
        /// PCI vendor of the function.
        VENDOR_ID = 0x0000,
        /// PCI device of the function.
        DEVICE_ID = 0xc402,
        /// PCI base class of the function.
        BASE_CLASS = 0xff,
    }
}

wire_struct! {
    /// The registers, from offset 0 of the BAR (protocol, sections 2 and 5).
    Registers, 1152 bytes {
        /// Finds the BAR that holds the registers. Written by the EP.
        0x00 magic: u32,
        /// Command bits. Written by the RC; the EP clears it when it takes it.
        0x04 command: u32,
        /// Status bits. Written by the EP; the RC writes 0 after reading.
        0x08 status: u32,
        /// Where descriptor space starts in the BAR, in bytes. Written by the EP.
        0x0c queue_bar_offset: u32,
        /// The driver ring, in bytes from the start of this queue. Written by the RC.
        0x10 drv_offset: u32,
        /// The device ring, in bytes from the start of this queue. Written by the RC.
        0x14 dev_offset: u32,
        /// Descriptors in this queue, 16 to 65535. Written by the RC.
        0x18 num_desc: u32,
        /// Most discs. Written by the EP.
        0x1c max_devs: u32,
        /// MSI-X vector for this disc and queue, counted from 1. Written by the RC.
        0x20 irq: u32,
        /// Bytes of this queue. Written by the RC.
        0x24 qsize: u32,
        /// Most queues that a disc supports. Written by the EP.
        0x28 num_queues: u32,
        /// This queue, in bytes from `queue_bar_offset`. Written by the RC.
        0x2c queue_offset: u32,
        /// Bytes of descriptor space. Written by the EP.
        0x30 available_qsize: u32,
        /// Which disc the command is about, counted in the list that GET_DEVICES returned. Written by the RC.
        0x34 dev_idx: u8,
        /// Bit 0 set: read-only. Written by the EP.
        0x35 perm: u8,
        /// Which queue of that disc. Written by the RC.
        0x36 qidx: u8,
        /// Not used.
        0x37 reserved_37: u8,
        /// Size of the disc in sectors. Written by the EP.
        0x38 num_sectors: u64,
        /// Disc paths, each ended by `;`, NUL-terminated. Written by the EP.
        0x40 dev_name: [u8; 1025],
        /// Not used.
        0x441 reserved_441: [u8; 3],
        /// Extension block: `EXT_MAGIC` where it is offered. Written by the EP.
        0x444 ext_magic: u32,
        /// Extension block: its version. Written by the EP.
        0x448 ext_version: u32,
        /// Extension block: what the EP offers for the selected disc. Written by the EP.
        0x44c ext_features: u32,
        /// Extension block: what the RC will use. Written by the RC before SET_QUEUE.
        0x450 ext_enabled: u32,
        /// Extension block: incremented and notified after a command. Written by the RC.
        0x454 command_bell: u32,
        /// Extension block: non-zero while the command handler sleeps. Written by the EP.
        0x458 command_sleeping: u32,
        /// Extension block: incremented at each start of the endpoint. Written by the EP.
        0x45c generation: u32,
        /// Extension block: moves at least once a second. Written by the EP.
        0x460 heartbeat: u32,
        /// Extension block: logical block size of the selected disc, in bytes. Written by the EP.
        0x464 logical_block_size: u32,
        /// Extension block: largest `len` of one descriptor, in bytes. Written by the EP.
        0x468 max_len: u32,
        /// Not used.
        0x46c reserved_46c: [u8; 20],
    }
}

wire_constants! {
    /// Bits of the `command` register (protocol, section 2).
    command: u32 {
        /// Reads dev_idx, qidx, queue_offset, drv_offset, dev_offset, num_desc and qsize; resets both ring positions of that queue.
        SET_QUEUE = 1 << 6,
        /// Answers in dev_name.
        GET_DEVICES = 1 << 7,
        /// The disc's queues are served from here on.
        START = 1 << 8,
        /// Answers in num_sectors.
        NUM_SECTORS = 1 << 9,
        /// Drains and stops the disc's queues; an error if the disc was not started.
        STOP = 1 << 10,
        /// Sets the MSI-X vector of a disc's queue.
        SET_IRQ = 1 << 11,
        /// Answers in perm.
        GET_PERMISSION = 1 << 12,
    }
}

wire_constants! {
    /// Bits of the `status` register (protocol, section 2).
    status: u32 {
        /// The command was served.
        SUCCESS = 1 << 0,
        /// The command failed.
        ERROR = 1 << 8,
        /// SET_QUEUE was given a queue that cannot be.
        QUEUE_ADDRESS_INVALID = 1 << 9,
    }
}

wire_constants! {
    /// Bits of the `perm` register (protocol, section 2).
    permission: u32 {
        /// The disc may only be read.
        READ_ONLY = 1 << 0,
    }
}

wire_struct! {
    /// A descriptor: one request, and its result (protocol, section 3).
    Descriptor, 24 bytes {
        /// First sector.
        0 s_sector: u64,
        /// Bus address of the data in the RC's memory.
        8 addr: u64,
        /// Bytes.
        16 len: u32,
        /// Operation.
        20 opf: u8,
        /// Result.
        21 status: u8,
        /// Flags.
        22 flags: u8,
        /// Not used.
        23 reserved: u8,
    }
}

wire_constants! {
    /// Values of a descriptor's `opf`: Linux's `REQ_OP_*` (protocol, sections 3 and 5).
    operation: u8 {
        /// From the disc to the RC's memory.
        READ = 0,
        /// From the RC's memory to the disc.
        WRITE = 1,
        /// The data of completed writes is on stable storage.
        FLUSH = 2,
        /// The sectors' data is not needed any more.
        DISCARD = 3,
        /// The sectors read as zeros.
        WRITE_ZEROES = 9,
    }
}

wire_constants! {
    /// Bits of a descriptor's `flags` (protocol, sections 3 and 5).
    descriptor_flag: u8 {
        /// The descriptor holds a request.
        IN_USE = 1 << 1,
        /// On a write: its data is on stable storage when it completes.
        FUA = 1 << 2,
    }
}

wire_constants! {
    /// Bits of `ext_features`, which the EP offers, and of `ext_enabled`, which the RC
    /// will use (protocol, section 5).
    feature: u32 {
        /// `command_bell` and the queues' doorbell blocks are in use.
        DOORBELL = 1 << 0,
        /// The operation FLUSH.
        FLUSH = 1 << 1,
        /// The operation DISCARD.
        DISCARD = 1 << 2,
        /// The operation WRITE_ZEROES.
        WRITE_ZEROES = 1 << 3,
        /// The flag FUA on a write.
        FUA = 1 << 4,
        /// The disc's size may change while it is started.
        RESIZE = 1 << 5,
    }
}

wire_constants! {
    /// Values of a descriptor's `status`: Linux's `blk_status_t` (protocol, section 3).
    blk_status: u8 {
        /// Success.
        OK = 0,
        /// The operation is not supported.
        NOTSUPP = 1,
        /// The request timed out.
        TIMEOUT = 2,
        /// The disc is full.
        NOSPC = 3,
        /// The medium could not be read or written.
        MEDIUM = 7,
        /// The disc may not be written.
        PROTECTION = 8,
        /// Resources ran out.
        RESOURCE = 9,
        /// Another error of input or output.
        IOERR = 10,
        /// The device is gone.
        OFFLINE = 16,
        /// The request makes no sense.
        INVAL = 19,
    }
}
