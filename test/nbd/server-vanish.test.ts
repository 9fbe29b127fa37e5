// Clients that vanish at random points, with all kinds of requests in flight: no connection, request, tag or byte of
// host memory is left of them, and nothing is done that was not asked for.

import { randomInt } from "node:crypto";
import { FileDisc, MemoryDisc } from "blockpt";
import { expect, test } from "vitest";
import { Command } from "../../ts/nbd/protocol.js";
import { makeImage } from "../api/rig.js";
import { until } from "../cli/command-line.js";
import { attachAll, freePages, listen, openSimple, openStructured, placeOf } from "./embedded.js";
import { expectWell, type RawClient, request, WELL_BYTES } from "./raw-client.js";

const MIB = 1024 * 1024;
const SIZE_BYTES = 16 * MIB;
/** Where clients write ends. Their requests are done when they are gone, and so not where it is looked whether all is well. */
const WRITTEN_BYTES = SIZE_BYTES / 2;
const ROUNDS = 20;
const CLIENTS = 4;

/** Numbers that a seed gives: what a run did can be done again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Requests of all kinds, behind each other. */
function someRequests(random: (below: number) => number): Buffer {
  const parts: Buffer[] = [];
  const count = 1 + random(40);
  for (let index = 0; index < count; index++) {
    const lenBytes = 512 * (1 + random(random(4) === 0 ? 2048 : 64));
    const offset = WELL_BYTES + 512 * random((WRITTEN_BYTES - WELL_BYTES - lenBytes) / 512);
    const command = [
      Command.READ,
      Command.READ,
      Command.WRITE,
      Command.WRITE,
      Command.WRITE_ZEROES,
      Command.BLOCK_STATUS,
      Command.CACHE,
      Command.FLUSH,
    ][random(8)] as number;
    const place = command === Command.FLUSH ? {} : { offset, lenBytes };
    parts.push(request({ command, cookie: BigInt(index), ...place }));
    if (command === Command.WRITE) parts.push(Buffer.alloc(lenBytes, index + 1));
  }
  return Buffer.concat(parts);
}

/** Sends some, reads some, and goes in the middle of it. */
async function comeAndGo(client: RawClient, random: (below: number) => number): Promise<void> {
  const sent = someRequests(random);
  const pieces = 1 + random(4);
  for (let piece = 0; piece < pieces; piece++) {
    const from = Math.floor((sent.length * piece) / pieces);
    const to = Math.floor((sent.length * (piece + 1)) / pieces);
    client.send(sent.subarray(from, to));
    for (let turn = random(8); turn > 0; turn--) await new Promise(setImmediate);
    if (random(3) === 0) client.stream.read();
  }
  if (random(4) === 0) client.stream.end();
  client.destroy();
}

test.each(["memory", "file"])("of a %s disc", { timeout: 90_000 }, async (kind) => {
  const { disk } = await attachAll({
    a: (bus) =>
      kind === "memory"
        ? MemoryDisc.create(bus, SIZE_BYTES)
        : FileDisc.open(makeImage(new Uint8Array(SIZE_BYTES))),
  });
  const before = freePages(disk);
  await disk.write(new Uint8Array(MIB).fill(0x5a), SIZE_BYTES - MIB);
  const server = await listen([{ name: "a", disk }]);
  const seed = randomInt(2 ** 32);
  const random = randomOf(seed);
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, index) => {
        const open = index % 2 === 0 ? openSimple : openStructured;
        await comeAndGo(await open(server, "a"), random);
      }),
    );
    await expectWell(placeOf(server), "a");
  }
  await until(() => server.connections === 0);
  expect(disk.inFlight, `seed ${seed}`).toBe(0);
  expect(freePages(disk), `seed ${seed}`).toBe(before);
  // What nobody wrote is as it was.
  const rest = new Uint8Array(SIZE_BYTES - WRITTEN_BYTES);
  await disk.read(rest, WRITTEN_BYTES);
  const expected = new Uint8Array(rest.length);
  expected.fill(0x5a, rest.length - MIB);
  expect(Buffer.compare(rest, expected), `seed ${seed}`).toBe(0);
  // Every tag is free: as many requests as there are descriptors are in flight at once.
  await Promise.all(
    Array.from({ length: 300 }, (_, index) => disk.read(new Uint8Array(512), index * 1024)),
  );
});
