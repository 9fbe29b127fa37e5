/**
 * Owns what is done to a foreign root complex's queue more than once: a round
 * trip, a whole disc in small pieces, and several queues busy at the same time.
 */

import type { ForeignQueue, ForeignRootComplex, Transfer } from "./foreign-root-complex.js";
import { BLK, CMD, OP, SECTOR, sameBytes, until } from "./protocol.js";
import type { QueueShape } from "./queue-shape.js";

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Writes `data` from `sector` on, reads it back through other memory, compares. */
export async function roundTrip(
  rc: ForeignRootComplex,
  queue: ForeignQueue,
  sector: number,
  data: Uint8Array,
): Promise<void> {
  const len = data.length;
  const [from, to] = [rc.place(data), rc.allocate(len)];
  const wrote = await queue.one({ op: OP.write, sector, addr: from, len });
  check(wrote === BLK.ok, `writing sector ${sector}: status ${wrote}`);
  const read = await queue.one({ op: OP.read, sector, addr: to, len });
  check(read === BLK.ok, `reading sector ${sector}: status ${read}`);
  check(sameBytes(rc.memory.bytes(to, len), data), `sector ${sector} reads otherwise than written`);
  check(sameBytes(rc.memory.bytes(from, len), data), "a write changed its own data");
}

/** `total` bytes cut in pieces of `len`: sector and address go together. */
export function pieces(
  op: number,
  firstSector: number,
  addr: number,
  total: number,
  len: number,
): Transfer[] {
  return Array.from({ length: total / len }, (_, n) => ({
    op,
    sector: firstSector + (n * len) / SECTOR,
    addr: addr + n * len,
    len,
  }));
}

export interface BusyQueue {
  readonly devIdx: number;
  readonly qidx: number;
  readonly shape: QueueShape;
  readonly irq: number;
  readonly firstSector: number;
  readonly data: Uint8Array;
}

/** Starts all of them, then keeps all busy at once: writes, reads back, compares, sees interrupts. */
export async function busyTogether(
  rc: ForeignRootComplex,
  vectors: number,
  uses: readonly BusyQueue[],
): Promise<void> {
  const ready = uses.map((use) => {
    const vector = rc.vector(use.irq, vectors);
    vector.program(1000 + use.irq, false);
    return { use, vector, queue: rc.queue(use.shape) };
  });
  for (const { use } of ready) {
    const { devIdx, qidx, irq, shape } = use;
    await rc.succeed(CMD.setIrq | CMD.setQueue, { devIdx, qidx, irq, queue: shape });
  }
  for (const devIdx of new Set(uses.map((use) => use.devIdx))) {
    await rc.succeed(CMD.start, { devIdx });
  }
  await Promise.all(
    ready.map(async ({ use, vector, queue }) => {
      const { data, firstSector, irq } = use;
      const [from, to] = [rc.place(data), rc.allocate(data.length)];
      for (const [op, addr] of [[OP.write, from] as const, [OP.read, to] as const]) {
        const transfers = pieces(op, firstSector, addr, data.length, 4 * SECTOR);
        const failed = (await queue.all(transfers)).filter((status) => status !== BLK.ok);
        check(failed.length === 0, `queue of irq ${irq}, opf ${op}: statuses ${failed}`);
      }
      check(sameBytes(rc.memory.bytes(to, data.length), data), `queue of irq ${irq}: other data`);
      await until(`interrupt ${irq}`, () => vector.value === 1000 + irq);
    }),
  );
}
