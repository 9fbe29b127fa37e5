// Descriptors that ask for what must not be done (protocol, section 3): each field as it must not be.

import type { Descriptor } from "../../abi/descriptor.js";
import {
  DESCRIPTOR_BYTES,
  DescriptorField,
  DescriptorFlag,
  MAX_LEN_BYTES,
  Operation,
} from "../../abi/layout.js";
import type { Plan } from "../attack.js";
import type { Patch } from "../tamperer.js";
import { blkStatusName } from "./outcomes.js";
import type { RawQueue } from "./raw-queue.js";
import type { DriverStage } from "./stage.js";

type Change = Partial<Descriptor>;

/** So many descriptors are submitted at once while they are rewritten. */
const AT_ONCE = 15;

/** Where each field is, and its bytes. */
const FIELDS = {
  startSector: [DescriptorField.sSector, 8],
  address: [DescriptorField.addr, 8],
  lenBytes: [DescriptorField.len, 4],
  opf: [DescriptorField.opf, 1],
  flags: [DescriptorField.flags, 1],
} as const;

interface Malformed {
  readonly name: string;
  readonly due: string;
  readonly change: (stage: DriverStage) => Change;
  /** What is so whether it is good or bad. */
  readonly base?: Change;
  /** Which operations it is tried with. Default reads and writes. */
  readonly operations?: readonly number[];
  readonly lacks?: (stage: DriverStage) => string | undefined;
  readonly queue?: (stage: DriverStage) => RawQueue | undefined;
}

const host = (stage: DriverStage): bigint => BigInt(stage.driver.bus.hostMemory.offset);
const hostEnd = (stage: DriverStage): bigint =>
  host(stage) + BigInt(stage.driver.bus.hostMemory.length);
const always = (change: Change) => (): Change => change;
const at = (address: (stage: DriverStage) => bigint) => (stage: DriverStage) => ({
  address: address(stage),
});
const hasIommu = (stage: DriverStage): string | undefined =>
  stage.driver.bus.iommu === undefined ? "the bus has no IOMMU" : undefined;
const hasReadOnly = (stage: DriverStage): string | undefined =>
  stage.readOnly === undefined ? "no disc is read-only" : undefined;

const lengths: Malformed[] = [
  ["len is 0", 0],
  ["len is 1", 1],
  ["len is odd", 513],
  ["len is a byte less than a sector", 511],
  ["len is a sector above max_len", MAX_LEN_BYTES + 512],
  ["len is 2^31", 2 ** 31],
  ["len is 2^32 − 512", 2 ** 32 - 512],
  ["len is 2^32 − 1", 2 ** 32 - 1],
].map(([name, lenBytes]) => {
  return { name: `${name}`, due: "INVAL", change: always({ lenBytes: Number(lenBytes) }) };
});

const sectors: Malformed[] = [
  {
    name: "the sector is the first behind the disc",
    change: ({ disc }: DriverStage) => ({ startSector: disc.sectors }),
  },
  {
    name: "the sector is the last, and len two",
    base: { lenBytes: 1024 },
    change: ({ disc }: DriverStage) => ({ startSector: disc.sectors - 1n }),
  },
  { name: "the sector is 2^32 − 1", change: always({ startSector: 2n ** 32n - 1n }) },
  {
    name: "the sector is 2^55, a multiple of 2^64 bytes",
    change: always({ startSector: 2n ** 55n }),
  },
  { name: "the sector is 2^63", change: always({ startSector: 2n ** 63n }) },
  {
    name: "the sector is 2^64 − 1, and its end 0",
    change: always({ startSector: 2n ** 64n - 1n }),
  },
  { name: "the sector is 2^64 − 2", change: always({ startSector: 2n ** 64n - 2n }) },
].map((attack) => ({ due: "INVAL", ...attack }));

const addresses: Malformed[] = [
  { name: "addr is 0", change: at(() => 0n) },
  { name: "addr is a sector before host memory", change: at((stage) => host(stage) - 512n) },
  { name: "addr straddles the start of host memory", change: at((stage) => host(stage) - 1n) },
  { name: "addr straddles the end of host memory", change: at((stage) => hostEnd(stage) - 511n) },
  { name: "addr is the end of host memory", change: at(hostEnd) },
  {
    name: "addr is the BAR's registers",
    change: at(({ driver }) => BigInt(driver.bus.bar.offset)),
  },
  { name: "addr is the queue itself", change: at(({ queue }) => BigInt(queue.range.offset)) },
  {
    name: "addr is the MSI-X table",
    change: at(({ driver }) =>
      BigInt(driver.descriptorSpace.offset + driver.descriptorSpace.length),
    ),
  },
  {
    name: "addr is the endpoint's own memory",
    change: at(({ driver }) => BigInt(driver.bus.endpointMemory.offset)),
  },
  {
    name: "addr is right but for 2^32 more",
    change: at(({ data }) => 2n ** 32n + BigInt(data.offset)),
  },
  {
    name: "addr is right but for 2^63 more",
    change: at(({ data }) => 2n ** 63n + BigInt(data.offset)),
  },
  { name: "addr is 2^64 − 512, and its end 0", change: at(() => 2n ** 64n - 512n) },
  { name: "addr is 2^64 − 1", change: at(() => 2n ** 64n - 1n) },
  {
    name: "addr is not mapped",
    change: at(({ unmapped }) => BigInt(unmapped.before)),
    lacks: hasIommu,
  },
  {
    name: "addr begins where nothing is mapped",
    change: at(({ unmapped }) => BigInt(unmapped.before + 3584 + 1)),
    lacks: hasIommu,
  },
  {
    name: "addr ends where nothing is mapped",
    change: at(({ unmapped }) => BigInt(unmapped.behind - 511)),
    lacks: hasIommu,
  },
  {
    name: "addr ends with host memory, which is right",
    due: "OK",
    change(stage: DriverStage) {
      const address = hostEnd(stage) - 512n;
      stage.allow({ offset: Number(address), length: 512 });
      return { address };
    },
    operations: [Operation.READ],
  },
].map((attack) => ({ due: "INVAL", ...attack }));

const operations: Malformed[] = [
  ...[4, 5, 8, 10, 13, 128, 255].map((opf): Malformed => {
    return { name: `opf is ${opf}, unknown`, due: "NOTSUPP", change: always({ opf }) };
  }),
  ...(["FLUSH", "DISCARD", "WRITE_ZEROES"] as const).map((name): Malformed => {
    return {
      name: `opf is ${name}, not enabled`,
      due: "NOTSUPP",
      change: always({ opf: Operation[name] }),
    };
  }),
  {
    name: "a write has FUA, not enabled",
    due: "NOTSUPP",
    change: always({ flags: DescriptorFlag.IN_USE | DescriptorFlag.FUA }),
    operations: [Operation.WRITE],
  },
  { name: "the descriptor is not in use", due: "INVAL", change: always({ flags: 0 }) },
  {
    name: "the sector is the last, which is right",
    due: "OK",
    change: ({ disc }) => ({ startSector: disc.sectors - 1n }),
    operations: [Operation.READ],
  },
  {
    name: "the descriptor has every flag but in use",
    due: "INVAL",
    change: always({ flags: 0xff & ~DescriptorFlag.IN_USE }),
  },
  {
    name: "a write is to a read-only disc",
    due: "PROTECTION",
    change: always({}),
    operations: [Operation.WRITE],
    lacks: hasReadOnly,
    queue: ({ readOnly }) => readOnly,
  },
  {
    name: "a write of no bytes is to a read-only disc",
    due: "INVAL",
    change: always({ lenBytes: 0 }),
    operations: [Operation.WRITE],
    lacks: hasReadOnly,
    queue: ({ readOnly }) => readOnly,
  },
];

/** A request that is right: a sector at the start of the disc, and of the data. */
function honest(stage: DriverStage, ...changes: Change[]): Descriptor {
  return stage.queue.read(Object.assign({ address: BigInt(stage.data.offset) }, ...changes));
}

/** Where a field of a descriptor is, good and bad. */
function patchesOf(stage: DriverStage, index: number, good: Descriptor, bad: Change): Patch[] {
  const start = stage.queue.range.offset + index * DESCRIPTOR_BYTES;
  return Object.entries(bad).map(([name, value]) => {
    const field = name as keyof typeof FIELDS;
    const [offset, width] = FIELDS[field];
    return { at: start + offset, width, good: good[field], bad: value };
  });
}

function planOf(attack: Malformed): Plan<DriverStage> {
  const { name, due, lacks, base = {} } = attack;
  const tried = attack.operations ?? [Operation.READ, Operation.WRITE];
  const opfOf = (index: number): number => tried[index % tried.length] as number;
  const plan: Plan<DriverStage> = {
    name,
    section: "3",
    due: [due],
    ...(lacks === undefined ? {} : { lacks }),
    async act(stage) {
      const queue = attack.queue?.(stage) ?? stage.queue;
      stage.allow(queue.range);
      const outcomes = new Set<string>();
      for (const opf of tried) {
        const request = honest(stage, base, { opf }, attack.change(stage));
        outcomes.add(blkStatusName(await queue.submit(queue.driverPosition, request)));
      }
      return [...outcomes].join(" and ");
    },
  };
  // What is malformed by its disc cannot be rewritten into something good.
  if (attack.queue !== undefined || due === "OK") return plan;
  return {
    ...plan,
    rewriting: {
      due: ["OK", due],
      patches: (stage) =>
        Array.from({ length: AT_ONCE }, (_, index) => {
          const good = honest(stage, base, { opf: opfOf(index) });
          return patchesOf(stage, index, good, attack.change(stage));
        }).flat(),
      async act(stage) {
        const { queue } = stage;
        const indices = Array.from({ length: AT_ONCE }, (_, index) => index);
        for (const index of indices) queue.fill(index, honest(stage, base, { opf: opfOf(index) }));
        queue.push(...indices);
        const completions = await queue.completions(AT_ONCE);
        const names = completions.map(({ status }) => blkStatusName(status));
        // Any that is not due is what came of the round.
        return names.find((one) => one !== "OK" && one !== due) ?? names[0] ?? "nothing";
      },
    },
  };
}

export const descriptorAttacks: readonly Plan<DriverStage>[] = [
  ...operations,
  ...lengths,
  ...sectors,
  ...addresses,
].map(planOf);
