// Endpoints that are gone, or seem to be, and interrupts that mean nothing (protocol, sections 3 and 5).

import { Command, Feature, MSIX_ENTRY_BYTES, RING_GONE } from "../../abi/layout.js";
import type { Plan } from "../attack.js";
import type { RegisterName } from "../raw-registers.js";
import { pause } from "../wait.js";
import type { DeviceStage } from "./stage.js";

/** Longer than a heartbeat may stand still. */
const LIFE_MS = 2500;
/** So many times something is done that means nothing. */
const TIMES = 50;

/** A register that is written while requests are outstanding: nobody will answer them. */
function gone(
  name: string,
  register: RegisterName,
  value: (now: number) => number,
): Plan<DeviceStage> {
  return {
    name,
    section: "5",
    due: ["failed", "failed and served"],
    endsLink: true,
    act: (stage) =>
      stage.readWhile(() => {
        stage.device.write(register, value(Number(stage.device.read(register))));
        stage.watch();
      }),
  };
}

/** Something that means nothing, done again and again while sectors are read. */
function noise(
  name: string,
  section: string,
  make: (stage: DeviceStage, time: number) => void,
): Plan<DeviceStage> {
  return {
    name,
    section,
    due: ["served"],
    async act(stage) {
      const attached = await stage.attach();
      if (attached !== "attached") return attached;
      const outcomes = new Set<string>();
      for (let time = 0; time < TIMES; time++) {
        make(stage, time);
        outcomes.add(await stage.read());
      }
      return [...outcomes].join(" and ");
    },
  };
}

/** Overwrites the MSI-X table, or the pending bits behind it. */
function overwriteVectors({ device }: DeviceStage, what: "table" | "pending", value: number): void {
  const { offset, length } = device.descriptorSpace;
  const start = offset + length;
  const tableBytes = device.vectors * MSIX_ENTRY_BYTES;
  const [first, bytes] = what === "table" ? [start, tableBytes] : [start + tableBytes, 8];
  new Uint8Array(device.bus.buffer, first, bytes).fill(value);
}

const leaving: readonly Plan<DeviceStage>[] = [
  {
    name: "the device ring says that the endpoint has left, while requests are outstanding",
    section: "3",
    due: ["failed", "failed and served"],
    act: (stage) => stage.readWhile((rings) => rings.publish(RING_GONE)),
  },
  {
    name: "the device ring says that the endpoint has left, and then completes",
    section: "3",
    due: ["failed", "failed and served", "served"],
    act: (stage) =>
      stage.readWhile((rings) => {
        rings.publish(RING_GONE);
        for (const request of [...rings.held]) stage.device.complete(request);
      }),
  },
  {
    name: "the device ring says that the endpoint has left, while nothing is outstanding",
    section: "3",
    due: ["failed", "served"],
    async act(stage) {
      const attached = await stage.attach();
      if (attached !== "attached") return attached;
      stage.rings.publish(RING_GONE);
      return stage.read();
    },
  },
  {
    name: "the device ring says that the endpoint has left, before START",
    section: "3",
    due: ["refused", "failed", "served"],
    act(stage) {
      stage.device.lies.served = (command) => {
        if ((command & Command.SET_QUEUE) !== 0) stage.rings.publish(RING_GONE);
      };
      return stage.attachAndRead();
    },
  },
];

export const lifeAttacks: readonly Plan<DeviceStage>[] = [
  gone("the magic vanishes while requests are outstanding", "magic", () => 0),
  gone("the generation moves while requests are outstanding", "generation", (now) => now + 1),
  gone(
    "the generation runs backwards while requests are outstanding",
    "generation",
    (now) => now - 1,
  ),
  gone("the generation becomes 0 while requests are outstanding", "generation", () => 0),
  gone(
    "the generation becomes 2^32 − 1 while requests are outstanding",
    "generation",
    () => 2 ** 32 - 1,
  ),
  gone("the extension block vanishes while requests are outstanding", "extMagic", () => 0),
  {
    name: "the heartbeat stands still while requests are outstanding",
    section: "5",
    due: ["failed", "failed and served"],
    endsLink: true,
    act: (stage) =>
      stage.readWhile(() => {
        stage.device.lies.heartless = true;
      }),
  },
  {
    name: "the heartbeat runs backwards and jumps while requests are outstanding",
    section: "5",
    due: ["served"],
    act: (stage) =>
      stage.readWhile(async (rings) => {
        const { device } = stage;
        device.lies.heartless = true;
        const until = performance.now() + LIFE_MS;
        for (let beat = 0; performance.now() < until; beat++) {
          device.write("heartbeat", beat % 3 === 0 ? 2 ** 32 - 1 - beat : 2 ** 31 + beat);
          await pause(5);
        }
        device.lies.heartless = false;
        for (const request of [...rings.held]) device.complete(request);
      }),
  },
  ...leaving,
  noise("vectors are raised for nothing", "3", (stage) => stage.device.raise(stage.rings)),
  noise("vectors are never raised", "3", ({ device }) => {
    device.lies.silent = true;
  }),
  noise("every pending bit is set", "2", (stage) => overwriteVectors(stage, "pending", 0xff)),
  noise("the MSI-X table is overwritten", "2", (stage, time) =>
    overwriteVectors(stage, "table", time),
  ),
  noise("the word that commands are slept for is overwritten", "5", ({ device }, time) =>
    device.write("commandSleeping", time),
  ),
  {
    name: "the size of the disc is nonsense at each event",
    section: "5",
    due: ["served"],
    async act(stage) {
      const [disc] = stage.discs;
      if (disc !== undefined) disc.features = Feature.RESIZE;
      const attached = await stage.attach();
      if (attached !== "attached") return attached;
      stage.device.lies.served = (command) => {
        if ((command & Command.NUM_SECTORS) !== 0) stage.device.write("numSectors", 2n ** 63n);
      };
      const outcomes = new Set<string>();
      for (let time = 0; time < TIMES; time++) {
        stage.device.raiseEvents();
        outcomes.add(await stage.read());
      }
      return [...outcomes].join(" and ");
    },
  },
];
