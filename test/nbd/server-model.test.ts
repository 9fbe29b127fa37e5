// Any requests, right and wrong, behind each other and cut into any pieces: each is answered once, with what the
// specification demands, and reads find what a model of the disk has. Those in flight at the same time have no
// order, so none of a batch touches what another of it writes.

import { type Bus, FileDisc, MemoryDisc, type RemoteDisk } from "blockpt";
import type { NbdServer } from "blockpt/nbd";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Command, CommandFlag, NbdError, ReplyType } from "../../ts/nbd/protocol.js";
import { makeImage } from "../api/rig.js";
import { attachAll, listen, openSimple, openStructured } from "./embedded.js";
import { type RawClient, request } from "./raw-client.js";

const KIB = 1024;
/** A batch's requests have a slot of the disk each. */
const SLOT_BYTES = 1536 * KIB;
const SLOTS = 8;
/** Its end is early in the last slot, which a batch's first request has. */
const SIZE_BYTES = SLOT_BYTES * (SLOTS - 1) + 64 * KIB;
const WHOLE_BYTES = 1024 * KIB;
const RUNS = 25;

interface Step {
  readonly command: number;
  readonly flags: number;
  readonly offset: number;
  readonly lenBytes: number;
  readonly fill: number;
}

interface Batch {
  readonly steps: readonly Step[];
  /** Where what is sent is cut, as shares of it. */
  readonly cuts: readonly number[];
  /** After so many replies the client rests. */
  readonly rest: number;
}

const offsets = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 64 }).map((sector) => sector * 512) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 4096 }) },
);
const lengths = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 64 }).map((sectors) => sectors * 512) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 2900 }).map((sectors) => sectors * 512) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 511, 513, 131072, 131073, WHOLE_BYTES + 512) },
);
/** Most requests have no flag: few are right with every command. */
const flags = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.constantFrom(...Object.values(CommandFlag)) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 63 }) },
);
/** DISC ends the connection, and is none of it. */
const commands = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(0, 1, 3, 4, 5, 6, 7) },
  { weight: 1, arbitrary: fc.integer({ min: 8, max: 65535 }) },
);

const batches: fc.Arbitrary<Batch> = fc.record({
  steps: fc
    .array(
      fc.record({
        command: commands,
        flags,
        at: offsets,
        lenBytes: lengths,
        fill: fc.integer({ min: 1, max: 255 }),
      }),
      { minLength: 1, maxLength: SLOTS },
    )
    .map((steps) =>
      steps.map(({ at, ...step }, index) => {
        const slot = SLOTS - 1 - index;
        if (step.command === Command.FLUSH && at % 3 > 0)
          return { ...step, offset: 0, lenBytes: 0 };
        return { ...step, offset: slot * SLOT_BYTES + at, lenBytes: fitting(step, at) };
      }),
    ),
  cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
  rest: fc.integer({ min: 0, max: SLOTS }),
});

/** What changes the disk stays in its slot; the last one may go past the end of the disk. */
function fitting({ lenBytes }: { readonly lenBytes: number }, at: number): number {
  return Math.min(lenBytes, SLOT_BYTES - (at - (at % 512)) - 512);
}

/** The flags that each command may have, as the specification lists them; FUA may stand anywhere. */
const ALLOWED: Readonly<Record<number, number>> = {
  [Command.READ]: CommandFlag.DF,
  [Command.WRITE]: 0,
  [Command.FLUSH]: 0,
  [Command.TRIM]: 0,
  [Command.CACHE]: 0,
  [Command.WRITE_ZEROES]: CommandFlag.NO_HOLE | CommandFlag.FAST_ZERO,
  [Command.BLOCK_STATUS]: CommandFlag.REQ_ONE,
};

/** What a step is answered with: where several things are wrong, any of theirs. */
function errorsOf(step: Step, structured: boolean, canDiscard: boolean): number[] {
  const { command, flags, offset, lenBytes } = step;
  const allowed = ALLOWED[command];
  if (allowed === undefined) return [NbdError.EINVAL];
  const errors = new Set<number>();
  if ((flags & ~(allowed | CommandFlag.FUA)) !== 0) errors.add(NbdError.EINVAL);
  if ((flags & CommandFlag.DF) !== 0 && !structured) errors.add(NbdError.EINVAL);
  if (command === Command.BLOCK_STATUS && !structured) errors.add(NbdError.EINVAL);
  if (command === Command.TRIM && !canDiscard) errors.add(NbdError.EINVAL);
  if (command === Command.FLUSH) {
    if (offset !== 0 || lenBytes !== 0) errors.add(NbdError.EINVAL);
    return [...errors];
  }
  if (lenBytes === 0 || offset % 512 !== 0 || lenBytes % 512 !== 0) errors.add(NbdError.EINVAL);
  if (offset + lenBytes > SIZE_BYTES) {
    const grows = command === Command.WRITE || command === Command.WRITE_ZEROES;
    errors.add(grows ? NbdError.ENOSPC : NbdError.EINVAL);
  }
  const isWhole = structured && (flags & CommandFlag.DF) !== 0;
  if (command === Command.READ && isWhole && lenBytes > WHOLE_BYTES) errors.add(NbdError.EOVERFLOW);
  const isFast = (flags & CommandFlag.FAST_ZERO) !== 0;
  if (command === Command.WRITE_ZEROES && isFast && !canDiscard) errors.add(NbdError.ENOTSUP);
  return [...errors];
}

/** How a step was answered. */
interface Outcome {
  readonly error: number;
  readonly data: Buffer;
}

async function simpleOutcome(
  client: RawClient,
  steps: readonly Step[],
): Promise<[number, Outcome]> {
  const header = await client.read(16);
  expect(header.readUInt32BE(0)).toBe(0x67446698);
  const error = header.readUInt32BE(4);
  const index = Number(header.readBigUInt64BE(8));
  const { command, lenBytes } = steps[index] as Step;
  const hasData = command === Command.READ && error === 0;
  return [index, { error, data: await client.read(hasData ? lenBytes : 0) }];
}

/** Puts chunks together until one of the requests has all of its own. */
class Chunks {
  readonly #client: RawClient;
  readonly #steps: readonly Step[];
  readonly #parts = new Map<number, { error: number; data: Buffer; found: number }>();

  constructor(client: RawClient, steps: readonly Step[]) {
    this.#client = client;
    this.#steps = steps;
  }

  async next(): Promise<[number, Outcome]> {
    for (;;) {
      const magic = await this.#client.read(4);
      this.#client.stream.unshift(magic);
      if (magic.readUInt32BE() === 0x67446698) return simpleOutcome(this.#client, this.#steps);
      const { cookie, type, flags, data } = await this.#client.chunk();
      const index = Number(cookie);
      const { command, offset, lenBytes, flags: asked } = this.#steps[index] as Step;
      const hasData = command === Command.READ;
      const part = this.#parts.get(index) ?? {
        error: 0,
        data: Buffer.alloc(hasData && lenBytes <= SIZE_BYTES ? lenBytes : 0),
        found: 0,
      };
      this.#parts.set(index, part);
      if (type === ReplyType.ERROR || type === ReplyType.ERROR_OFFSET) {
        part.error = data.readUInt32BE();
      } else if (type === ReplyType.BLOCK_STATUS) {
        expect(command).toBe(Command.BLOCK_STATUS);
        part.data = data;
      } else {
        expect({ type, command }).toEqual({ type: ReplyType.OFFSET_DATA, command: Command.READ });
        data.copy(part.data, Number(data.readBigUInt64BE()) - offset, 8);
        part.found += data.length - 8;
        if ((asked & CommandFlag.DF) !== 0) expect(flags).toBe(1);
      }
      if ((flags & 1) === 0) continue;
      if (hasData && part.error === 0) expect(part.found).toBe(lenBytes);
      return [index, part];
    }
  }
}

/** Fails unless extents are about the whole range's start, no more than was asked for, and not called zero where it is not. */
function checkExtents(step: Step, data: Buffer, model: Buffer): void {
  let at = step.offset;
  expect(data.readUInt32BE()).toBe(1);
  expect(data.length).toBeGreaterThan(4);
  for (let place = 4; place < data.length; place += 8) {
    const length = data.readUInt32BE(place);
    expect(length).toBeGreaterThan(0);
    const isZero = (data.readUInt32BE(place + 4) & 2) !== 0;
    const end = Math.min(at + length, step.offset + step.lenBytes);
    if (isZero) expect(model.subarray(at, end).every((byte) => byte === 0)).toBe(true);
    at += length;
  }
  expect(at).toBeLessThanOrEqual(step.offset + step.lenBytes);
  if ((step.flags & CommandFlag.REQ_ONE) !== 0) expect(data).toHaveLength(12);
}

/** A client, and the bytes that the disk has to have. */
class Model {
  readonly #bytes = Buffer.alloc(SIZE_BYTES);
  readonly #client: RawClient;
  readonly #structured: boolean;
  readonly #canDiscard: boolean;

  constructor(client: RawClient, structured: boolean, canDiscard: boolean) {
    this.#client = client;
    this.#structured = structured;
    this.#canDiscard = canDiscard;
  }

  async carryOut({ steps, cuts, rest }: Batch): Promise<void> {
    const sent = Buffer.concat(
      steps.flatMap(({ fill, ...step }, index) => {
        const head = request({ ...step, cookie: BigInt(index) });
        return step.command === Command.WRITE ? [head, dataOf(step, fill)] : [head];
      }),
    );
    const sending = this.#send(sent, cuts);
    const chunks = new Chunks(this.#client, steps);
    const left = new Set(steps.keys());
    while (left.size > 0) {
      const [index, outcome] = this.#structured
        ? await chunks.next()
        : await simpleOutcome(this.#client, steps);
      expect(left.delete(index), `a second answer to ${index}`).toBe(true);
      this.#check(steps[index] as Step, outcome);
      if (left.size === rest) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await sending;
  }

  async #send(sent: Buffer, cuts: readonly number[]): Promise<void> {
    const places = cuts.map((cut) => Math.floor(cut * sent.length)).sort((a, b) => a - b);
    let from = 0;
    for (const to of [...places, sent.length]) {
      this.#client.send(sent.subarray(from, to));
      from = to;
      await new Promise(setImmediate);
    }
  }

  #check(step: Step, { error, data }: Outcome): void {
    const { command, offset, lenBytes, fill } = step;
    const errors = errorsOf(step, this.#structured, this.#canDiscard);
    expect(errors.length === 0 ? [0] : errors, JSON.stringify(step)).toContain(error);
    if (error !== 0) return;
    const range = this.#bytes.subarray(offset, offset + lenBytes);
    if (command === Command.READ) expect(Buffer.compare(data, range), "what is read").toBe(0);
    if (command === Command.WRITE) dataOf(step, fill).copy(range);
    // Here what was let go of reads as zeros.
    if (command === Command.TRIM || command === Command.WRITE_ZEROES) range.fill(0);
    if (command === Command.BLOCK_STATUS) checkExtents(step, data, this.#bytes);
  }

  async checkAll(disk: RemoteDisk): Promise<void> {
    const found = new Uint8Array(SIZE_BYTES);
    await disk.read(found, 0);
    expect(Buffer.compare(found, this.#bytes), "the disk at the end").toBe(0);
  }
}

/** Data in which every sector is another. */
function dataOf({ lenBytes }: { readonly lenBytes: number }, fill: number): Buffer {
  const data = Buffer.alloc(lenBytes, fill);
  for (let at = 0; at + 4 <= lenBytes; at += 512) data.writeUInt32LE(at, at);
  return data;
}

const kinds: Readonly<Record<string, (bus: Bus) => MemoryDisc | Promise<FileDisc>>> = {
  memory: (bus) => MemoryDisc.create(bus, SIZE_BYTES),
  file: () => FileDisc.open(makeImage(new Uint8Array(SIZE_BYTES))),
};

describe.each(Object.keys(kinds))("of a %s disc", (kind) => {
  test.each([
    { replies: "simple", open: openSimple },
    { replies: "structured", open: openStructured },
  ])("with $replies replies", { timeout: 120_000 }, async ({ replies, open }) => {
    const { disk } = await attachAll({ a: kinds[kind] as (bus: Bus) => MemoryDisc });
    const server: NbdServer = await listen([{ name: "a", disk }]);
    const runs = fc.asyncProperty(
      fc.array(batches, { minLength: 1, maxLength: 6 }),
      async (all) => {
        // Each begins with zeros.
        await disk.writeZeroes(0, SIZE_BYTES);
        const client = await open(server, "a");
        const model = new Model(client, replies === "structured", kind === "memory");
        for (const batch of all) await model.carryOut(batch);
        await model.checkAll(disk);
        client.destroy();
      },
    );
    await fc.assert(runs, { numRuns: RUNS });
  });
});
