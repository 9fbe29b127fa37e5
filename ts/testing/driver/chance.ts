// Attacks by chance, and what is due of each, worked out anew from docs/protocol.md (sections 2 and 3): not by the
// code that is attacked.

import type { Descriptor } from "../../abi/descriptor.js";
import {
  Command,
  DESCRIPTOR_BYTES,
  DescriptorFlag,
  MAX_DESCRIPTORS,
  MAX_LEN_BYTES,
  Operation,
  Status,
} from "../../abi/layout.js";
import { type QueueLayout, ringBytes, roundUp } from "../../abi/queue-layout.js";
import type { Plan } from "../attack.js";
import type { Seeded } from "../seeded.js";
import { follow } from "./order-attacks.js";
import { blkStatusName, NO_QUEUE, statusName } from "./outcomes.js";
import type { RawArguments } from "./raw-driver.js";
import type { DriverStage } from "./stage.js";

/** Sectors at the start of the attacked disc that may be written. */
const SCRATCH_SECTORS = 16;
const U64 = 64;

/** A request by chance; the page says how it is answered. */
function anyRequest(chance: Seeded): Plan<DriverStage> {
  let due = "";
  return {
    name: "a request by chance",
    section: "3",
    get due() {
      return [due];
    },
    writes: true,
    async act(stage) {
      const descriptor = drawDescriptor(chance, stage);
      due = dueOf(descriptor, stage);
      const moves = due === "OK" && descriptor.opf === Operation.READ;
      if (moves) stage.allow({ offset: Number(descriptor.address), length: descriptor.lenBytes });
      const { queue } = stage;
      return blkStatusName(await queue.submit(queue.driverPosition, descriptor));
    },
  };
}

function drawDescriptor(chance: Seeded, stage: DriverStage): Descriptor {
  const { hostMemory } = stage.driver.bus;
  const [start, end] = [BigInt(hostMemory.offset), BigInt(hostMemory.offset + hostMemory.length)];
  const { offset, length } = stage.data;
  const descriptor = stage.queue.read({
    opf: chance.below(2),
    address: BigInt(offset + chance.below(length / 2)),
    startSector: BigInt(chance.below(SCRATCH_SECTORS)),
    lenBytes: 512 * (1 + chance.below(4)),
  });
  const near = (...edges: bigint[]): bigint =>
    BigInt.asUintN(U64, chance.pick(edges) + BigInt(chance.below(1025) - 512));
  // One or two of its fields are anything, most of them near where what is right ends.
  for (let field = 0; field < 2; field++) {
    switch (chance.below(7)) {
      case 0:
        descriptor.startSector = near(
          stage.disc.sectors,
          stage.disc.sectors,
          2n ** 32n,
          2n ** 55n,
          2n ** 64n,
        );
        break;
      case 1:
        descriptor.address = near(start, end, 0n, 2n ** 32n + start, 2n ** 63n, 2n ** 64n);
        break;
      case 2:
        descriptor.address = BigInt(
          stage.driver.bus.bar.offset + chance.below(stage.driver.bus.bar.length),
        );
        break;
      case 3:
        descriptor.lenBytes = Number(
          near(0n, 512n, BigInt(MAX_LEN_BYTES), 2n ** 31n, 2n ** 32n) & 0xffff_ffffn,
        );
        break;
      case 4:
        descriptor.opf = chance.below(256);
        break;
      case 5:
        descriptor.flags = chance.below(256);
        break;
      // Else it stays as it is.
    }
  }
  // What is right may be anywhere, but writes only where the disc may change.
  const writes = descriptor.opf === Operation.WRITE && dueOf(descriptor, stage) === "OK";
  const endSector = descriptor.startSector + BigInt(Math.ceil(descriptor.lenBytes / 512));
  if (writes && endSector > SCRATCH_SECTORS) descriptor.opf = Operation.READ;
  return descriptor;
}

/** The table of section 3, for a disc that may be written, with nothing enabled but doorbells. */
function dueOf(descriptor: Descriptor, { disc, driver }: DriverStage): string {
  const { flags, opf, lenBytes, startSector, address } = descriptor;
  const { hostMemory, iommu } = driver.bus;
  if ((flags & DescriptorFlag.IN_USE) === 0) return "INVAL";
  if (opf !== Operation.READ && opf !== Operation.WRITE) return "NOTSUPP";
  if (opf === Operation.WRITE && (flags & DescriptorFlag.FUA) !== 0) return "NOTSUPP";
  if (lenBytes === 0 || lenBytes % 512 !== 0 || lenBytes > MAX_LEN_BYTES) return "INVAL";
  if (startSector + BigInt(lenBytes / 512) > disc.sectors) return "INVAL";
  const start = BigInt(hostMemory.offset);
  if (address < start || address + BigInt(lenBytes) > start + BigInt(hostMemory.length))
    return "INVAL";
  return iommu?.isMapped(Number(address), lenBytes) === false ? "INVAL" : "OK";
}

/** A queue by chance: where it can be it is started there, and serves. */
function anyQueue(chance: Seeded): Plan<DriverStage> {
  let due = "";
  return {
    name: "a queue by chance",
    section: "2",
    get due() {
      return [due];
    },
    async act(stage) {
      const { driver } = stage;
      stage.spoil();
      await driver.command(Command.STOP, stage.arguments);
      const lie = drawQueue(chance, stage);
      const layout = layoutOf(lie, stage);
      due = layout === undefined ? NO_QUEUE : "OK";
      if (layout === undefined) {
        return statusName(await driver.command(Command.SET_QUEUE, { ...stage.arguments, ...lie }));
      }
      const { numDesc = 0, queueOffset = 0 } = lie;
      const doorbell = layout.doorbellOffset !== undefined;
      const queue = driver.openQueue({ numDescriptors: numDesc, queueOffset, layout, doorbell });
      stage.allow(queue.range);
      stage.watch();
      const args = { ...stage.arguments, ...lie };
      const status = await driver.command(Command.SET_QUEUE | Command.START, args);
      if (status !== Status.SUCCESS) return statusName(status);
      return blkStatusName(
        await queue.submit(0, queue.read({ address: BigInt(stage.data.offset) })),
      );
    },
  };
}

function drawQueue(chance: Seeded, stage: DriverStage): RawArguments {
  const space = stage.driver.descriptorSpace.length;
  const { bytes, driverOffset, deviceOffset } = stage.queue.layout;
  const unit = stage.queue.layout.doorbellOffset === undefined ? 8 : 64;
  // Behind the queues that are there, as a rule.
  const free = roundUp(3 * roundUp(bytes, 64), unit);
  const lie = {
    numDesc: 16,
    queueOffset: free + unit * chance.below(8),
    drvOffset: driverOffset,
    devOffset: deviceOffset,
    qsize: bytes + 8 * chance.below(16),
  };
  const near = (...edges: number[]): number =>
    (chance.pick(edges) + 2 * (chance.below(65) - 32) + (chance.oneIn(8) ? 1 : 0)) >>> 0;
  for (let field = 0; field < 1 + chance.below(2); field++) {
    switch (chance.below(6)) {
      case 0:
        lie.queueOffset = chance.oneIn(2)
          ? near(0, bytes, free, space - bytes, space, 2 ** 32)
          : unit * chance.below(space / unit);
        break;
      case 1:
        lie.drvOffset = near(0, driverOffset, deviceOffset, bytes, 2 ** 32);
        break;
      case 2:
        lie.devOffset = near(0, driverOffset, deviceOffset, bytes, 2 ** 32);
        break;
      case 3:
        lie.numDesc = chance.pick([
          0,
          1,
          15,
          16,
          17,
          MAX_DESCRIPTORS,
          MAX_DESCRIPTORS + 1,
          2 ** 32 - 1,
        ]);
        break;
      case 4:
        lie.qsize = near(0, bytes, space, 2 ** 32);
        break;
      case 5: {
        const { drvOffset } = lie;
        lie.drvOffset = lie.devOffset;
        lie.devOffset = drvOffset;
      }
    }
  }
  return lie;
}

/** Where the parts of a queue are, by section 2 (and 5, with a doorbell); undefined if it cannot be there. */
function layoutOf(lie: RawArguments, stage: DriverStage): QueueLayout | undefined {
  const { numDesc = 0, queueOffset = 0, drvOffset = 0, devOffset = 0, qsize = 0 } = lie;
  const { driver, queue } = stage;
  if (numDesc < 16 || numDesc > MAX_DESCRIPTORS) return undefined;
  if (queueOffset % 8 !== 0 || drvOffset % 2 !== 0 || devOffset % 2 !== 0) return undefined;
  if (queueOffset + qsize > driver.descriptorSpace.length) return undefined;
  const ring = ringBytes(numDesc);
  const [first, second] = [drvOffset, devOffset].sort((one, other) => one - other) as [
    number,
    number,
  ];
  if (first < numDesc * DESCRIPTOR_BYTES || second < first + ring) return undefined;
  let end = second + ring;
  let doorbellOffset: number | undefined;
  if (queue.layout.doorbellOffset !== undefined) {
    if (queueOffset % 64 !== 0) return undefined;
    doorbellOffset = roundUp(end, 64);
    end = doorbellOffset + 128;
  }
  if (end > qsize) return undefined;
  const start = driver.descriptorSpace.offset + queueOffset;
  const isTaken = stage.otherQueues.some(
    ({ offset, length }) => start < offset + length && offset < start + qsize,
  );
  if (isTaken) return undefined;
  return { bytes: qsize, driverOffset: drvOffset, deviceOffset: devOffset, doorbellOffset };
}

/** Commands by chance, each answered as its state has it. */
function anyCommands(chance: Seeded): Plan<DriverStage> {
  return {
    name: "commands by chance",
    section: "2",
    due: ["each as is due"],
    // A queue that is set again with what its ring had still is served that again.
    writes: true,
    async act(stage) {
      stage.spoil();
      const state = { isSet: true, isStarted: true };
      for (let count = 0; count < 6; count++) {
        const command = chance.pick(Object.values(Command));
        const due = follow(state, command);
        const got = statusName(await stage.driver.command(command, stage.arguments));
        if (got !== due) return `0x${command.toString(16)}: ${got}, and ${due} was due`;
      }
      return "each as is due";
    },
  };
}

/** Sectors that are written, and read as they were written. */
function honestRoundTrip(chance: Seeded): Plan<DriverStage> {
  return {
    name: "an honest write, and read",
    section: "3",
    due: ["as it was written"],
    writes: true,
    async act({ queue, data, driver }) {
      const count = 1 + chance.below(4);
      const startSector = BigInt(chance.below(SCRATCH_SECTORS - count));
      const bytes = new Uint8Array(driver.bus.buffer, data.offset, count * 512);
      chance.fill(bytes);
      const written = bytes.slice();
      const request = { startSector, address: BigInt(data.offset), lenBytes: bytes.length };
      for (const opf of [Operation.WRITE, Operation.READ]) {
        const status = await queue.submit(queue.driverPosition, queue.read({ ...request, opf }));
        if (status !== 0) return blkStatusName(status);
        if (opf === Operation.WRITE) bytes.fill(0);
      }
      return bytes.every((byte, at) => byte === written[at]) ? "as it was written" : "other bytes";
    },
  };
}

/** What is played between named attacks. */
export const playedByChance = [anyRequest, anyRequest, anyQueue, anyCommands, honestRoundTrip];
