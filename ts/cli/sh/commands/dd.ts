// `dd`: copies between files, disks and pipes a block at a time, and says so as GNU's does.

import { type Call, CommandFailure, type Definition } from "../command.js";
import type { OpenFile } from "../files/files.js";
import { parseBytes } from "../numbers.js";
import { FileError } from "../system-error.js";

const DEFAULT_BLOCK_BYTES = 512;
const MAX_BLOCK_BYTES = 1024 * 1024 * 1024;
const PROGRESS_MS = 1000;
const INTERRUPTED = 130;

const CONVERSIONS = ["notrunc", "fsync", "fdatasync"];
const STATUSES = ["none", "noxfer", "progress"];

interface Job {
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly blockBytes: number;
  /** Blocks. */
  readonly count: number;
  readonly skip: number;
  readonly seek: number;
  readonly conversions: readonly string[];
  readonly status: string | undefined;
}

interface Totals {
  readonly startedAt: number;
  fullIn: number;
  partialIn: number;
  fullOut: number;
  partialOut: number;
  bytes: number;
}

/** Reads the next bytes; 0 at the end. */
type Reader = (buffer: Uint8Array, offset: number, length: number) => Promise<number>;
type Writer = (buffer: Uint8Array, length: number) => Promise<void>;

export const dd: Definition = {
  name: "dd",
  usage: "[if=FILE] [of=FILE] [bs=BYTES] [count=N] [skip=N] [seek=N] [conv=…] [status=…]",
  help: `
Copies a block at a time, from a file or stdin to a file or stdout.

  bs=BYTES      of a block; default ${DEFAULT_BLOCK_BYTES}; c, b, K, M, G or kB, MB, GB behind the number
  count=N       so many blocks, not all
  skip=N        blocks that are not read at the start of the input
  seek=N        blocks that are not written at the start of the output
  conv=LIST     notrunc: the output keeps its length; fsync, fdatasync: waits for stable storage
  status=LEVEL  none, noxfer, progress`,
  verbatim: true,
  async run(call) {
    const job = jobOf(call.operands);
    const closing: OpenFile[] = [];
    const totals: Totals = {
      startedAt: performance.now(),
      fullIn: 0,
      partialIn: 0,
      fullOut: 0,
      partialOut: 0,
      bytes: 0,
    };
    let exitCode = 0;
    try {
      const read = await openInput(call, job, closing);
      const write = await openOutput(call, job, closing);
      exitCode = await copy(call, job, { read, write, totals });
      if (job.conversions.length > 0) await closing.at(-1)?.datasync();
    } catch (error) {
      if (!(error instanceof CopyError)) throw error;
      call.err(`dd: ${error.message}\n`);
      exitCode = 1;
    } finally {
      for (const file of closing) {
        await file.close().catch((error: unknown) => {
          // What could not be written is told already.
          if (exitCode === 0) call.err(`dd: error closing: ${FileError.of(error).reason}\n`);
          exitCode = 1;
        });
      }
    }
    if (job.status !== "none") call.err(report(totals, job.status === "noxfer"));
    return exitCode;
  },
};

/** The copy began, and did not come to its end. */
class CopyError extends Error {}

function jobOf(operands: readonly string[]): Job {
  const given = new Map<string, string>();
  for (const operand of operands) {
    const [, key = "", value = ""] = /^([a-z]+)=(.*)$/s.exec(operand) ?? [];
    if (!["if", "of", "bs", "count", "skip", "seek", "conv", "status"].includes(key)) {
      throw new CommandFailure(`unrecognized operand '${operand}'; see dd --help`);
    }
    given.set(key, value);
  }
  const number = (key: string, otherwise: number): number =>
    given.has(key) ? parseBytes(key, given.get(key) ?? "") : otherwise;
  const blockBytes = number("bs", DEFAULT_BLOCK_BYTES);
  if (blockBytes < 1 || blockBytes > MAX_BLOCK_BYTES) {
    throw new CommandFailure(`bs is ${blockBytes}: 1 to ${MAX_BLOCK_BYTES} bytes are wanted`);
  }
  const conversions = (given.get("conv") ?? "").split(",").filter(Boolean);
  const unknown = conversions.find((each) => !CONVERSIONS.includes(each));
  if (unknown !== undefined) {
    throw new CommandFailure(
      `invalid conversion: '${unknown}'; there are ${CONVERSIONS.join(", ")}`,
    );
  }
  const status = given.get("status");
  if (status !== undefined && !STATUSES.includes(status)) {
    throw new CommandFailure(`invalid status level: '${status}'; there are ${STATUSES.join(", ")}`);
  }
  return {
    from: given.get("if"),
    to: given.get("of"),
    blockBytes,
    count: number("count", Number.POSITIVE_INFINITY),
    skip: number("skip", 0),
    seek: number("seek", 0),
    conversions,
    status,
  };
}

async function openInput(call: Call, job: Job, closing: OpenFile[]): Promise<Reader> {
  const { from, skip, blockBytes } = job;
  const { stdin } = call;
  if (from === undefined || (from === "/dev/stdin" && stdin.length > 0)) {
    return readerOf(stdin.subarray(skip * blockBytes));
  }
  const file = await opened(from, () => call.fs.open(call.path(from), "read"));
  closing.push(file);
  // Without a position a pipe can be read, too.
  let position = skip === 0 ? null : skip * blockBytes;
  return async (buffer, offset, length) => {
    const { bytesRead } = await doing(`error reading '${from}'`, () =>
      file.read(buffer, offset, length, position),
    );
    if (position !== null) position += bytesRead;
    return bytesRead;
  };
}

function readerOf(bytes: Uint8Array): Reader {
  let at = 0;
  return async (buffer, offset, length) => {
    const part = bytes.subarray(at, at + length);
    buffer.set(part, offset);
    at += part.length;
    return part.length;
  };
}

async function openOutput(call: Call, job: Job, closing: OpenFile[]): Promise<Writer> {
  const { to } = job;
  if (to === undefined) return async (buffer, length) => call.out(buffer.slice(0, length));
  const file = await opened(to, () => call.fs.open(call.path(to), "write"));
  closing.push(file);
  const start = job.seek * job.blockBytes;
  // What is no file has its length: a device refuses, and that is no error.
  if (!job.conversions.includes("notrunc")) await file.truncate?.(start).catch(() => undefined);
  let position = start === 0 ? null : start;
  return async (buffer, length) => {
    for (let done = 0; done < length; ) {
      const { bytesWritten } = await doing(`error writing '${to}'`, () =>
        file.write(buffer, done, length - done, position),
      );
      done += bytesWritten;
      if (position !== null) position += bytesWritten;
    }
  };
}

async function copy(
  call: Call,
  { blockBytes, count, status }: Job,
  { read, write, totals }: { read: Reader; write: Writer; totals: Totals },
): Promise<number> {
  const buffer = new Uint8Array(blockBytes);
  let toldAt = totals.startedAt;
  for (let block = 0; block < count; block++) {
    if (call.signal?.aborted) return INTERRUPTED;
    const length = await fill(buffer, read);
    if (length === 0) break;
    if (length === blockBytes) totals.fullIn++;
    else totals.partialIn++;
    await write(buffer, length);
    if (length === blockBytes) totals.fullOut++;
    else totals.partialOut++;
    totals.bytes += length;
    if (status === "progress" && performance.now() - toldAt > PROGRESS_MS) {
      toldAt = performance.now();
      call.console.progress(`${transferred(totals)}\n`);
    }
    if (length < blockBytes) break;
  }
  return 0;
}

/** A whole block, or what is left. */
async function fill(buffer: Uint8Array, read: Reader): Promise<number> {
  let length = 0;
  while (length < buffer.length) {
    const bytesRead = await read(buffer, length, buffer.length - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

async function opened(path: string, open: () => Promise<OpenFile>): Promise<OpenFile> {
  try {
    return await open();
  } catch (error) {
    throw new CommandFailure(`failed to open '${path}': ${FileError.of(error).reason}`);
  }
}

async function doing<T>(what: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw new CopyError(`${what}: ${FileError.of(error).reason}`);
  }
}

function report(totals: Totals, isShort: boolean): string {
  const records =
    `${totals.fullIn}+${totals.partialIn} records in\n` +
    `${totals.fullOut}+${totals.partialOut} records out\n`;
  return isShort ? records : `${records}${transferred(totals)}\n`;
}

function transferred({ bytes, startedAt }: Totals): string {
  const seconds = (performance.now() - startedAt) / 1000;
  const sizes = [
    ...(bytes < 1000 ? [] : [scaled(bytes, 1000, SI)]),
    ...(bytes < 1024 ? [] : [scaled(bytes, 1024, IEC)]),
  ];
  const inWords = sizes.length === 0 ? "" : ` (${sizes.join(", ")})`;
  const rate = scaled(seconds === 0 ? 0 : bytes / seconds, 1000, SI);
  const took = Number(seconds.toPrecision(6));
  return `${bytes} byte${bytes === 1 ? "" : "s"}${inWords} copied, ${took} s, ${rate}/s`;
}

const SI = ["B", "kB", "MB", "GB", "TB", "PB"];
const IEC = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** As GNU prints it: one decimal below 10, and none from there. */
function scaled(bytes: number, base: number, units: readonly string[]): string {
  let power = 0;
  let value = bytes;
  while (value >= base && power < units.length - 1) {
    value /= base;
    power++;
  }
  const text = power > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0);
  return `${text} ${units[power]}`;
}
