// Whatever was acknowledged before a flush that succeeded is on the server's storage, whoever dies.

import { openBus, openQueue } from "blockpt";
import { expect, test } from "vitest";
import { afterThisTest, pattern, until } from "../api/rig.js";
import { attachNbd, status } from "./attached.js";
import {
  chunk,
  dataAt,
  type FakeRequest,
  type FakeServer,
  fakeServer,
  USUAL_FLAGS,
} from "./fake-server.js";

const SECTOR = 512;
const MULTI_CONN = 256;
const IOERR = 10;
const WRITE = 1;
const FLUSH = 3;
const sector = (seed: number): Uint8Array => pattern(SECTOR, seed);

/** Two queues of one disk, each with a connection. */
async function twoQueues(server: FakeServer) {
  const { disk, bus } = await attachNbd(server.uri, {}, 2);
  const view = openBus(bus.handle);
  const second = openQueue(view, disk.openQueue());
  // A thread that begins after a loss has nothing to tell of it.
  await second.read(new Uint8Array(512), 0);
  afterThisTest(() => {
    second.close();
    view.close();
  });
  return { first: disk, second };
}

test("a loss of acknowledged writes fails the next flush, and no other", async () => {
  const server = await fakeServer();
  const { disk } = await attachNbd(server.uri);
  await disk.write(sector(1), 0);
  server.drop();
  await expect(disk.flush()).rejects.toEqual(status(IOERR));
  await disk.flush();
  await disk.write(sector(2), 0);
  await disk.flush();
  server.drop();
  // What is flushed is not lost.
  await disk.flush();
  await disk.read(new Uint8Array(SECTOR), 0);
});

test.each(["write", "discard", "writeZeroes"] as const)(
  "a %s is a change like any",
  async (kind) => {
    const server = await fakeServer();
    const { disk } = await attachNbd(server.uri);
    if (kind === "write") await disk.write(sector(1), 0);
    else await disk[kind](0, SECTOR);
    server.drop();
    await expect(disk.flush()).rejects.toEqual(status(IOERR));
  },
);

test("a write with FUA is on the server's storage, and no loss", async () => {
  const server = await fakeServer();
  const { disk } = await attachNbd(server.uri);
  await disk.write(sector(1), 0, { fua: true });
  server.drop();
  await disk.flush();
});

test("what was not answered is asked again, and is no loss", async () => {
  let held = 0;
  const server = await fakeServer({
    // The first connection is the one that asks what the export is.
    request: ({ connection }) => {
      if (connection !== 2) return undefined;
      held++;
      return Buffer.alloc(0);
    },
  });
  const { disk } = await attachNbd(server.uri);
  const writes = [1, 2, 3].map((seed) => disk.write(sector(seed), seed * 8192));
  await until("the writes are at the server", () => held === 3);
  server.drop();
  await Promise.all(writes);
  await disk.flush();
  for (const seed of [1, 2, 3]) {
    const there = server.memory.subarray(seed * 8192, seed * 8192 + SECTOR);
    expect(there.equals(sector(seed))).toBe(true);
  }
});

test.each([true, false])(
  "a flush in flight, after a write that was not flushed: %s",
  async (isDirty) => {
    let held = 0;
    const server = await fakeServer({
      request: ({ connection, command }) => {
        if (connection !== 2 || command !== FLUSH) return undefined;
        held++;
        return Buffer.alloc(0);
      },
    });
    const { disk } = await attachNbd(server.uri);
    if (isDirty) await disk.write(sector(1), 0);
    const flushes = [disk.flush(), disk.flush()];
    await until("the flushes are at the server", () => held === 2);
    server.drop();
    const ends = await Promise.allSettled(flushes);
    // Both began before the loss, so both tell of it.
    expect(ends.map((end) => end.status)).toEqual(
      Array(2).fill(isDirty ? "rejected" : "fulfilled"),
    );
    await disk.flush();
  },
);

test("a flush that the server refuses is an error, and so is the next one of the other queue", async () => {
  let refusals = 1;
  const server = await fakeServer({
    flags: USUAL_FLAGS | MULTI_CONN,
    structured: false,
    request: ({ command, cookie }) => {
      if (command !== FLUSH || refusals-- <= 0) return undefined;
      const answer = Buffer.alloc(16);
      answer.writeUInt32BE(0x67446698);
      answer.writeUInt32BE(28, 4);
      answer.writeBigUInt64BE(cookie, 8);
      return answer;
    },
  });
  const { first, second } = await twoQueues(server);
  await first.write(sector(1), 0);
  await expect(first.flush()).rejects.toEqual(status(IOERR));
  await expect(second.flush()).rejects.toEqual(status(IOERR));
  await first.flush();
  await second.flush();
});

test("a flush of one queue flushes the connection of the other, if that has something to flush", async () => {
  const server = await fakeServer({ flags: USUAL_FLAGS | MULTI_CONN });
  const { first, second } = await twoQueues(server);
  const flushed = (): number[] =>
    server.requests.filter(({ command }) => command === FLUSH).map(({ connection }) => connection);
  await first.write(sector(1), 0);
  await second.flush();
  expect(new Set(flushed()).size).toBe(2);
  const before = flushed().length;
  await second.flush();
  expect(flushed().length).toBe(before + 1);
});

test("a loss on one connection fails the next flush of each queue, once", async () => {
  const server = await fakeServer({ flags: USUAL_FLAGS | MULTI_CONN });
  const { first, second } = await twoQueues(server);
  await first.write(sector(1), 0);
  const written = server.requests.find(({ command }) => command === WRITE);
  server.drop(written?.connection);
  await expect(second.flush()).rejects.toEqual(status(IOERR));
  await second.flush();
  await expect(first.flush()).rejects.toEqual(status(IOERR));
  await first.flush();
});

test("what a stopped queue leaves is flushed, or told of by the next", async () => {
  const server = await fakeServer();
  const { disk, rc, endpoint } = await attachNbd(server.uri);
  await disk.write(sector(1), 0);
  await rc.detach("nbd");
  expect(server.requests.at(-1)?.command).toBe(FLUSH);
  expect(endpoint.exports).toEqual(["nbd"]);
  const again = await rc.attach("nbd", { numDescriptors: 64 });
  server.drop();
  await again.flush();
});

/** A server with a cache that it loses when it crashes, and answers that take their time. */
async function forgetfulServer() {
  let incarnation = 0;
  let stable: Buffer = Buffer.alloc(0);
  const answer = ({ command, cookie, offset, length, data, flags }: FakeRequest): Buffer => {
    const { memory } = server;
    if (command === 0)
      return chunk(cookie, 1, true, dataAt(offset, memory.subarray(offset, offset + length)));
    if (command === 1) data.copy(memory, offset);
    if (command === 1 && (flags & 1) !== 0) data.copy(stable, offset);
    if (command === FLUSH) memory.copy(stable);
    return chunk(cookie, 0, true);
  };
  const server = await fakeServer({
    sizeBytes: 64 * SECTOR,
    flags: USUAL_FLAGS | MULTI_CONN,
    request: (request, socket) => {
      const mine = incarnation;
      setTimeout(() => {
        if (mine === incarnation && !socket.destroyed) socket.write(answer(request));
      }, Math.random() * 3);
      return Buffer.alloc(0);
    },
  });
  stable = Buffer.from(server.memory);
  return {
    server,
    stable: () => stable,
    crash: () => {
      incarnation++;
      server.drop();
      stable.copy(server.memory);
    },
  };
}

test("two queues write and flush while the server crashes and connections are cut: no flush lies", async () => {
  const { server, stable, crash } = await forgetfulServer();
  const { first, second } = await twoQueues(server);
  let version = 0;
  let flushes = 0;
  let losses = 0;
  let isOver = false;
  // What each queue may still be told of: sectors, and the version that was acknowledged last.
  const views = [new Map<number, number>(), new Map<number, number>()];
  const complaints: string[] = [];

  const run = async (queue: typeof first | typeof second, index: number): Promise<void> => {
    const view = views[index] as Map<number, number>;
    while (!isOver) {
      if (Math.random() < 0.7) {
        const at = index * 32 + Math.floor(Math.random() * 32);
        const mine = ++version;
        const data = new Uint8Array(SECTOR);
        new DataView(data.buffer).setUint32(0, mine);
        await queue.write(data, at * SECTOR);
        for (const each of views) each.set(at, mine);
        continue;
      }
      const before = new Map(view);
      const hasFlushed = await queue.flush().then(
        () => true,
        () => false,
      );
      if (hasFlushed) {
        flushes++;
        for (const [at, acknowledged] of before) {
          const there = stable().readUInt32BE(at * SECTOR);
          if (there < acknowledged) {
            complaints.push(`sector ${at}: ${acknowledged} was flushed, ${there} is there`);
          }
          if (view.get(at) === acknowledged) view.delete(at);
        }
      } else {
        losses++;
        view.clear();
      }
    }
  };
  const running = [run(first, 0), run(second, 1)];
  for (let round = 0; round < 12; round++) {
    const atLeast = flushes + losses + 3;
    await until(
      "some flushes have ended",
      () => flushes + losses >= atLeast || complaints.length > 0,
    );
    if (round % 3 === 2) server.drop(server.connections);
    else crash();
  }
  const last = flushes + 3;
  await until("flushes succeed again", () => flushes >= last);
  isOver = true;
  await Promise.all(running);
  expect(complaints).toEqual([]);
  expect(losses).toBeGreaterThan(0);
});
