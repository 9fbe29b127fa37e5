// A trace as a file, written while it is recorded:
//
//   0    "BLKPTRC\n"           what it is
//   8    u32 version           of this format
//   12   u32 record bytes      64
//   16   u32 header bytes      where the records start: a multiple of 64
//   20   u32 text bytes
//   24   text                  JSON: TraceHeader
//   …    records               as layout.ts has them, with stamp 0, in the order of recording
//
// Names come as records of their own before the first record that needs them, and where records were lost one says so. So a
// file can be read up to wherever whoever wrote it was killed. All numbers are little-endian.

import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError } from "../errors.js";
import { unref } from "../platform/turns.js";
import { NAME_PART_BYTES, RECORD_BYTES, RECORD_WORDS, TraceEvent, TraceWord } from "./layout.js";
import { inTimeOrder } from "./time-order.js";
import type { Trace } from "./trace.js";
import { decodeRecord, type TraceLost, type TraceRecord } from "./trace-record.js";

const MAGIC = "BLKPTRC\n";
const VERSION = 1;
const FIXED_BYTES = 24;
const MOST_HEADER_BYTES = 64 * 1024;
/** How often what was recorded is written. */
const DRAIN_MS = 50;
const FIRST_BUFFER_RECORDS = 1024;
/** Of a number of which the file has no name. */
const UNNAMED = new TextEncoder().encode("?");

/** What a trace file says at its start. */
export interface TraceHeader {
  /** When the trace was made, as `2026-11-21T09:00:00.000Z`. */
  startedAt: string;
  /** The engine of the thread that began it. */
  engine: string;
  /** The endpoint's BAR in the bus. */
  bar: BusRange;
  /** Host memory in the bus. */
  hostMemory: BusRange;
  /** Bytes of the endpoint's memory. */
  endpointMemoryBytes: number;
  /** Whether the bus has an IOMMU. */
  iommu: boolean;
}

/** What is in a trace file. */
export interface TraceContents {
  /** What it says at its start. */
  readonly header: TraceHeader;
  /** How many records it has, of names too. */
  readonly count: number;
  /** Bytes of a record that was cut off at the end: not 0 where whoever wrote it was killed. */
  readonly cutBytes: number;
  /**
   * The records, in the order of recording, each made when it is its turn.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_TRACE_FILE` for one that makes no sense
   */
  records(): Iterable<TraceRecord | TraceLost>;
  /**
   * The same in the order of time, as far as threads are not more than 8192 records apart.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_TRACE_FILE` for one that makes no sense
   */
  inOrder(): Iterable<TraceRecord | TraceLost>;
}

/**
 * Writes a trace to a file while it is recorded: every 50 ms, by a timer that keeps no process alive, and when it is closed.
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, readTraceFile, Trace, TraceFile } from "blockpt";
 *
 * const bus = await createBus();
 * const trace = new Trace();
 * const file = TraceFile.create("example.trace", trace, bus);
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", trace });
 * await endpoint.start();
 * await endpoint.close();
 * file.close();
 *
 * const { header, count } = readTraceFile("example.trace");
 * console.log(header.bar.length, count >= 0, file.lost); // 131072 true 0
 * ```
 */
export class TraceFile {
  readonly #trace: Trace;
  readonly #fd: number;
  readonly #timer: NodeJS.Timeout;
  readonly #namesWritten = new Set<number>();
  #buffer = new Uint32Array(FIRST_BUFFER_RECORDS * RECORD_WORDS);
  /** Words of the buffer that are in use. */
  #used = 0;
  #lostWritten = 0;
  #failure: BlockptError | undefined;
  #closed = false;
  readonly #path: string;

  private constructor(path: string, fd: number, trace: Trace) {
    this.#path = path;
    this.#fd = fd;
    this.#trace = trace;
    this.#timer = setInterval(() => this.#drain(false), DRAIN_MS);
    unref(this.#timer);
  }

  /**
   * Begins a file. One that is there is overwritten if it is a trace, or empty, and nothing else is.
   *
   * @param bus - the bus that is traced
   * @throws {@link BlockptError} `ERR_BLOCKPT_TRACE_FILE` if it cannot be written, or is something else
   */
  static create(path: string, trace: Trace, bus: Bus): TraceFile {
    const header: TraceHeader = {
      startedAt: trace.startedAt.toISOString(),
      engine: bus.engine.kind,
      bar: bus.bar,
      hostMemory: bus.hostMemory,
      endpointMemoryBytes: bus.endpointMemory.length,
      iommu: bus.iommu !== undefined,
    };
    let fd: number | undefined;
    try {
      fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o666);
      const stat = fstatSync(fd);
      if (!stat.isFile() && !stat.isCharacterDevice()) throw new Error("it is no file");
      if (stat.size > 0 && !isTrace(fd)) {
        throw new Error("it is there, and no trace: remove it first");
      }
      if (stat.isFile()) ftruncateSync(fd);
      writeAll(fd, encodeHeader(header));
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      throw failed(`${path} cannot be written`, error);
    }
    return new TraceFile(path, fd, trace);
  }

  /** How many records were lost, as they were overwritten before they were written here. */
  get lost(): number {
    return this.#trace.lost;
  }

  /** Why it could not be written on; undefined while it can. */
  get failure(): BlockptError | undefined {
    return this.#failure;
  }

  /**
   * Writes the rest. To be called when nothing is recorded any more: what comes later is not in the file.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_TRACE_FILE` if it could not be written, now or before
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drain(true);
    clearInterval(this.#timer);
    closeSync(this.#fd);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #drain(isLast: boolean): void {
    if (this.#failure !== undefined) return;
    this.#used = 0;
    this.#trace.drain((words, lost) => {
      this.#addLost(lost, words);
      this.#room().set(words);
    }, isLast);
    if (isLast) this.#addLost(this.#trace.lost);
    try {
      // Every name that a record has was there before it.
      writeAll(this.#fd, this.#newNames());
      writeAll(this.#fd, new Uint8Array(this.#buffer.buffer, 0, this.#used * 4));
    } catch (error) {
      this.#failure = failed(`${this.#path} ends early`, error);
      clearInterval(this.#timer);
    }
  }

  #addLost(lost: number, before?: Uint32Array): void {
    if (lost === this.#lostWritten) return;
    const record = this.#room();
    record.fill(0);
    record[TraceWord.kind] = TraceEvent.lost;
    // At the time of what comes next.
    if (before !== undefined) record.set(before.subarray(2, 4), 2);
    record[TraceWord.data] = lost - this.#lostWritten;
    this.#lostWritten = lost;
  }

  /** Where the next record of the buffer goes. */
  #room(): Uint32Array {
    if (this.#used === this.#buffer.length) {
      const larger = new Uint32Array(2 * this.#buffer.length);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#used += RECORD_WORDS;
    return this.#buffer.subarray(this.#used - RECORD_WORDS, this.#used);
  }

  #newNames(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let number = 1; number <= this.#trace.nameCount; number++) {
      const name = this.#namesWritten.has(number) ? undefined : this.#trace.nameAt(number);
      if (name === undefined) continue;
      this.#namesWritten.add(number);
      parts.push(...nameRecords(number, new TextEncoder().encode(name)));
    }
    return Buffer.concat(parts);
  }
}

/**
 * Reads a trace file.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_TRACE_FILE` if it cannot be read, is no trace, of a newer version, or ends before
 * its first record could
 */
export function readTraceFile(path: string): TraceContents {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw failed(`${path} cannot be read`, error);
  }
  const { header, headerBytes } = decodeHeader(path, bytes);
  const body = bytes.subarray(headerBytes);
  const count = Math.floor(body.length / RECORD_BYTES);
  return {
    header,
    count,
    cutBytes: body.length % RECORD_BYTES,
    records: () => recordsIn(path, body, count),
    inOrder: () => inTimeOrder(recordsIn(path, body, count)),
  };
}

function* recordsIn(
  path: string,
  body: Buffer,
  count: number,
): Generator<TraceRecord | TraceLost, void, undefined> {
  const names = new Map<number, Uint8Array[]>();
  const texts = new Map<number, string>();
  const nameOf = (number: number): string => {
    let text = texts.get(number);
    if (text === undefined) {
      text = new TextDecoder().decode(Buffer.concat(names.get(number) ?? [UNNAMED]));
      texts.set(number, text);
    }
    return text;
  };
  const record = new Uint8Array(RECORD_BYTES);
  const words = new Uint32Array(record.buffer);
  const view = new DataView(record.buffer);
  for (let number = 0; number < count; number++) {
    record.set(body.subarray(number * RECORD_BYTES, (number + 1) * RECORD_BYTES));
    const event = (words[TraceWord.kind] as number) & 0xff;
    if (event === TraceEvent.name) {
      const name = words[TraceWord.place] as number;
      const start = TraceWord.data * 4;
      const lenBytes = Math.min(words[TraceWord.index] as number, NAME_PART_BYTES);
      const before = texts.has(name) ? undefined : names.get(name);
      names.set(name, [...(before ?? []), record.slice(start, start + lenBytes)]);
      continue;
    }
    if (event === TraceEvent.lost) {
      yield { event: "lost", count: words[TraceWord.data] as number };
      continue;
    }
    const timeUs = view.getFloat64(TraceWord.time * 8, true);
    const decoded = Number.isFinite(timeUs) ? decodeRecord(words, timeUs, nameOf) : undefined;
    if (decoded === undefined) {
      const why = `record ${number + 1} of ${count} makes no sense: the file is damaged from there on`;
      throw failed(`${path} cannot be read on`, new Error(why));
    }
    yield decoded;
  }
}

/** A name, in as many records as it takes. */
function nameRecords(number: number, bytes: Uint8Array): Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.length / NAME_PART_BYTES));
  return Array.from({ length: count }, (_, part) => {
    const text = bytes.subarray(part * NAME_PART_BYTES, (part + 1) * NAME_PART_BYTES);
    const words = new Uint32Array(RECORD_WORDS);
    words[TraceWord.kind] = TraceEvent.name;
    words[TraceWord.place] = number;
    words[TraceWord.index] = text.length;
    const record = new Uint8Array(words.buffer);
    record.set(text, TraceWord.data * 4);
    return record;
  });
}

function isTrace(fd: number): boolean {
  const found = Buffer.alloc(MAGIC.length);
  readSync(fd, found, 0, found.length, 0);
  return found.toString("latin1") === MAGIC;
}

function encodeHeader(header: TraceHeader): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil((FIXED_BYTES + text.length) / RECORD_BYTES) * RECORD_BYTES;
  const bytes = new Uint8Array(headerBytes);
  bytes.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(bytes.buffer);
  const fields = [VERSION, RECORD_BYTES, headerBytes, text.length];
  for (const [index, value] of fields.entries()) view.setUint32(8 + index * 4, value, true);
  bytes.set(text, FIXED_BYTES);
  return bytes;
}

function decodeHeader(path: string, bytes: Buffer): { header: TraceHeader; headerBytes: number } {
  const refuse = (why: string): BlockptError => failed(`${path} cannot be read`, new Error(why));
  if (bytes.subarray(0, MAGIC.length).toString("latin1") !== MAGIC) throw refuse("it is no trace");
  if (bytes.length < FIXED_BYTES) throw refuse("it ends within its header");
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION) {
    throw refuse(`it has version ${version} of the format, and this blockpt reads ${VERSION}`);
  }
  const [recordBytes, headerBytes, textBytes] = [12, 16, 20].map((at) =>
    bytes.readUInt32LE(at),
  ) as [number, number, number];
  const makesSense =
    recordBytes === RECORD_BYTES &&
    headerBytes <= MOST_HEADER_BYTES &&
    headerBytes % RECORD_BYTES === 0 &&
    FIXED_BYTES + textBytes <= headerBytes;
  if (!makesSense) throw refuse("its header makes no sense");
  if (bytes.length < headerBytes) throw refuse("it ends within its header");
  let header: unknown;
  try {
    header = JSON.parse(bytes.subarray(FIXED_BYTES, FIXED_BYTES + textBytes).toString());
  } catch (error) {
    throw failed(`${path} cannot be read: its header makes no sense`, error);
  }
  if (!isHeader(header)) throw refuse("its header lacks what it should have");
  return { header, headerBytes };
}

function isHeader(value: unknown): value is TraceHeader {
  const { startedAt, engine, bar, hostMemory, endpointMemoryBytes, iommu } = (value ??
    {}) as Partial<TraceHeader>;
  const isRange = (range: BusRange | undefined): boolean =>
    Number.isSafeInteger(range?.offset) && Number.isSafeInteger(range?.length);
  return (
    typeof startedAt === "string" &&
    typeof engine === "string" &&
    isRange(bar) &&
    isRange(hostMemory) &&
    Number.isSafeInteger(endpointMemoryBytes) &&
    typeof iommu === "boolean"
  );
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function failed(what: string, cause: unknown): BlockptError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new BlockptError("ERR_BLOCKPT_TRACE_FILE", `${what}: ${why}`, { cause });
}
