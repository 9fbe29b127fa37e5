// MSI-X entries that point where no interrupt may be written (protocol, sections 2 and 3): the request is answered
// all the same, and nothing is written.

import { Command } from "../../abi/layout.js";
import type { Plan } from "../attack.js";
import { blkStatusName } from "./outcomes.js";
import type { RawMsixEntry } from "./raw-driver.js";
import type { DriverStage } from "./stage.js";

const DATA = 0xdeadbeef;

/** Serves a request and stops the disc: then every interrupt was sent that will be. */
async function serveAndStop(stage: DriverStage): Promise<string> {
  const { driver, queue, data } = stage;
  stage.spoil();
  const request = queue.read({ address: BigInt(data.offset) });
  const status = await queue.submit(queue.driverPosition, request);
  await driver.command(Command.STOP, stage.arguments);
  return blkStatusName(status);
}

function badEntry(
  name: string,
  entry: (stage: DriverStage) => Partial<RawMsixEntry>,
  lacks?: (stage: DriverStage) => string | undefined,
): Plan<DriverStage> {
  const bad = (stage: DriverStage) => ({ addressHigh: 0, data: DATA, ...entry(stage) });
  return {
    name,
    section: "2",
    due: ["OK"],
    ...(lacks === undefined ? {} : { lacks }),
    async act(stage) {
      stage.driver.writeMsixEntry(1, bad(stage));
      stage.watch();
      return serveAndStop(stage);
    },
    rewriting: {
      due: ["OK"],
      patches(stage) {
        const { driver } = stage;
        const at = driver.descriptorSpace.offset + driver.descriptorSpace.length;
        const { addressLow = stage.interruptWord, addressHigh = 0 } = bad(stage);
        return [
          { at, width: 4, good: stage.interruptWord, bad: addressLow },
          { at: at + 4, width: 4, good: 0, bad: addressHigh },
        ];
      },
      async act({ queue, data }) {
        const request = queue.read({ address: BigInt(data.offset) });
        return blkStatusName(await queue.submit(queue.driverPosition, request));
      },
    },
  };
}

const hasIommu = (stage: DriverStage): string | undefined =>
  stage.driver.bus.iommu === undefined ? "the bus has no IOMMU" : undefined;

export const interruptAttacks: readonly Plan<DriverStage>[] = [
  badEntry("an interrupt's address is 0", () => ({ addressLow: 0 })),
  badEntry("an interrupt's address is the BAR's registers", ({ driver }) => ({
    addressLow: driver.bus.bar.offset,
  })),
  badEntry("an interrupt's address is its own entry's", ({ driver }) => ({
    addressLow: driver.descriptorSpace.offset + driver.descriptorSpace.length + 8,
  })),
  badEntry("an interrupt's address is another queue", ({ driver, queue, bystander }) => ({
    addressLow: (bystander?.range ?? driver.descriptorSpace).offset + queue.layout.driverOffset,
  })),
  badEntry("an interrupt's address is the endpoint's own memory", ({ driver }) => ({
    addressLow: driver.bus.endpointMemory.offset,
  })),
  badEntry("an interrupt's address is 4 bytes before host memory", ({ driver }) => ({
    addressLow: driver.bus.hostMemory.offset - 4,
  })),
  badEntry("an interrupt's address is the end of host memory", ({ driver }) => ({
    addressLow: driver.bus.hostMemory.offset + driver.bus.hostMemory.length,
  })),
  badEntry("an interrupt's address is no multiple of 4", ({ unmapped }) => ({
    addressLow: unmapped.before + 1,
  })),
  badEntry("an interrupt's address is right but for 2^32 more", ({ interruptWord }) => ({
    addressLow: interruptWord,
    addressHigh: 1,
  })),
  badEntry("an interrupt's address is 2^64 − 4", () => ({
    addressLow: 2 ** 32 - 4,
    addressHigh: 2 ** 32 - 1,
  })),
  badEntry(
    "an interrupt's address is not mapped",
    ({ unmapped }) => ({ addressLow: unmapped.before }),
    hasIommu,
  ),
  {
    name: "an interrupt is masked",
    section: "2",
    due: ["OK, pending"],
    async act(stage) {
      const { driver } = stage;
      // What else is in the control word means nothing.
      driver.writeMsixEntry(1, { addressLow: driver.bus.bar.offset, control: 0xffffffff });
      stage.watch();
      const status = await serveAndStop(stage);
      return `${status}, ${driver.isPending(1) ? "pending" : "not pending"}`;
    },
  },
];
