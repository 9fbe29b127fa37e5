// Who does the calls: disks over the rings of one engine, disks of the block layer on memory, and bytes in an array, which
// show what it should come to.

import {
  type BatchQueue,
  BlockIo,
  BlockptError,
  type Bus,
  createBus,
  type DiskQueue,
  Endpoint,
  type EngineKind,
  GenDisk,
  MemoryDisc,
  openBatchQueue,
  openQueue,
  RamDriver,
  RootComplex,
  TagSet,
} from "blockpt";
import { DescriptorFlag, Operation } from "blockpt/abi";
import { type Call, DISKS, type DiskName } from "./calls.js";

/** What a call came to: the bytes of a read, or an error's code. */
export type CallOutcome = { data: Buffer } | { code: string };

export interface CallMachine {
  /** Does calls of which none meets another's bytes; all are started before any has ended. */
  run(disk: DiskName, calls: readonly Call[]): Promise<CallOutcome[]>;
  /** All bytes of a disk; may be written while nothing is in flight. */
  bytes(disk: DiskName): Buffer;
  close(): Promise<void>;
}

const names = Object.keys(DISKS) as DiskName[];
const OPERATIONS = {
  read: Operation.READ,
  write: Operation.WRITE,
  writeZeroes: Operation.WRITE_ZEROES,
  discard: Operation.DISCARD,
  flush: Operation.FLUSH,
} as const;
/** The longest call that takes a buffer in the bus. */
const MOST_IN_PLACE = 1024 * 1024;

/** The bytes that a call writes. */
export function dataOf({ seed, len }: Call): Buffer {
  const data = Buffer.alloc(len);
  for (let at = 0; at < len; at++) data[at] = (seed + at * 7 + (at >> 8)) & 0xff;
  return data;
}

/** The calls of a disk's API, of whichever disk. */
function callOn(queue: BlockIo, call: Call, buffer: Uint8Array): Promise<void> | undefined {
  const { offset, len, fua } = call;
  const at = call.big && Number.isSafeInteger(offset) ? BigInt(offset) : offset;
  const isSync = call.through === "sync";
  switch (call.do) {
    case "read":
      return isSync ? void queue.readSync(buffer, at) : queue.read(buffer, at);
    case "write":
      return isSync ? void queue.writeSync(buffer, at, { fua }) : queue.write(buffer, at, { fua });
    case "writeZeroes":
      return isSync ? void queue.writeZeroesSync(at, len) : queue.writeZeroes(at, len);
    case "discard":
      return isSync ? void queue.discardSync(at, len) : queue.discard(at, len);
    case "flush":
      return isSync ? void queue.flushSync() : queue.flush();
  }
}

/** What it comes to, once it has ended. */
async function outcomeOf(
  call: Call,
  buffer: Uint8Array,
  work: () => Promise<void> | undefined,
): Promise<CallOutcome> {
  try {
    await work();
    return { data: call.do === "read" ? Buffer.from(buffer) : Buffer.alloc(0) };
  } catch (error) {
    if (error instanceof BlockptError) return { code: error.code };
    throw error;
  }
}

function bufferFor(call: Call, place: Uint8Array | undefined): Uint8Array {
  const buffer = place ?? new Uint8Array(call.len);
  if (call.do === "write") buffer.set(dataOf(call));
  else buffer.fill(0xee);
  return buffer;
}

/** One disk's queues in this thread, and room for buffers of each. */
interface Queues {
  disk: DiskQueue;
  other: DiskQueue;
  batch: BatchQueue;
  disc: MemoryDisc;
}

class EngineMachine implements CallMachine {
  readonly #bus: Bus;
  readonly #endpoint: Endpoint;
  readonly #rc: RootComplex;
  readonly #queues: ReadonlyMap<DiskName, Queues>;

  constructor(
    bus: Bus,
    endpoint: Endpoint,
    rc: RootComplex,
    queues: ReadonlyMap<DiskName, Queues>,
  ) {
    this.#bus = bus;
    this.#endpoint = endpoint;
    this.#rc = rc;
    this.#queues = queues;
  }

  run(name: DiskName, calls: readonly Call[]): Promise<CallOutcome[]> {
    const queues = this.#queues.get(name) as Queues;
    const inLists = calls.filter(({ through }) => through === "batch");
    const listed = runBatch(queues.batch, inLists);
    const outcomes = calls.map((call) => {
      const found = listed.get(call);
      if (found !== undefined) return Promise.resolve(found);
      const queue = call.through === "promise" ? queues.disk : queues.other;
      const isRoom = call.inPlace && call.len > 0 && call.len <= MOST_IN_PLACE;
      const place = isRoom ? queue.allocate(call.len).subarray(0, call.len) : undefined;
      const buffer = bufferFor(call, place);
      return outcomeOf(call, buffer, () => callOn(queue, call, buffer)).finally(() => {
        if (place !== undefined) queue.free(place);
      });
    });
    return Promise.all(outcomes);
  }

  bytes(name: DiskName): Buffer {
    const { offset, length } = (this.#queues.get(name) as Queues).disc.busRange;
    return Buffer.from(this.#bus.buffer, offset, length);
  }

  async close(): Promise<void> {
    for (const { other, batch } of this.#queues.values()) {
      other.close();
      batch.close();
    }
    await this.#rc.close();
    await this.#endpoint.close();
    this.#bus.close();
  }
}

/** The calls of a queue of lists, all put before the first is taken back. */
function runBatch(queue: BatchQueue, calls: readonly Call[]): Map<Call, CallOutcome> {
  const outcomes = new Map<Call, CallOutcome>();
  const buffers = calls.map((call) => {
    const buffer = queue.allocate(Math.max(call.len, 1));
    return bufferFor(call, buffer.subarray(0, call.len));
  });
  for (const [tag, call] of calls.entries()) {
    const { offset, do: what, fua } = call;
    const [at, len] = what === "flush" ? [0, 0] : [offset, call.len];
    const flags = what === "write" && fua ? DescriptorFlag.FUA : 0;
    try {
      queue.put(OPERATIONS[what], at, len, (buffers[tag] as Uint8Array).byteOffset, tag, flags);
    } catch (error) {
      if (!(error instanceof BlockptError)) throw error;
      outcomes.set(call, { code: error.code });
    }
  }
  queue.submit();
  for (let count = queue.wait(); count > 0; count = queue.wait()) {
    for (let index = 0; index < count; index++) {
      const call = calls[queue.tag(index)] as Call;
      const buffer = buffers[queue.tag(index)] as Uint8Array;
      const data = call.do === "read" ? Buffer.from(buffer) : Buffer.alloc(0);
      const status = queue.status(index);
      outcomes.set(call, status === 0 ? { data } : { code: `status ${status}` });
    }
  }
  for (const [index, buffer] of buffers.entries()) {
    const { len } = calls[index] as Call;
    queue.free(len > 0 ? buffer : new Uint8Array(buffer.buffer, buffer.byteOffset, 1));
  }
  return outcomes;
}

/** Disks over the rings of one engine. */
export async function engineMachine(engine: EngineKind, iommu: boolean): Promise<CallMachine> {
  const bus = await createBus({ engine, iommu, endpointMemoryBytes: 4 * 1024 * 1024 });
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  const discs = new Map<DiskName, MemoryDisc>();
  for (const name of names) {
    const { sizeBytes, ...options } = DISKS[name];
    const disc = MemoryDisc.create(bus, sizeBytes, options);
    discs.set(name, disc);
    await endpoint.exportDisc(name, disc, { queues: 3 });
  }
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const queues = new Map<DiskName, Queues>();
  for (const [name, disc] of discs) {
    const disk = await rc.attach(name, { queues: 3, numDescriptors: 16 });
    const other = openQueue(bus, disk.openQueue());
    const batch = openBatchQueue(bus, disk.openQueue());
    queues.set(name, { disk, other, batch, disc });
  }
  return new EngineMachine(bus, endpoint, rc, queues);
}

/** Disks of the block layer, on memory: without rings, engines and threads. */
export function blockLayerMachine(): CallMachine {
  const disks = new Map(
    names.map((name) => {
      const { sizeBytes, ...limits } = DISKS[name];
      const driver = new RamDriver(sizeBytes);
      const { features } = RamDriver;
      const all = { ...limits, features, sectors: sizeBytes / 512 };
      return [
        name,
        {
          driver,
          io: new BlockIo(new GenDisk(new TagSet(1, 8), driver, { name, limits: all }).add()),
        },
      ];
    }),
  );
  const diskOf = (name: DiskName) => {
    const disk = disks.get(name);
    if (disk === undefined) throw new Error(`there is no disk ${name}`);
    return disk;
  };
  return {
    run: (name, calls) =>
      Promise.all(
        calls.map((call) => {
          const buffer = bufferFor(call, undefined);
          return outcomeOf(call, buffer, () => callOn(diskOf(name).io, call, buffer));
        }),
      ),
    bytes: (name) => Buffer.from(diskOf(name).driver.bytes.buffer),
    close: () => Promise.resolve(),
  };
}
