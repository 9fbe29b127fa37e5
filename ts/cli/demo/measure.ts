// Throughput of remote disks, each beside a plain `fs.readSync` of the image file in
// the same thread. The two take turns, so that a busy machine disturbs both, and the
// median of their rounds counts.

import { closeSync, openSync, readSync } from "node:fs";
import type { RemoteDisk, RootComplex } from "blockpt";

export interface MeasureOptions {
  /** The image, for the plain reads. */
  readonly imagePath: string;
  readonly imageBytes: number;
  /** The disk that is in that file. */
  readonly fileDisk: string;
  /** A disk that is in memory. */
  readonly memoryDisk: string;
}

export interface Measurement {
  /** What the endpoint calls the disk. */
  readonly disk: string;
  readonly access: "sequential" | "random";
  readonly requestBytes: number;
  /** Requests in flight. */
  readonly depth: number;
  readonly unit: "MiB/s" | "IOPS";
  /** Through blockpt. */
  readonly value: number;
  /** `fs.readSync` of the image file, one after the other. */
  readonly plainValue: number;
  /** `value` of `plainValue`. */
  readonly percent: number;
  /** Each round's, in turn: how far they lie apart is how far the medians can be trusted. */
  readonly rounds: readonly { readonly value: number; readonly plainValue: number }[];
}

interface Access {
  readonly access: Measurement["access"];
  readonly requestBytes: number;
  readonly depth: number;
}

const MIB = 1024 * 1024;
/** A larger image is measured in its first part, which the page cache holds after one pass. */
const SPAN_BYTES = 256 * MIB;
const ROUNDS = 5;
const ROUND_MS = 100;
const SEQUENTIAL: Access = { access: "sequential", requestBytes: MIB, depth: 4 };
const RANDOM: Access = { access: "random", requestBytes: 4096, depth: 32 };

export async function measureThroughput(
  rc: RootComplex,
  options: MeasureOptions,
): Promise<Measurement[]> {
  const file = openSync(options.imagePath, "r");
  try {
    readOnce(file, options.imageBytes);
    const measure = (disk: string, access: Access): Promise<Measurement> =>
      measureOne(rc, disk, file, options.imageBytes, access);
    return [
      await measure(options.fileDisk, SEQUENTIAL),
      await measure(options.fileDisk, RANDOM),
      await measure(options.memoryDisk, RANDOM),
    ];
  } finally {
    closeSync(file);
  }
}

/** Attaches the disk for as long as it takes: the threads of idle disks would disturb. */
async function measureOne(
  rc: RootComplex,
  name: string,
  file: number,
  fileBytes: number,
  access: Access,
): Promise<Measurement> {
  const disk = await rc.attach(name);
  const plain = fitting(access, fileBytes);
  const remote = fitting(access, disk.sizeBytes);
  const buffers = Array.from({ length: access.depth }, () => disk.allocate(remote.requestBytes));
  // Both are compiled before anything counts.
  readPlain(file, plain);
  await readRemote(disk, buffers, remote);
  const isSequential = access.access === "sequential";
  const perUnit = (plan: Plan): number => (isSequential ? plan.requestBytes / MIB : 1);
  const rounds: Measurement["rounds"][number][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const plainValue = readPlain(file, plain) * perUnit(plain);
    rounds.push({ plainValue, value: (await readRemote(disk, buffers, remote)) * perUnit(remote) });
  }
  await rc.detach(name);
  const value = median(rounds.map((round) => round.value));
  const plainValue = median(rounds.map((round) => round.plainValue));
  return {
    disk: name,
    ...access,
    requestBytes: remote.requestBytes,
    unit: isSequential ? "MiB/s" : "IOPS",
    value,
    plainValue,
    percent: (100 * value) / plainValue,
    rounds,
  };
}

/** Where to read: a request's size, and the offsets, which are gone through again and again. */
interface Plan {
  readonly requestBytes: number;
  readonly offsets: readonly number[];
}

/** The requests for so many bytes; a tiny disk has smaller ones. */
function fitting({ access, requestBytes }: Access, sizeBytes: number): Plan {
  const spanBytes = Math.min(sizeBytes, SPAN_BYTES);
  const fits = Math.min(requestBytes, spanBytes);
  const places = Math.floor(spanBytes / fits);
  if (access === "sequential") {
    return { requestBytes: fits, offsets: Array.from({ length: places }, (_, at) => at * fits) };
  }
  // A fixed sequence (a linear congruential generator), so both sides read the same places.
  let state = 12345;
  const offsets = Array.from({ length: 8192 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * places) * fits;
  });
  return { requestBytes: fits, offsets };
}

/** Requests a second of `fs.readSync`. */
function readPlain(file: number, { requestBytes, offsets }: Plan): number {
  const target = new Uint8Array(requestBytes);
  const startedAt = performance.now();
  const endAt = startedAt + ROUND_MS;
  let requests = 0;
  while (performance.now() < endAt) {
    readSync(file, target, 0, requestBytes, offsets[requests++ % offsets.length] as number);
  }
  return (1000 * requests) / (performance.now() - startedAt);
}

/** Requests a second of a remote disk, with one in flight for each buffer. */
async function readRemote(
  disk: RemoteDisk,
  buffers: readonly Uint8Array[],
  { offsets }: Plan,
): Promise<number> {
  const startedAt = performance.now();
  const endAt = startedAt + ROUND_MS;
  let requests = 0;
  const readOn = async (buffer: Uint8Array): Promise<void> => {
    while (performance.now() < endAt) {
      await disk.read(buffer, offsets[requests++ % offsets.length] as number);
    }
  };
  await Promise.all(buffers.map(readOn));
  return (1000 * requests) / (performance.now() - startedAt);
}

/** Reads the span once, so that all rounds find it in the page cache. */
function readOnce(file: number, fileBytes: number): void {
  const target = new Uint8Array(MIB);
  const spanBytes = Math.min(fileBytes, SPAN_BYTES);
  for (let offset = 0; offset < spanBytes; offset += MIB) readSync(file, target, 0, MIB, offset);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
