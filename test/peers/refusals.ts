/**
 * Owns the tables of what a foreign root complex may get wrong, and what the
 * protocol page says the endpoint answers. Data only; the test file runs them.
 */

import type { CommandArguments, Transfer } from "./foreign-root-complex.js";
import { BLK, CMD, FEATURE, FUA, IN_USE, MAX_LEN, OP, type Region, SECTOR } from "./protocol.js";
import { oddShape, plainShape, type QueueShape, withDoorbell } from "./queue-shape.js";

const LARGEST_32 = 2 ** 32 - 1;
const LARGEST_64 = 2n ** 64n - 1n;

/** What changes in a request that is right otherwise, and the status that is due. */
export type BadRequest = readonly [name: string, change: Partial<Transfer>, status: number];

export function badRequests(sectors: number, host: Region, bar: Region): BadRequest[] {
  const hostEnd = host.offset + host.length;
  return [
    ["not in use", { flags: 0 }, BLK.inval],
    ["another flag than in use", { flags: IN_USE << 1 }, BLK.inval],
    ["len 0", { len: 0 }, BLK.inval],
    ["len 511", { len: 511 }, BLK.inval],
    ["len 513", { len: 513 }, BLK.inval],
    ["len above the limit", { len: MAX_LEN + SECTOR }, BLK.inval],
    ["len 2^32 - 512", { len: 2 ** 32 - SECTOR }, BLK.inval],
    ["opf before len", { len: 0, op: 77 }, BLK.notSupp],
    ["opf 2", { op: 2 }, BLK.notSupp],
    ["opf 255", { op: 255 }, BLK.notSupp],
    ["opf before sectors", { op: 2, sector: LARGEST_64 }, BLK.notSupp],
    ["first sector behind the disc", { sector: sectors }, BLK.inval],
    ["last sector behind the disc", { sector: sectors - 1, len: 2 * SECTOR }, BLK.inval],
    ["sector 2^32 - 1", { sector: LARGEST_32 }, BLK.inval],
    ["sector 2^55, whose byte offset overflows", { sector: 2n ** 55n }, BLK.inval],
    ["sector 2^64 - 1", { sector: LARGEST_64 }, BLK.inval],
    ["sector 2^64 - 1, whose end overflows", { sector: LARGEST_64, len: 2 * SECTOR }, BLK.inval],
    ["data in the BAR", { addr: bar.offset }, BLK.inval],
    ["data that ends behind host memory", { addr: hostEnd - SECTOR + 1 }, BLK.inval],
    ["data behind host memory", { addr: hostEnd }, BLK.inval],
    ["addr 2^32 - 1", { addr: LARGEST_32 }, BLK.inval],
    ["addr 2^64 - 1", { addr: LARGEST_64 }, BLK.inval],
    ["addr 2^64 - 512, whose end overflows to 0", { addr: LARGEST_64 - 511n }, BLK.inval],
    ["addr with a bit above 32", { addr: 2n ** 32n + BigInt(host.offset) }, BLK.inval],
  ];
}

/** The order of the checks, on a disc that may not be written. */
export const badWrites: BadRequest[] = [
  ["a write before its address", { op: OP.write, addr: LARGEST_64 }, BLK.protection],
  ["sectors before a write", { op: OP.write, sector: LARGEST_64 }, BLK.inval],
  ["len before a write", { op: OP.write, len: 0 }, BLK.inval],
];

/** One request of each kind, right in itself, and what must be enabled for it. */
export function operations(addr: number): (readonly [needs: number, request: Transfer])[] {
  const some = { sector: 0, addr, len: SECTOR };
  return [
    [0, { ...some, op: OP.read }],
    [0, { ...some, op: OP.read, flags: IN_USE | FUA }],
    [0, { ...some, op: OP.write }],
    [FEATURE.fua, { ...some, op: OP.write, flags: IN_USE | FUA }],
    [FEATURE.flush, { ...some, op: OP.flush, len: 0 }],
    [FEATURE.discard, { ...some, op: OP.discard }],
    [FEATURE.writeZeroes, { ...some, op: OP.writeZeroes }],
  ];
}

/** Requests of section 5 with all of it enabled, on a disc that has no DISCARD. */
export function badExtended(
  sectors: number,
  addr: number,
  bar: Region,
): (readonly [name: string, request: Transfer, status: number])[] {
  const flush = { op: OP.flush, sector: 0, addr, len: 0 };
  const zeroes = { op: OP.writeZeroes, sector: 0, addr, len: SECTOR };
  const write = { op: OP.write, sector: 0, addr, len: SECTOR, flags: IN_USE | FUA };
  return [
    ["FLUSH of a sector", { ...flush, len: SECTOR }, BLK.inval],
    ["FLUSH with len 1", { ...flush, len: 1 }, BLK.inval],
    ["FLUSH with len 2^32 - 1", { ...flush, len: LARGEST_32 }, BLK.inval],
    ["FLUSH not in use", { ...flush, flags: 0 }, BLK.inval],
    ["FLUSH has no sectors", { ...flush, sector: LARGEST_64 }, BLK.ok],
    ["FLUSH has no address", { ...flush, addr: LARGEST_64 }, BLK.ok],
    ["zeroes not in use", { ...zeroes, flags: FUA }, BLK.inval],
    ["zeroes, len 0", { ...zeroes, len: 0 }, BLK.inval],
    ["zeroes, len 511", { ...zeroes, len: SECTOR - 1 }, BLK.inval],
    ["zeroes above the limit", { ...zeroes, len: MAX_LEN + SECTOR }, BLK.inval],
    ["zeroes behind the disc", { ...zeroes, sector: sectors }, BLK.inval],
    ["zeroes over its end", { ...zeroes, sector: sectors - 1, len: 2 * SECTOR }, BLK.inval],
    ["zeroes whose end overflows", { ...zeroes, sector: LARGEST_64 }, BLK.inval],
    ["zeroes have no address", { ...zeroes, addr: bar.offset }, BLK.ok],
    ["zeroes have no address, 2^64 - 1", { ...zeroes, addr: LARGEST_64 }, BLK.ok],
    ["DISCARD before its len", { ...zeroes, op: OP.discard, len: 0 }, BLK.notSupp],
    ["opf 4", { ...zeroes, op: 4 }, BLK.notSupp],
    ["opf 8", { ...zeroes, op: 8 }, BLK.notSupp],
    ["opf 10", { ...zeroes, op: 10 }, BLK.notSupp],
    ["FUA, data in the BAR", { ...write, addr: bar.offset }, BLK.inval],
    ["FUA, len 0", { ...write, len: 0 }, BLK.inval],
    ["FUA, not in use", { ...write, flags: FUA }, BLK.inval],
    ["FUA", write, BLK.ok],
  ];
}

export type BadQueue = readonly [name: string, shape: QueueShape];

/** Queues refused with "queue address invalid"; `taken` is another queue's place. */
export function badQueues(space: number, taken: QueueShape): BadQueue[] {
  const good = plainShape(taken.offset + taken.size, 16);
  const { drv, dev, size, offset } = good;
  const end = taken.offset + taken.size;
  return [
    ["one byte behind descriptor space", { ...good, offset: space - size + 8 }],
    ["offset behind descriptor space", { ...good, offset: space }],
    ["offset 2^32 - 8", { ...good, offset: 2 ** 32 - 8 }],
    ["offset not a multiple of 8", { ...good, offset: offset + 4 }],
    ["qsize too small", { ...good, size: dev + 33 }],
    ["qsize 0", { ...good, size: 0 }],
    ["qsize 2^32 - 1", { ...good, size: LARGEST_32 }],
    ["driver ring odd", { ...good, drv: drv + 1, dev: dev + 8, size: size + 8 }],
    ["device ring odd", { ...good, dev: dev + 1, size: size + 8 }],
    ["driver ring on descriptors", { ...good, drv: drv - 2 }],
    ["device ring on descriptors", { ...good, dev: 0 }],
    ["both rings in one place", { ...good, dev: drv }],
    ["device ring on the driver ring's end", { ...good, dev: drv + 32 }],
    ["driver ring 2^32 - 2", { ...good, drv: 2 ** 32 - 2 }],
    ["device ring 2^32 - 2", { ...good, dev: 2 ** 32 - 2 }],
    ["another queue's place", { ...good, offset: taken.offset }],
    ["another queue's last bytes", { ...good, offset: end - 8 }],
    ["another queue's first bytes", { ...good, offset: taken.offset - size + 8 }],
  ];
}

/** Queues that would be right without a doorbell block. */
export function badDoorbells(space: number, taken: QueueShape): BadQueue[] {
  const good = withDoorbell(plainShape(taken.offset + taken.size, 16));
  const last = Math.floor((space - good.bell) / 64) * 64;
  return [
    ...[8, 16, 32, 56].map((by): BadQueue => {
      return [`start ${by} behind a multiple of 64`, { ...good, offset: good.offset + by }];
    }),
    ["no doorbell block", plainShape(good.offset, 16)],
    ["no doorbell block, odd", oddShape(good.offset, 16)],
    ["room for the bell only", { ...good, size: good.bell + 64 }],
    ["one byte too few", { ...good, size: good.size - 1 }],
    ["block behind descriptor space", { ...good, offset: last }],
    ["block in another queue", { ...good, offset: taken.offset - good.bell }],
    ["start in another queue's block", { ...good, offset: good.offset - 64 }],
    ["rings so far that the block is nowhere", { ...good, dev: 2 ** 32 - 64, size: LARGEST_32 }],
  ];
}

/** Refused, though the page does not say that the queue's address is what is wrong. */
export const badCounts: readonly number[] = [0, 1, 15, 65536, LARGEST_32];

export type BadCommand = readonly [name: string, bits: number, args: CommandArguments];

export function badCommands(vectors: number): BadCommand[] {
  const queue = plainShape(0, 16);
  const perDisc = [
    CMD.setQueue,
    CMD.start,
    CMD.numSectors,
    CMD.stop,
    CMD.setIrq,
    CMD.getPermission,
  ];
  return [
    ...[0, 5, 13, 30, 31].map((bit): BadCommand => [`bit ${bit}`, 2 ** bit, { devIdx: 0 }]),
    ...perDisc.flatMap((bits) =>
      [1, 255].map((devIdx): BadCommand => {
        return [`dev_idx ${devIdx} for ${bits}`, bits, { devIdx, qidx: 0, irq: 1, queue }];
      }),
    ),
    ...[CMD.setQueue, CMD.setIrq].flatMap((bits) =>
      [1, 255].map((qidx): BadCommand => {
        return [`qidx ${qidx} for ${bits}`, bits, { devIdx: 0, qidx, irq: 1, queue }];
      }),
    ),
    ...[0, vectors + 1, LARGEST_32].map((irq): BadCommand => {
      return [`irq ${irq}`, CMD.setIrq, { devIdx: 0, qidx: 0, irq }];
    }),
  ];
}
