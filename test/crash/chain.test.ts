// Whatever was acknowledged after a flush, or with FUA, is on the disc: by every way to a disc that there is, on one
// that loses all that it may.

import {
  type BatchQueue,
  type Bus,
  CrashDisc,
  NbdDisc,
  openBatchQueue,
  type RemoteDisk,
  RootComplex,
} from "blockpt";
import { DescriptorFlag, Operation } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { Command, CommandFlag } from "../../ts/nbd/protocol.js";
import { afterThisTest, makeEndpoint, pattern } from "../api/rig.js";
import { bringTo, makeTree } from "../config/rig.js";
import { attach } from "../nbd/attached.js";
import { listen, openSimple } from "../nbd/embedded.js";
import { request } from "../nbd/raw-client.js";

const MIB = 1024 * 1024;
const SIZE_BYTES = 8 * MIB;
const AT = 64 * 1024;

/** What has to be there. */
interface Promised {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface Rig {
  /** Attached with two queues. */
  readonly near: RemoteDisk;
  readonly bus: Bus;
}

type Way = (rig: Rig) => Promise<Promised>;

const promised = (lenBytes = 4096): Promised => ({ offset: AT, bytes: pattern(lenBytes, 77) });
const zeros = (lenBytes: number): Promised => ({ offset: AT, bytes: new Uint8Array(lenBytes) });
const serve = async ({ near }: Rig) => listen([{ name: "crash0", disk: near }]);

/** The disk of a disc that is the NBD export of the first one. */
async function far(rig: Rig, connections: number): Promise<RemoteDisk> {
  const server = await serve(rig);
  const disc = await NbdDisc.open(server.uri("crash0"), { connections });
  return (await attach(disc)).disk;
}

/** What a raw NBD client sends, and is answered without an error. */
async function ask(
  rig: Rig,
  command: number,
  flags: number,
  { offset, bytes }: Promised,
): Promise<void> {
  const client = await openSimple(await serve(rig), "crash0");
  client.send(request({ command, flags, offset, lenBytes: bytes.length }));
  if (command === Command.WRITE) client.send(bytes);
  expect((await client.simpleReply()).error).toBe(0);
}

const WAYS: Readonly<Record<string, Way>> = {
  "a write, and a flush": async ({ near }) => {
    const { offset, bytes } = promised(3 * MIB);
    await near.write(bytes, offset);
    await near.flush();
    return { offset, bytes };
  },
  "calls that block": async ({ near }) => {
    const { offset, bytes } = promised();
    near.writeSync(bytes, offset);
    near.flushSync();
    return { offset, bytes };
  },
  "many writes at once, and a flush": async ({ near }) => {
    const { offset, bytes } = promised(MIB);
    const writes = Array.from({ length: MIB / 4096 }, (_, index) =>
      near.write(bytes.subarray(index * 4096, (index + 1) * 4096), offset + index * 4096),
    );
    await Promise.all(writes);
    await near.flush();
    return { offset, bytes };
  },
  "a write with FUA": async ({ near }) => {
    const { offset, bytes } = promised();
    await near.write(bytes, offset, { fua: true });
    return { offset, bytes };
  },
  "a write with FUA that is larger than a request may be": async ({ near }) => {
    const { offset, bytes } = promised(5 * MIB);
    await near.write(bytes, offset, { fua: true });
    return { offset, bytes };
  },
  "a write with FUA beside one without, in one turn": async ({ near }) => {
    const { offset, bytes } = promised();
    const before = near.write(pattern(4096), offset - 4096);
    const between = near.write(bytes, offset, { fua: true });
    const behind = near.write(pattern(4096), offset + 4096);
    await Promise.all([before, between, behind]);
    return { offset, bytes };
  },
  "a call with FUA that blocks": async ({ near }) => {
    const { offset, bytes } = promised();
    near.writeSync(bytes, offset, { fua: true });
    return { offset, bytes };
  },
  "zeros, and a flush": async ({ near }) => {
    await near.writeZeroes(AT, MIB);
    await near.flush();
    return zeros(MIB);
  },
  "a discard, and a flush": async ({ near }) => {
    await near.discard(AT, MIB);
    await near.flush();
    return zeros(MIB);
  },
  "a write on one queue, and a flush on another": async ({ near, bus }) => {
    const { offset, bytes } = promised();
    const queue = openBatch(near, bus);
    await near.write(bytes, offset);
    finish(queue, () => queue.put(Operation.FLUSH, 0, 0, 0, 1));
    return { offset, bytes };
  },
  "a queue in batches": async ({ near, bus }) => {
    const { offset, bytes } = promised();
    const queue = openBatch(near, bus);
    const { byteOffset } = allocate(queue, bytes);
    finish(queue, () => queue.put(Operation.WRITE, offset, bytes.length, byteOffset, 1));
    finish(queue, () => queue.put(Operation.FLUSH, 0, 0, 0, 2));
    return { offset, bytes };
  },
  "a queue in batches, with FUA": async ({ near, bus }) => {
    const { offset, bytes } = promised();
    const queue = openBatch(near, bus);
    const { byteOffset } = allocate(queue, bytes);
    const { FUA } = DescriptorFlag;
    finish(queue, () => queue.put(Operation.WRITE, offset, bytes.length, byteOffset, 1, FUA));
    return { offset, bytes };
  },
  "an NBD client's write, and a flush of another client": async (rig) => {
    const { offset, bytes } = promised();
    const server = await serve(rig);
    const one = await openSimple(server, "crash0");
    const other = await openSimple(server, "crash0");
    expect(await one.write(offset, bytes)).toBe(0);
    expect((await other.carryOut({ command: Command.FLUSH })).error).toBe(0);
    return { offset, bytes };
  },
  "an NBD client's write with FUA": async (rig) => {
    const what = promised(MIB);
    await ask(rig, Command.WRITE, CommandFlag.FUA, what);
    return what;
  },
  "an NBD client's zeros with FUA": async (rig) => {
    await ask(rig, Command.WRITE_ZEROES, CommandFlag.FUA, zeros(MIB));
    return zeros(MIB);
  },
  "an NBD client's trim with FUA": async (rig) => {
    await ask(rig, Command.TRIM, CommandFlag.FUA, zeros(MIB));
    return zeros(MIB);
  },
  "an NBD disc in between, and a flush": async (rig) => {
    const { offset, bytes } = promised(3 * MIB);
    const disk = await far(rig, 1);
    await disk.write(bytes, offset);
    await disk.flush();
    return { offset, bytes };
  },
  "an NBD disc with several connections in between, and a flush": async (rig) => {
    const { offset, bytes } = promised(MIB);
    const disk = await far(rig, 3);
    const writes = Array.from({ length: MIB / 4096 }, (_, index) =>
      disk.write(bytes.subarray(index * 4096, (index + 1) * 4096), offset + index * 4096),
    );
    await Promise.all(writes);
    await disk.flush();
    return { offset, bytes };
  },
  "an NBD disc in between, and FUA": async (rig) => {
    const { offset, bytes } = promised(MIB);
    await (await far(rig, 2)).write(bytes, offset, { fua: true });
    return { offset, bytes };
  },
  "an NBD disc in between, zeros and a flush": async (rig) => {
    const disk = await far(rig, 1);
    await disk.writeZeroes(AT, MIB);
    await disk.flush();
    return zeros(MIB);
  },
  "fsync of the config tree's /dev": async (rig) => {
    const { offset, bytes } = promised(10_000);
    const file = await fileOnTree(rig);
    await file.write(bytes, 0, bytes.length, offset + 100);
    await file.sync();
    return { offset: offset + 100, bytes };
  },
  "closing a file of the config tree's /dev": async (rig) => {
    const { offset, bytes } = promised(10_000);
    const file = await fileOnTree(rig);
    await file.write(bytes, 0, bytes.length, offset);
    await file.close();
    return { offset, bytes };
  },
};

/** The disk's second queue. */
function openBatch(near: RemoteDisk, bus: Bus): BatchQueue {
  const queue = openBatchQueue(bus, near.openQueue());
  afterThisTest(() => queue.close());
  return queue;
}

function allocate(queue: BatchQueue, bytes: Uint8Array): Uint8Array {
  const buffer = queue.allocate(bytes.length);
  buffer.set(bytes);
  return buffer;
}

/** Has one request of a batch queue answered. */
function finish(queue: BatchQueue, put: () => void): void {
  put();
  queue.submit();
  expect(queue.wait()).toBe(1);
  expect(queue.status(0)).toBe(0);
}

/** The disk of a config tree whose disc is the NBD export of the first one. */
async function fileOnTree(rig: Rig) {
  const server = await serve(rig);
  const { tree } = await makeTree();
  await bringTo(tree, "attached", server.uri("crash0"));
  const [name] = await tree.readdir("/dev");
  return tree.open(`/dev/${name}`, "r+");
}

describe.each(["wasm", "typescript"] as const)("the %s engine", (engine) => {
  test.each(Object.entries(WAYS))("%s", async (_, way) => {
    // No byte is what it is to become.
    const disc = CrashDisc.create(pattern(SIZE_BYTES, 5));
    const { bus, endpoint } = await makeEndpoint({ engine, hostMemoryBytes: 32 * MIB });
    await endpoint.exportDisc("crash0", disc, { queues: 2 });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    afterThisTest(() => rc.close());
    const near = await rc.attach("crash0", { queues: 2, numDescriptors: 256 });
    const { offset, bytes } = await way({ near, bus });
    const at = disc.position;
    const holds = (image: Uint8Array): boolean =>
      Buffer.compare(image.subarray(offset, offset + bytes.length), bytes) === 0;
    expect(holds(disc.crash({ at, keep: "none" }))).toBe(true);
    for (let seed = 1; seed <= 3; seed++) expect(holds(disc.crash({ at, seed }))).toBe(true);
    // It was that flush, or FUA, to which it is owed.
    expect(holds(disc.crash({ at, keep: "none", flushesLostFrom: 0 }))).toBe(false);
  });
});
