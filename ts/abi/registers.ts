// All registers at once, by name: for whoever looks rather than drives.

import { BlockptError } from "../errors.js";
import { DEV_NAME_BYTES, EXT_MAGIC, REGISTERS_BYTES, Register } from "./layout.js";

/** The registers of the extension block (protocol, section 5). */
export interface ExtensionRegisters {
  /** The block's version. */
  extVersion: number;
  /** What the EP offers for the disc that was asked for last: bits of `Feature`. */
  extFeatures: number;
  /** What the RC will use: bits of `Feature`. */
  extEnabled: number;
  /** Moves after a command, if the EP sleeps. */
  commandBell: number;
  /** Not 0 while the EP's command handler sleeps. */
  commandSleeping: number;
  /** Which start of the EP this is; never 0. */
  generation: number;
  /** Moves at least once a second while the EP lives. */
  heartbeat: number;
  /** Bytes of the disc's blocks. */
  logicalBlockSize: number;
  /** Most bytes of one descriptor. */
  maxLen: number;
}

/** The registers (protocol, section 2). */
export interface Registers {
  /** `MAGIC` where there is an endpoint. */
  magic: number;
  /** Bits of `Command` that the EP has not taken yet. */
  command: number;
  /** Bits of `Status`. */
  status: number;
  /** Where descriptor space starts in the BAR, in bytes. */
  queueBarOffset: number;
  /** The driver ring, in bytes from the start of the queue. */
  drvOffset: number;
  /** The device ring, in bytes from the start of the queue. */
  devOffset: number;
  /** Descriptors of the queue. */
  numDesc: number;
  /** Most discs. */
  maxDevs: number;
  /** MSI-X vector, counted from 1. */
  irq: number;
  /** Bytes of the queue. */
  qsize: number;
  /** Most queues of a disc. */
  numQueues: number;
  /** The queue, in bytes from `queueBarOffset`. */
  queueOffset: number;
  /** Bytes of descriptor space. */
  availableQsize: number;
  /** Which disc, counted in the list of GET_DEVICES. */
  devIdx: number;
  /** Bits of `Permission`. */
  perm: number;
  /** Which queue of the disc. */
  qidx: number;
  /** Size of the disc, in sectors of 512 bytes. */
  numSectors: bigint;
  /** The text of `dev_name` up to its NUL: disc paths, each ended by `;`. */
  devName: string;
  /** The extension block; undefined where `ext_magic` is not `EXT_MAGIC`. */
  extension: ExtensionRegisters | undefined;
}

/**
 * Reads the registers (protocol, sections 2 and 5), each once; together they are no
 * snapshot, as the other side may write between two of them.
 *
 * @param view - the BAR, or its first 1152 bytes
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if the view is shorter
 *
 * @example
 * ```ts
 * import { createBus } from "blockpt";
 * import { readRegisters } from "blockpt/abi";
 *
 * const bus = await createBus();
 * const bar = new DataView(bus.buffer, bus.bar.offset, bus.bar.length);
 * console.log(readRegisters(bar).magic); // 0 — no endpoint is started
 * ```
 */
export function readRegisters(view: ArrayBufferView): Registers {
  if (view.byteLength < REGISTERS_BYTES) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `the registers take ${REGISTERS_BYTES} bytes, the view has ${view.byteLength}`,
    );
  }
  const bar = new DataView(view.buffer, view.byteOffset, REGISTERS_BYTES);
  const u32 = (offset: number): number => bar.getUint32(offset, true);
  return {
    magic: u32(Register.magic),
    command: u32(Register.command),
    status: u32(Register.status),
    queueBarOffset: u32(Register.queueBarOffset),
    drvOffset: u32(Register.drvOffset),
    devOffset: u32(Register.devOffset),
    numDesc: u32(Register.numDesc),
    maxDevs: u32(Register.maxDevs),
    irq: u32(Register.irq),
    qsize: u32(Register.qsize),
    numQueues: u32(Register.numQueues),
    queueOffset: u32(Register.queueOffset),
    availableQsize: u32(Register.availableQsize),
    devIdx: bar.getUint8(Register.devIdx),
    perm: bar.getUint8(Register.perm),
    qidx: bar.getUint8(Register.qidx),
    numSectors: bar.getBigUint64(Register.numSectors, true),
    devName: readName(bar),
    extension: u32(Register.extMagic) === EXT_MAGIC ? readExtension(u32) : undefined,
  };
}

function readExtension(u32: (offset: number) => number): ExtensionRegisters {
  return {
    extVersion: u32(Register.extVersion),
    extFeatures: u32(Register.extFeatures),
    extEnabled: u32(Register.extEnabled),
    commandBell: u32(Register.commandBell),
    commandSleeping: u32(Register.commandSleeping),
    generation: u32(Register.generation),
    heartbeat: u32(Register.heartbeat),
    logicalBlockSize: u32(Register.logicalBlockSize),
    maxLen: u32(Register.maxLen),
  };
}

function readName(bar: DataView): string {
  // Copied out first: a TextDecoder takes no shared memory.
  const bytes: number[] = [];
  for (let index = 0; index < DEV_NAME_BYTES; index++) {
    const byte = bar.getUint8(Register.devName + index);
    if (byte === 0) break;
    bytes.push(byte);
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
