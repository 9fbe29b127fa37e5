// Generated from crates/core by `npm run generate:abi`. Do not edit.

/** The value of the `magic` register: it finds the BAR that holds the registers. */
export const MAGIC = 0x636f6e74;

/** Bytes of a sector, whatever the block size of the disc. */
export const SECTOR_BYTES = 512;

/** Bytes reserved for the registers: where descriptor space starts. */
export const REGISTERS_BYTES = 1152;

/** Bytes of a descriptor. */
export const DESCRIPTOR_BYTES = 24;

/** Bytes of one MSI-X table entry. */
export const MSIX_ENTRY_BYTES = 16;

/** Bytes of a BAR whose size nothing else fixes. */
export const DEFAULT_BAR_BYTES = 131072;

/** Most discs that an endpoint exports. */
export const MAX_DEVICES = 16;

/** Most bytes of a disc's name in `dev_name`, without its `;`. */
export const MAX_NAME_BYTES = 63;

/** Bytes of the `dev_name` register. */
export const DEV_NAME_BYTES = 1025;

/** Fewest descriptors of a queue. */
export const MIN_DESCRIPTORS = 16;

/** Most descriptors of a queue. */
export const MAX_DESCRIPTORS = 65535;

/** Most bytes of one descriptor's transfer. */
export const MAX_LEN_BYTES = 1048576;

/** The value of `ext_magic` where the endpoint offers the extension block. */
export const EXT_MAGIC = 0x78656270;

/** The value of `ext_version`. */
export const EXT_VERSION = 1;

/** Bytes of the doorbell block, which lies behind a queue's rings. */
export const DOORBELL_BYTES = 128;

/** The doorbell block's offset is a multiple of this: each side's word on a cache line of its own. */
export const DOORBELL_ALIGNMENT = 64;

/** Offset of `sleeping` in the doorbell block; `bell` is at 0. */
export const SLEEPING_OFFSET = 64;

/** The `qidx` that SET_IRQ takes for the events of a disc. */
export const EVENTS_QIDX = 0xff;

/** The `idx` of a device ring that the endpoint has left. */
export const RING_GONE = 0xffff;

/** PCI vendor of the function. */
export const VENDOR_ID = 0x0;

/** PCI device of the function. */
export const DEVICE_ID = 0xc402;

/** PCI base class of the function. */
export const BASE_CLASS = 0xff;

/** Offsets of the registers from the start of the BAR, in bytes (protocol, sections 2 and 5). */
export const Register = {
  /** Finds the BAR that holds the registers. Written by the EP. */
  magic: 0x00,
  /** Command bits. Written by the RC; the EP clears it when it takes it. */
  command: 0x04,
  /** Status bits. Written by the EP; the RC writes 0 after reading. */
  status: 0x08,
  /** Where descriptor space starts in the BAR, in bytes. Written by the EP. */
  queueBarOffset: 0x0c,
  /** The driver ring, in bytes from the start of this queue. Written by the RC. */
  drvOffset: 0x10,
  /** The device ring, in bytes from the start of this queue. Written by the RC. */
  devOffset: 0x14,
  /** Descriptors in this queue, 16 to 65535. Written by the RC. */
  numDesc: 0x18,
  /** Most discs. Written by the EP. */
  maxDevs: 0x1c,
  /** MSI-X vector for this disc and queue, counted from 1. Written by the RC. */
  irq: 0x20,
  /** Bytes of this queue. Written by the RC. */
  qsize: 0x24,
  /** Most queues that a disc supports. Written by the EP. */
  numQueues: 0x28,
  /** This queue, in bytes from `queue_bar_offset`. Written by the RC. */
  queueOffset: 0x2c,
  /** Bytes of descriptor space. Written by the EP. */
  availableQsize: 0x30,
  /** Which disc the command is about, counted in the list that GET_DEVICES returned. Written by the RC. */
  devIdx: 0x34,
  /** Bit 0 set: read-only. Written by the EP. */
  perm: 0x35,
  /** Which queue of that disc. Written by the RC. */
  qidx: 0x36,
  /** Size of the disc in sectors. Written by the EP. */
  numSectors: 0x38,
  /** Disc paths, each ended by `;`, NUL-terminated. Written by the EP. */
  devName: 0x40,
  /** Extension block: `EXT_MAGIC` where it is offered. Written by the EP. */
  extMagic: 0x444,
  /** Extension block: its version. Written by the EP. */
  extVersion: 0x448,
  /** Extension block: what the EP offers for the selected disc. Written by the EP. */
  extFeatures: 0x44c,
  /** Extension block: what the RC will use. Written by the RC before SET_QUEUE. */
  extEnabled: 0x450,
  /** Extension block: incremented and notified after a command. Written by the RC. */
  commandBell: 0x454,
  /** Extension block: non-zero while the command handler sleeps. Written by the EP. */
  commandSleeping: 0x458,
  /** Extension block: incremented at each start of the endpoint. Written by the EP. */
  generation: 0x45c,
  /** Extension block: moves at least once a second. Written by the EP. */
  heartbeat: 0x460,
  /** Extension block: logical block size of the selected disc, in bytes. Written by the EP. */
  logicalBlockSize: 0x464,
  /** Extension block: largest `len` of one descriptor, in bytes. Written by the EP. */
  maxLen: 0x468,
} as const;

/** Bits of the `command` register (protocol, section 2). */
export const Command = {
  /** Reads dev_idx, qidx, queue_offset, drv_offset, dev_offset, num_desc and qsize; resets both ring positions of that queue. */
  SET_QUEUE: 64,
  /** Answers in dev_name. */
  GET_DEVICES: 128,
  /** The disc's queues are served from here on. */
  START: 256,
  /** Answers in num_sectors. */
  NUM_SECTORS: 512,
  /** Drains and stops the disc's queues; an error if the disc was not started. */
  STOP: 1024,
  /** Sets the MSI-X vector of a disc's queue. */
  SET_IRQ: 2048,
  /** Answers in perm. */
  GET_PERMISSION: 4096,
} as const;

/** Bits of the `status` register (protocol, section 2). */
export const Status = {
  /** The command was served. */
  SUCCESS: 1,
  /** The command failed. */
  ERROR: 256,
  /** SET_QUEUE was given a queue that cannot be. */
  QUEUE_ADDRESS_INVALID: 512,
} as const;

/** Bits of the `perm` register (protocol, section 2). */
export const Permission = {
  /** The disc may only be read. */
  READ_ONLY: 1,
} as const;

/** Offsets of a descriptor's fields, in bytes (protocol, section 3). */
export const DescriptorField = {
  /** First sector. */
  sSector: 0x00,
  /** Bus address of the data in the RC's memory. */
  addr: 0x08,
  /** Bytes. */
  len: 0x10,
  /** Operation. */
  opf: 0x14,
  /** Result. */
  status: 0x15,
  /** Flags. */
  flags: 0x16,
} as const;

/** Values of a descriptor's `opf`: Linux's `REQ_OP_*` (protocol, sections 3 and 5). */
export const Operation = {
  /** From the disc to the RC's memory. */
  READ: 0,
  /** From the RC's memory to the disc. */
  WRITE: 1,
  /** The data of completed writes is on stable storage. */
  FLUSH: 2,
  /** The sectors' data is not needed any more. */
  DISCARD: 3,
  /** The sectors read as zeros. */
  WRITE_ZEROES: 9,
} as const;

/** Bits of a descriptor's `flags` (protocol, sections 3 and 5). */
export const DescriptorFlag = {
  /** The descriptor holds a request. */
  IN_USE: 2,
  /** On a write: its data is on stable storage when it completes. */
  FUA: 4,
} as const;

/** Bits of the `ext_features` and `ext_enabled` registers (protocol, section 5). */
export const Feature = {
  /** `command_bell` and the queues' doorbell blocks are in use. */
  DOORBELL: 1,
  /** The operation FLUSH. */
  FLUSH: 2,
  /** The operation DISCARD. */
  DISCARD: 4,
  /** The operation WRITE_ZEROES. */
  WRITE_ZEROES: 8,
  /** The flag FUA on a write. */
  FUA: 16,
  /** The disc's size may change while it is started. */
  RESIZE: 32,
} as const;

/** Values of a descriptor's `status`: Linux's `blk_status_t` (protocol, section 3). */
export const BlkStatus = {
  /** Success. */
  OK: 0,
  /** The operation is not supported. */
  NOTSUPP: 1,
  /** The request timed out. */
  TIMEOUT: 2,
  /** The disc is full. */
  NOSPC: 3,
  /** The medium could not be read or written. */
  MEDIUM: 7,
  /** The disc may not be written. */
  PROTECTION: 8,
  /** Resources ran out. */
  RESOURCE: 9,
  /** Another error of input or output. */
  IOERR: 10,
  /** The device is gone. */
  OFFLINE: 16,
  /** The request makes no sense. */
  INVAL: 19,
} as const;
