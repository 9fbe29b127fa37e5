/**
 * Owns what both foreign peers share: the tables of docs/protocol.md as
 * constants, a shared buffer read and written by bus address, and bounded waits.
 * Written from the page alone; nothing here comes from blockpt.
 */

export const MAGIC = 0x636f6e74;

export const REG = {
  magic: 0x00,
  command: 0x04,
  status: 0x08,
  queueBarOffset: 0x0c,
  drvOffset: 0x10,
  devOffset: 0x14,
  numDesc: 0x18,
  maxDevs: 0x1c,
  irq: 0x20,
  qsize: 0x24,
  numQueues: 0x28,
  queueOffset: 0x2c,
  availableQsize: 0x30,
  devIdx: 0x34,
  perm: 0x35,
  qidx: 0x36,
  numSectors: 0x38,
  devName: 0x40,
  extMagic: 0x444,
  extVersion: 0x448,
  extFeatures: 0x44c,
  extEnabled: 0x450,
  commandBell: 0x454,
  commandSleeping: 0x458,
  generation: 0x45c,
  heartbeat: 0x460,
  logicalBlockSize: 0x464,
  maxLen: 0x468,
} as const;

export const DEV_NAME_BYTES = 1025;
export const REGISTER_BYTES = 1152;

export const EXT_MAGIC = 0x78656270;
export const EXT_VERSION = 1;

export const FEATURE = {
  doorbell: 1 << 0,
  flush: 1 << 1,
  discard: 1 << 2,
  writeZeroes: 1 << 3,
  fua: 1 << 4,
  resize: 1 << 5,
} as const;

export const CMD = {
  setQueue: 1 << 6,
  getDevices: 1 << 7,
  start: 1 << 8,
  numSectors: 1 << 9,
  stop: 1 << 10,
  setIrq: 1 << 11,
  getPermission: 1 << 12,
} as const;

export const STATUS = { success: 1 << 0, error: 1 << 8, queueInvalid: 1 << 9 } as const;

export const BLK = {
  ok: 0,
  notSupp: 1,
  medium: 7,
  protection: 8,
  ioErr: 10,
  inval: 19,
} as const;

export const DESC = {
  size: 24,
  sector: 0,
  addr: 8,
  len: 16,
  opf: 20,
  status: 21,
  flags: 22,
} as const;
export const OP = { read: 0, write: 1, flush: 2, discard: 3, writeZeroes: 9 } as const;
export const IN_USE = 1 << 1;
export const FUA = 1 << 2;
export const SECTOR = 512;
export const MAX_LEN = 1 << 20;

/** What an operation of section 5 must have had enabled. */
export const NEEDS: ReadonlyMap<number, number> = new Map([
  [OP.flush, FEATURE.flush],
  [OP.discard, FEATURE.discard],
  [OP.writeZeroes, FEATURE.writeZeroes],
]);

/** `qidx` of SET_IRQ for the disc's events. */
export const EVENTS = 0xff;

/** A device ring's `idx` that says: nobody will answer. */
export const GONE = 0xffff;

/** A queue's doorbell block. */
export const DOORBELL = { multiple: 64, bell: 0, sleeping: 64, size: 128 } as const;

/** MSI-X table entry, as PCI has it. */
export const MSIX = {
  size: 16,
  addressLow: 0,
  addressHigh: 4,
  data: 8,
  control: 12,
  masked: 1,
} as const;

export interface Region {
  readonly offset: number;
  readonly length: number;
}

export const roundUp = (value: number, multiple: number): number =>
  Math.ceil(value / multiple) * multiple;

export const ringBytes = (numDesc: number): number => roundUp(2 + 2 * numDesc, 8);

/** A shared buffer by bus address: plain bytes for data, atomics for what is published. */
export class BusMemory {
  readonly view: DataView;
  readonly #half: Uint16Array;
  readonly #word: Uint32Array;
  readonly #signed: Int32Array;
  readonly #buffer: SharedArrayBuffer;

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
    this.view = new DataView(buffer);
    this.#half = new Uint16Array(buffer, 0, Math.floor(buffer.byteLength / 2));
    this.#word = new Uint32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
    this.#signed = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
  }

  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer, address, length);
  }
  load16(address: number): number {
    return Atomics.load(this.#half, aligned(address, 2));
  }
  store16(address: number, value: number): void {
    Atomics.store(this.#half, aligned(address, 2), value);
  }
  load32(address: number): number {
    return Atomics.load(this.#word, aligned(address, 4));
  }
  store32(address: number, value: number): void {
    Atomics.store(this.#word, aligned(address, 4), value);
  }
  /** Increments a bell, and wakes who sleeps on it. */
  ring(address: number): void {
    Atomics.add(this.#word, aligned(address, 4), 1);
    this.notify(address);
  }
  notify(address: number): void {
    Atomics.notify(this.#signed, aligned(address, 4));
  }

  /** Sleeps while the word holds this; only a notify (or another value) wakes it. False: it was too long. */
  async asleep(what: string, address: number, value: number, timeoutMs: number): Promise<boolean> {
    const wait = Atomics.waitAsync(this.#signed, aligned(address, 4), value | 0, timeoutMs);
    const outcome = wait.async ? await within(what, wait.value, timeoutMs + 10_000) : wait.value;
    return outcome !== "timed-out";
  }

  /** Sleeps until the word is no longer zero. */
  async notified(what: string, address: number, timeoutMs = 10_000): Promise<number> {
    if (!(await this.asleep(what, address, 0, timeoutMs))) {
      const now = this.load32(address);
      throw new Error(`${what}: no notify within ${timeoutMs} ms, the word holds ${now}`);
    }
    return this.load32(address);
  }
}

function aligned(address: number, width: number): number {
  if (address % width !== 0) throw new Error(`address ${address} is not a multiple of ${width}`);
  return address / width;
}

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Looks until there is an answer; fails by name rather than hanging. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = look();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`${what}: did not happen within ${timeoutMs} ms`);
    await pause(1);
  }
}

/** A promise, bounded. */
export async function within<T>(what: string, promise: Promise<T>, timeoutMs = 15_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not settled in ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Tries until it works, a bounded number of times. */
export async function retried(what: string, attempt: () => Promise<unknown>): Promise<void> {
  let failure: unknown;
  for (let tries = 0; tries < 500; tries++) {
    try {
      await within(what, attempt());
      return;
    } catch (error) {
      failure = error;
      await pause(5);
    }
  }
  throw failure;
}

/** Bytes that differ by seed and by position. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
