// The engines' pieces, each by itself and in one thread: descriptors, rings and copies.
// tinybench times many calls of each, and the median counts.

import { MemoryDisc } from "blockpt";
import { DESCRIPTOR_BYTES, Operation, queueLayout, REGISTERS_BYTES } from "blockpt/abi";
import { Bench } from "tinybench";

/** @typedef {import("blockpt").Bus} Bus */
/** @typedef {import("./rounds.mjs").Buses} Buses */
/** @typedef {import("./rounds.mjs").Section} Section */
/** @typedef {import("./rounds.mjs").Subject} Subject */

/**
 * What is timed: something that does `amount` of a row's unit.
 *
 * @typedef {{ run: () => void, amount: number }} Piece
 */

const MIB = 1024 * 1024;
const MILLION = 1e6;
const NUM_DESCRIPTORS = 256;
/** Items of one call, where calls are batched. */
const BATCH = 64;
/** Items of one run: long enough to be timed. */
const ITEMS = 1024;
/** More than the caches hold. */
const DISC_BYTES = 64 * MIB;
/** Where random reads start, as shares of the disc; every figure takes the same ones. */
const SHARES = Float64Array.from({ length: 16384 }, Math.random);

const SIZES = [
  { text: "512 B", bytes: 512, count: 128 },
  { text: "4 KiB", bytes: 4096, count: 64 },
  { text: "64 KiB", bytes: 65536, count: 16 },
  { text: "1 MiB", bytes: MIB, count: 4 },
];

/** @type {Subject[]} */
const ENGINES = ["wasm", "typescript"];
/** @type {Subject[]} */
const EVERYBODY = ["limit", "wasm", "typescript", "reference"];

const CALLS = [
  { name: "one by one", unit: "M/s", count: 1 },
  { name: `${BATCH} a call`, unit: "M/s", count: BATCH },
];

/** @type {Section} */
export const descriptors = {
  id: "descriptors",
  title: "Descriptors: encode and decode",
  notes: ["Each is written into a table in descriptor space and read back."],
  subjects: ENGINES,
  rows: CALLS,
  open: (buses) =>
    openPieces(CALLS, ENGINES, (row, subject) => descriptorPiece(busOf(buses, subject), row.count)),
};

/** @type {Section} */
export const rings = {
  id: "rings",
  title: "Rings: push and pop",
  notes: [`Each entry of a ring of ${NUM_DESCRIPTORS} is pushed, published and popped.`],
  subjects: ENGINES,
  rows: CALLS,
  open: (buses) =>
    openPieces(CALLS, ENGINES, (row, subject) => ringPiece(busOf(buses, subject), row.count)),
};

const COPIES = SIZES.flatMap(({ text, bytes, count }) =>
  [false, true].flatMap((pio) =>
    [false, true].map((queued) => ({
      name: `${text} ${pio ? "PIO" : "DMA"} ${queued ? "in a queue" : "one by one"}`,
      unit: "MiB/s",
      bytes,
      count,
      pio,
      queued,
    })),
  ),
);

/** @type {Section} */
export const copies = {
  id: "copies",
  title: "Copies: from random places of 64 MiB into host memory",
  notes: [
    "DMA is a bulk copy, PIO goes word by word. One by one: a call of the engine each.",
    "In a queue: 4 to 128 requests put, published, served in one call, and reaped, in one thread.",
    "Limit: the wasm engine's bulk copy in a tight loop, so the row it stands for shows the noise.",
    "Reference: copyWithin of memory that is not shared.",
  ],
  subjects: EVERYBODY,
  rows: COPIES,
  open: openCopies,
};

/**
 * @param {Buses} buses
 * @param {Subject} subject
 */
function busOf(buses, subject) {
  return subject === "typescript" ? buses.typescript : buses.wasm;
}

/**
 * All pieces are made before any runs: the compiler takes what is made once for constant,
 * and the first piece would be faster than the others.
 *
 * @template {import("./rounds.mjs").Row} R
 * @param {R[]} rows
 * @param {Subject[]} subjects
 * @param {(row: R, subject: Subject) => Piece} make
 */
function openPieces(rows, subjects, make) {
  /** @type {Map<import("./rounds.mjs").Row, Map<Subject, Piece>>} */
  const pieces = new Map();
  for (const row of rows) {
    pieces.set(row, new Map(subjects.map((subject) => [subject, make(row, subject)])));
  }
  return {
    /** @type {import("./rounds.mjs").OpenSection["measure"]} */
    measure(row, subject, milliseconds) {
      const piece = pieces.get(row)?.get(subject);
      if (piece === undefined) throw new Error(`${row.name} does not measure ${subject}`);
      return perSecond(piece, milliseconds);
    },
    close() {},
  };
}

/**
 * @param {Piece} piece
 * @param {number} milliseconds
 */
export function perSecond(piece, milliseconds) {
  // Warmed up before, by a measurement that does not count.
  const bench = new Bench({ time: milliseconds, iterations: 5, warmup: false, throws: true });
  bench.add("piece", piece.run, { async: false });
  const { result } = bench.runSync()[0];
  if (result.state !== "completed") throw new Error(`a measurement ended ${result.state}`);
  return piece.amount / (result.latency.p50 / 1000);
}

/**
 * @param {Bus} bus
 * @param {number} count - descriptors a call
 * @returns {Piece}
 */
function descriptorPiece({ engine, bar, hostMemory }, count) {
  const table = bar.offset + REGISTERS_BYTES;
  // Sector, its high half, address, bytes, operation, tag, flags, status.
  const record = [8, 0, hostMemory.offset, 4096, Operation.READ, 0, 1, 0];
  for (let index = 0; index < BATCH; index++) engine.list.set(record, index * record.length);
  return {
    amount: ITEMS / MILLION,
    run() {
      for (let item = 0; item < ITEMS; item += count) {
        const at = table + (item % BATCH) * DESCRIPTOR_BYTES;
        engine.encodeDescriptors(at, count);
        engine.decodeDescriptors(at, count);
      }
    },
  };
}

/**
 * @param {Bus} bus
 * @param {number} count - entries a call
 * @returns {Piece}
 */
function ringPiece({ engine, hostMemory }, count) {
  const ring = hostMemory.offset;
  let position = 0;
  engine.fill(ring, 0, 2);
  for (let entry = 0; entry < count; entry++) engine.list[entry] = entry;
  return {
    amount: ITEMS / MILLION,
    run() {
      for (let item = 0; item < ITEMS; item += count) {
        const next = engine.pushRing(ring, NUM_DESCRIPTORS, position, count);
        if (engine.popRing(ring, NUM_DESCRIPTORS, position, count) !== count) {
          throw new Error("a ring lost entries");
        }
        position = next;
      }
    },
  };
}

/** @param {Buses} buses */
function openCopies(buses) {
  const places = { wasm: openPlace(buses.wasm), typescript: openPlace(buses.typescript) };
  const unshared = new Uint8Array(DISC_BYTES + MIB).fill(0x5a);
  const open = openPieces(COPIES, EVERYBODY, (row, subject) => {
    const { bytes, count } = row;
    if (subject === "reference") return referencePiece(unshared, bytes, count);
    const place = subject === "typescript" ? places.typescript : places.wasm;
    if (subject === "limit") return loopPiece(place, bytes, count, false);
    return row.queued
      ? queuePiece(place, bytes, count, row.pio)
      : loopPiece(place, bytes, count, row.pio);
  });
  return {
    measure: open.measure,
    close() {
      for (const place of Object.values(places)) place.close();
    },
  };
}

/**
 * A disc to copy from, and both ends of a queue to do it by.
 *
 * @typedef {ReturnType<typeof openPlace>} Place
 */

/** @param {Bus} bus */
export function openPlace(bus) {
  const { buffer, engine, hostMemory } = bus;
  const disc = MemoryDisc.create(bus, DISC_BYTES);
  // Memory that nobody wrote is all one page.
  engine.fill(disc.busRange.offset, 0x5a, DISC_BYTES);
  engine.fill(hostMemory.offset, 0, hostMemory.length);
  const layout = queueLayout(NUM_DESCRIPTORS);
  const at = bus.bar.offset + REGISTERS_BYTES;
  const geometry = {
    descriptors: at,
    driverRing: at + layout.driverOffset,
    deviceRing: at + layout.deviceOffset,
    numDescriptors: NUM_DESCRIPTORS,
  };
  engine.fill(at, 0, layout.bytes);
  const driver = engine.openDriverQueue(geometry);
  const device = engine.openDeviceQueue(geometry, {
    numSectors: DISC_BYTES / 512,
    maxLenBytes: MIB,
    readOnly: false,
    features: 0,
    hostMemory,
    iommuTable: 0,
  });
  return {
    buffer,
    engine,
    disc: disc.busRange,
    target: hostMemory.offset,
    driver,
    device,
    close() {
      device.close();
      driver.close();
      disc.close();
    },
  };
}

/**
 * Sectors to read from.
 *
 * @param {number} bytes - of each copy; they start at multiples of it
 */
export function randomSectors(bytes) {
  return Float64Array.from(
    SHARES,
    (share) => Math.floor((share * DISC_BYTES) / bytes) * (bytes / 512),
  );
}

/**
 * Targets lie side by side, over at most 1 MiB.
 *
 * @param {number} bytes
 */
function targetMask(bytes) {
  return Math.min(64, MIB / bytes) - 1;
}

/**
 * @param {Place} place
 * @param {number} bytes
 * @param {number} count
 * @param {boolean} pio
 * @returns {Piece}
 */
function loopPiece({ engine, disc, target }, bytes, count, pio) {
  const sectors = randomSectors(bytes);
  const mask = targetMask(bytes);
  let next = 0;
  const run = pio
    ? () => {
        for (let copy = 0; copy < count; copy++) {
          const source = disc.offset + sectors[next++ & 16383] * 512;
          engine.copyWords(target + (copy & mask) * bytes, source, bytes);
        }
      }
    : () => {
        for (let copy = 0; copy < count; copy++) {
          const source = disc.offset + sectors[next++ & 16383] * 512;
          engine.copy(target + (copy & mask) * bytes, source, bytes);
        }
      };
  return { amount: (count * bytes) / MIB, run };
}

/**
 * @param {Place} place
 * @param {number} bytes
 * @param {number} count
 * @param {boolean} pio
 * @returns {Piece}
 */
function queuePiece({ driver, device, disc, target }, bytes, count, pio) {
  const sectors = randomSectors(bytes);
  const mask = targetMask(bytes);
  let next = 0;
  return {
    amount: (count * bytes) / MIB,
    run() {
      for (let copy = 0; copy < count; copy++) {
        const sector = sectors[next++ & 16383];
        driver.put(sector, target + (copy & mask) * bytes, bytes, Operation.READ, 0, copy);
      }
      driver.publish();
      const served = device.serve(disc, pio, 1, count);
      const reaped = driver.reap();
      if (served !== count || reaped !== count || driver.completions[1] !== 0) {
        throw new Error(`a queue served ${served} and gave back ${reaped} of ${count} requests`);
      }
    },
  };
}

/**
 * @param {Uint8Array} memory
 * @param {number} bytes
 * @param {number} count
 * @returns {Piece}
 */
function referencePiece(memory, bytes, count) {
  const sectors = randomSectors(bytes);
  const mask = targetMask(bytes);
  let next = 0;
  return {
    amount: (count * bytes) / MIB,
    run() {
      for (let copy = 0; copy < count; copy++) {
        const source = MIB + sectors[next++ & 16383] * 512;
        memory.copyWithin((copy & mask) * bytes, source, source + bytes);
      }
    },
  };
}
