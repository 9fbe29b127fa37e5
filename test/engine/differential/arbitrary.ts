// Scripts by chance: mostly what an honest driver and device do, so that deep states are reached, and a few per cent of
// everything else. A queue that broke is opened anew now and then; what is answered keeps the queue going.

import { BlkStatus, DescriptorFlag, Feature, Operation, RING_GONE } from "blockpt/abi";
import fc, { type Arbitrary } from "fast-check";
import { DISC_BYTES, HOST_BYTES } from "./places.js";
import type { Place, Put, Ring, Script, Shape, Step } from "./script.js";

const DISC_SECTORS = DISC_BYTES / 512;
/** By which a disc reaches past the end of the bus. */
const MORE_THAN_THERE_IS = 65536 + 512;
const ALL_FEATURES = Object.values(Feature).reduce((all, feature) => all | feature, 0);

/** One of several, each as often as its weight says. */
function oneOf<T>(...weighted: [number, Arbitrary<T>][]): Arbitrary<T> {
  return fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

const from = <T>(...values: T[]): Arbitrary<T> => fc.constantFrom(...values);
const upTo = (most: number): Arbitrary<number> => fc.nat(most);

/** Around what numbers of 32, 53 and 64 bits can be. */
const EDGES = [2 ** 31, 2 ** 32 - 512, 2 ** 32 - 1, 2 ** 32, 2 ** 52, 2 ** 53 - 1];
const WIDE_EDGES = [31n, 32n, 44n, 52n, 53n, 54n, 55n, 63n, 64n]
  .flatMap((power) => [-513n, -512n, -1n, 0n, 1n].map((by) => 2n ** power + by))
  .filter((value) => value < 2n ** 64n);

const put: Arbitrary<Put> = fc.record({
  sector: oneOf(
    [40, upTo(DISC_SECTORS - 16)],
    [3, fc.integer({ min: DISC_SECTORS - 16, max: DISC_SECTORS + 1 })],
    [1, from(...EDGES)],
  ),
  at: oneOf(
    [40, upTo(HOST_BYTES / 2)],
    [10, upTo(HOST_BYTES / 512 / 2).map((sector) => sector * 512)],
    [1, fc.integer({ min: HOST_BYTES - 8192, max: HOST_BYTES + 1 })],
    [1, fc.integer({ min: -4096, max: -1 })],
    [1, from(-(2 ** 31), 2 ** 31 - 2 ** 28)],
  ),
  len: oneOf(
    [40, from(512, 512, 1024, 1536, 4096, 8192)],
    [1, from(0, 1, 511, 513, 8704, 65536, 2 ** 20, 2 ** 31, 2 ** 32 - 512, 2 ** 32 - 1)],
  ),
  opf: oneOf(
    [40, from(Operation.READ, Operation.WRITE)],
    [12, from(Operation.DISCARD, Operation.WRITE_ZEROES)],
    [1, upTo(255)],
  ),
  flags: oneOf([30, from(0, 0, DescriptorFlag.FUA)], [1, upTo(255)]),
});
/** A good flush has no length. */
const flush: Arbitrary<Put> = put.map((drawn) => ({ ...drawn, len: 0, opf: Operation.FLUSH }));
const puts = (most: number): Arbitrary<Put[]> =>
  fc.array(oneOf([10, put], [1, flush]), { minLength: 1, maxLength: most, size: "max" });

const polls = oneOf<number>([40, from(0, 1, 1, 1, 3)], [1, from(-1, 2 ** 31, 2 ** 32, 0.5)]);
const most = oneOf<number>(
  [12, fc.integer({ min: 1, max: 20 })],
  [6, from(1000)],
  [1, from(0, -1, 2 ** 31)],
);
const status = oneOf(
  [4, from<number>(BlkStatus.OK)],
  [2, from(...Object.values(BlkStatus))],
  [1, upTo(300)],
);
const ring = from<Ring>("driver", "device");

const work: [number, Arbitrary<Step>][] = [
  [
    8,
    fc.record({
      do: from("submit" as const),
      puts: puts(20),
      hold: from(false, false, false, true),
    }),
  ],
  [1, fc.record({ do: from("submit" as const), puts: puts(300), hold: fc.boolean() })],
  [1, fc.record({ do: from("publish" as const) })],
  [6, fc.record({ do: from("fetch" as const), polls })],
  [
    6,
    fc.record({
      do: from("serve" as const),
      polls,
      most,
      pio: fc.boolean(),
      missing: oneOf<number>([20, from(0)], [1, from(512, 1, DISC_BYTES, -MORE_THAN_THERE_IS)]),
    }),
  ],
  [3, fc.record({ do: from("answer" as const), polls, most })],
  [
    8,
    fc.record({
      do: from("complete" as const),
      picks: fc.array(upTo(255), { maxLength: 20, size: "max" }),
      statuses: fc.array(status, { minLength: 1, maxLength: 3 }),
    }),
  ],
  [12, fc.record({ do: from("reap" as const) })],
  [
    1,
    fc.record({
      do: from("resize" as const),
      sectors: oneOf<number>(
        [2, upTo(DISC_SECTORS)],
        [8, from(DISC_SECTORS)],
        [1, from(DISC_SECTORS + 1, 2 ** 44, 2 ** 53 - 1, 2 ** 53, -1, 0.5)],
      ),
    }),
  ],
  [
    2,
    fc.record({
      do: from("turn" as const),
      count: oneOf<number>([8, upTo(40)], [1, from(1000)], [1, from(66_000)]),
      opf: from<number>(Operation.FLUSH, Operation.READ, 7),
    }),
  ],
  [1, fc.record({ do: from("takeover" as const) })],
  [1, fc.record({ do: from("restart" as const), position: oneOf([8, from(0)], [1, upTo(65534)]) })],
  [
    2,
    fc.record({
      do: from("map" as const, "map" as const, "map" as const, "unmap" as const),
      page: upTo(HOST_BYTES / 4096),
      pages: oneOf([3, upTo(4)], [2, from(HOST_BYTES / 4096)]),
    }),
  ],
];

/** Of descriptors that were published: what is answered, and breaks nothing. */
const fieldStep: Arbitrary<Step> = oneOf<Step>(
  [
    4,
    fc.record({
      do: from("field" as const),
      back: upTo(20),
      field: from("sSector" as const, "addr" as const),
      value: oneOf(
        [3, from(...WIDE_EDGES).map(String)],
        [1, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)],
      ),
    }),
  ],
  [
    3,
    fc.record({
      do: from("field" as const),
      back: upTo(20),
      field: from("len" as const, "opf" as const, "status" as const, "flags" as const),
      value: oneOf([1, from(0, 1, 2, 4, 6, 512, 8192).map(String)], [1, fc.nat().map(String)]),
    }),
  ],
);

const lethal: [number, Arbitrary<Step>][] = [
  [2, fc.record({ do: from("flip" as const), at: upTo(2 ** 21), bit: upTo(7) })],
  [
    1,
    fc.record({
      do: from("idx" as const),
      ring,
      value: oneOf([4, upTo(17)], [1, upTo(65535)], [1, from(RING_GONE, RING_GONE - 1)]),
    }),
  ],
  [
    1,
    fc.record({
      do: from("entry" as const),
      ring,
      back: upTo(20),
      value: oneOf([3, upTo(17)], [1, upTo(65535)]),
    }),
  ],
  [
    1,
    fc.record({
      do: from("lie" as const),
      index: upTo(20),
      status: upTo(255),
      inUse: fc.boolean(),
    }),
  ],
];

/** Mostly inside of what may be written; sometimes at the bus's ends and past them. */
const place: Arbitrary<Place> = oneOf<Place>(
  [20, fc.tuple(from("yard" as const), upTo(32768))],
  [
    20,
    fc.tuple(
      from("yard" as const),
      upTo(4096).map((unit) => unit * 8),
    ),
  ],
  [4, fc.tuple(from("host" as const, "disc" as const), upTo(32768))],
  [2, fc.tuple(from("queue" as const), upTo(800))],
  [1, fc.tuple(from("start" as const), upTo(600))],
  [2, fc.tuple(from("end" as const), fc.integer({ min: -16, max: 600 }))],
  [1, fc.tuple(from("start" as const), from(-1, 0.5, 2 ** 32, 2 ** 53))],
);
const len = oneOf<number>(
  [6, upTo(200)],
  [2, from(0, 1, 2, 3, 4, 512, 4096, 4097)],
  [1, from(32768, 2 ** 32, -1)],
);
/** What a byte is set to: the lowest bits of a number. */
const byte = oneOf<number>([9, upTo(255)], [1, from(-1, 256, 2 ** 32 + 7)]);
/** One ring that all use now and then, so that what is popped was pushed. */
const ringPlace = oneOf<Place>([2, from<Place>(["yard", 0])], [1, place]);
/** Small rings, now and then one that there cannot be. */
const ringLength = oneOf<number>(
  [10, from(16)],
  [3, fc.integer({ min: 16, max: 40 })],
  [1, from(15, 65535, 65536)],
);
const position = oneOf<number>([10, upTo(15)], [1, from(39, -1, 65535)]);

const pieces: [number, Arbitrary<Step>][] = [
  [2, fc.record({ do: from("copy" as const), words: fc.boolean(), to: place, from: place, len })],
  [1, fc.record({ do: from("fill" as const), to: place, value: byte, len })],
  [
    1,
    fc.record({
      do: from("encode" as const),
      table: place,
      records: fc.array(fc.array(fc.nat(0xffff_ffff), { minLength: 8, maxLength: 8 }), {
        maxLength: 4,
      }),
      count: oneOf([6, upTo(5)], [1, from(256, 257)]),
    }),
  ],
  [
    1,
    fc.record({
      do: from("decode" as const),
      table: place,
      count: oneOf([6, upTo(5)], [1, from(255, 257)]),
    }),
  ],
  [
    1,
    fc.record({
      do: from("push" as const),
      ring: ringPlace,
      of: ringLength,
      position,
      entries: fc.array(oneOf([6, upTo(40)], [1, upTo(65535)]), { maxLength: 20 }),
    }),
  ],
  [
    1,
    fc.record({
      do: from("pop" as const),
      ring: ringPlace,
      of: ringLength,
      position,
      capacity: oneOf([6, upTo(40)], [1, from(256, 257)]),
    }),
  ],
  [
    1,
    fc.record({
      do: from("open" as const),
      side: ring,
      parts: fc.tuple(place, place, place),
      of: ringLength,
      position,
    }),
  ],
];

const shape: Arbitrary<Shape> = fc.record({
  numDescriptors: oneOf<number>(
    [40, from(16)],
    [20, from(17, 18, 31, 64)],
    [10, fc.integer({ min: 16, max: 300 })],
    [3, from(1024)],
    [1, from(4096, 65535)],
  ),
  swapped: oneOf([3, from(false)], [1, from(true)]),
  gap: from(0, 0, 2, 6, 64),
  readOnly: oneOf([6, from(false)], [1, from(true)]),
  features: oneOf<number>(
    [20, from(ALL_FEATURES)],
    [2, upTo(ALL_FEATURES)],
    [1, from(0xffff_ffff)],
  ),
  maxLenBytes: oneOf<number>([30, from(8192)], [1, from(0, 511, 512, 513, 2 ** 20, 2 ** 32 - 1)]),
  numSectors: oneOf<number>(
    [40, from(DISC_SECTORS)],
    [3, upTo(DISC_SECTORS)],
    [1, from(DISC_SECTORS + 1, 2 ** 32, 2 ** 44, 2 ** 53 - 1)],
  ),
  window: oneOf<[number, number]>(
    [30, from<[number, number]>([0, HOST_BYTES])],
    [1, from<[number, number]>([4096, 8192], [512, 1024], [0, 511], [8, 0], [4095, 20_000])],
  ),
  iommu: oneOf([4, from(false)], [1, from(true)]),
});

const honest = oneOf(...work, [1, fieldStep]);
const hostile = oneOf<Step>([60, oneOf(...work)], [6, fieldStep], [4, oneOf(...lethal)]);
const anything = oneOf<Step>(
  [30, oneOf(...work)],
  [4, fieldStep],
  [2, oneOf(...lethal)],
  [10, oneOf(...pieces)],
);
const assertion: Arbitrary<Step> = fc.record({
  do: from("assert" as const),
  picks: fc.array(upTo(255), { maxLength: 4 }),
  wrong: oneOf([3, upTo(20)], [1, from(65535, 0xffff_ffff)]),
});

/** Scripts have their edges themselves: what fast-check prefers, small and short, gets nowhere here. */
export const CHANCE = { unbiased: true } as const;

/** @param most - steps of a script */
export function scripts(most: number): Arbitrary<Script> {
  const steps = (step: Arbitrary<Step>): Arbitrary<Step[]> =>
    fc.array(step, { minLength: 1, maxLength: most, size: "max" });
  const ended = fc.tuple(steps(hostile), assertion).map(([before, last]) => [...before, last]);
  // Where there is an IOMMU most pages are mapped, or nothing would be served.
  return fc
    .record({
      shape,
      steps: oneOf([6, steps(honest)], [6, steps(hostile)], [3, steps(anything)], [1, ended]),
      mapped: oneOf([3, from(HOST_BYTES / 4096)], [1, upTo(HOST_BYTES / 4096)]),
    })
    .map(({ shape: drawn, steps: all, mapped }) => {
      if (!drawn.iommu) return { shape: drawn, steps: all };
      const first: Step = { do: "map", page: 0, pages: mapped };
      return { shape: drawn, steps: [first, ...all] };
    });
}
