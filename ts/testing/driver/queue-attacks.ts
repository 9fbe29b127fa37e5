// Queues that cannot be where SET_QUEUE puts them (protocol, section 2).

import { Command, MAX_DESCRIPTORS, REGISTERS_BYTES, Register, Status } from "../../abi/layout.js";
import { ringBytes } from "../../abi/queue-layout.js";
import type { Plan } from "../attack.js";
import type { Patch } from "../tamperer.js";
import { blkStatusName, NO_QUEUE, statusName } from "./outcomes.js";
import type { RawArguments } from "./raw-driver.js";
import type { DriverStage } from "./stage.js";

/** While its registers are rewritten a queue is set so many times for each round. */
const SETS = 8;

interface ImpossibleQueue {
  readonly name: string;
  readonly change: (stage: DriverStage) => RawArguments;
  readonly lacks?: (stage: DriverStage) => string | undefined;
}

const space = (stage: DriverStage): number => stage.driver.descriptorSpace.length;
const bytes = (stage: DriverStage): number => stage.queue.layout.bytes;
const hasBystander = (stage: DriverStage): string | undefined =>
  stage.bystander === undefined ? "no other disc may be written" : undefined;
const hasDoorbell = ({ queue }: DriverStage): string | undefined =>
  queue.layout.doorbellOffset === undefined ? "the endpoint has no doorbells" : undefined;
const bystanderAt = ({ bystander, driver }: DriverStage): number =>
  (bystander?.range.offset ?? 0) - driver.descriptorSpace.offset;

const impossible: readonly ImpossibleQueue[] = [
  ...[0, 1, 15, 65536, 2 ** 31, 2 ** 32 - 1].map((numDesc) => {
    return { name: `num_desc is ${numDesc}`, change: () => ({ numDesc }) };
  }),
  {
    name: "num_desc is more than qsize has room for",
    change: () => ({ numDesc: MAX_DESCRIPTORS }),
  },
  {
    name: "queue_offset is the end of descriptor space",
    change: (s) => ({ queueOffset: space(s) }),
  },
  {
    name: "the queue reaches into the MSI-X table by 8 bytes",
    change: (s) => ({ queueOffset: Math.floor((space(s) - bytes(s)) / 64) * 64 + 64 }),
  },
  {
    name: "queue_offset is so that it overflows into the registers",
    change: () => ({ queueOffset: 2 ** 32 - REGISTERS_BYTES }),
  },
  {
    name: "queue_offset and qsize overflow to 0",
    change: (s) => ({ queueOffset: 2 ** 32 - bytes(s) }),
  },
  { name: "queue_offset is 2^32 − 64", change: () => ({ queueOffset: 2 ** 32 - 64 }) },
  { name: "queue_offset is no multiple of 8", change: () => ({ queueOffset: 4 }) },
  { name: "qsize is 0", change: () => ({ qsize: 0 }) },
  { name: "qsize is 8 bytes too small", change: (s) => ({ qsize: bytes(s) - 8 }) },
  { name: "qsize is 8 bytes more than descriptor space", change: (s) => ({ qsize: space(s) + 8 }) },
  { name: "qsize is 2^32 − 1", change: () => ({ qsize: 2 ** 32 - 1 }) },
  { name: "the driver ring lies on the descriptors", change: () => ({ drvOffset: 0 }) },
  {
    name: "the driver ring lies on the last descriptor",
    change: ({ queue }) => ({ drvOffset: queue.layout.driverOffset - 2 }),
  },
  {
    name: "the driver ring is at an odd offset",
    change: ({ queue }) => ({ drvOffset: queue.layout.driverOffset + 1 }),
  },
  { name: "the driver ring ends behind the queue", change: (s) => ({ drvOffset: bytes(s) - 32 }) },
  { name: "the driver ring begins behind the queue", change: (s) => ({ drvOffset: bytes(s) }) },
  { name: "drv_offset is 2^32 − 2", change: () => ({ drvOffset: 2 ** 32 - 2 }) },
  {
    name: "drv_offset is so that its end overflows to the queue's start",
    change: ({ queue }) => ({ drvOffset: 2 ** 32 - ringBytes(queue.numDescriptors) }),
  },
  { name: "the device ring lies on the descriptors", change: () => ({ devOffset: 0 }) },
  {
    name: "the device ring lies on the driver ring",
    change: ({ queue }) => ({ devOffset: queue.layout.driverOffset }),
  },
  {
    name: "the device ring lies on the driver ring's last entry",
    change: ({ queue }) => ({
      devOffset: queue.layout.driverOffset + ringBytes(queue.numDescriptors) - 2,
    }),
  },
  {
    name: "the device ring is at an odd offset",
    change: ({ queue }) => ({ devOffset: queue.layout.deviceOffset + 1 }),
  },
  { name: "dev_offset is 2^32 − 2", change: () => ({ devOffset: 2 ** 32 - 2 }) },
  { name: "dev_offset is 2^32 − 1", change: () => ({ devOffset: 2 ** 32 - 1 }) },
  {
    name: "the queue is another queue's",
    change: (s) => ({ queueOffset: bystanderAt(s) }),
    lacks: hasBystander,
  },
  {
    name: "the queue takes another queue's last bytes",
    change: (s) => ({ queueOffset: bystanderAt(s) + Math.floor((bytes(s) - 1) / 64) * 64 }),
    lacks: hasBystander,
  },
  {
    name: "the queue has another queue within it",
    change: (s) => ({ queueOffset: 0, qsize: space(s) }),
    lacks: hasBystander,
  },
  {
    name: "queue_offset is no multiple of 64, with a doorbell",
    change: () => ({ queueOffset: 8 }),
    lacks: hasDoorbell,
  },
  {
    name: "qsize ends before the doorbell block",
    change: ({ queue }) => ({ qsize: queue.layout.doorbellOffset ?? 0 }),
    lacks: hasDoorbell,
  },
  {
    name: "the rings are so far that the doorbell block has no room",
    change: (s) => ({ devOffset: bytes(s) - ringBytes(s.queue.numDescriptors) }),
    lacks: hasDoorbell,
  },
];

/** Each register where it is: those that SET_QUEUE reads have four bytes. */
export function registerPatches(
  stage: DriverStage,
  good: RawArguments,
  bad: RawArguments,
): Patch[] {
  const names = Object.keys(bad) as (keyof RawArguments)[];
  return names.map((name) => {
    const at = stage.driver.bus.bar.offset + Register[name];
    const width = name === "devIdx" || name === "qidx" ? 1 : 4;
    return { at, width, good: good[name] ?? 0, bad: bad[name] ?? 0 };
  });
}

/** Sets the queue, and if the endpoint takes it, starts it and has a request served: it is where it should be. */
async function setAndServe(stage: DriverStage): Promise<string> {
  const { driver, queue } = stage;
  await driver.command(Command.STOP, stage.arguments);
  for (let set = 0; set < SETS; set++) {
    const status = await driver.command(Command.SET_QUEUE, stage.arguments);
    if (status !== Status.SUCCESS && statusName(status) !== NO_QUEUE) return statusName(status);
  }
  queue.clear();
  const bits = Command.SET_QUEUE | Command.START;
  const status = await driver.command(bits, stage.arguments);
  if (status !== Status.SUCCESS) return statusName(status);
  return blkStatusName(await queue.submit(0, queue.read({ address: BigInt(stage.data.offset) })));
}

export const queueAttacks: readonly Plan<DriverStage>[] = impossible.map((attack) => {
  return {
    name: attack.name,
    section: attack.name.includes("doorbell") ? "5" : "2",
    due: [NO_QUEUE],
    ...(attack.lacks === undefined ? {} : { lacks: attack.lacks }),
    async act(stage) {
      stage.spoil();
      const { driver } = stage;
      await driver.command(Command.STOP, stage.arguments);
      const lie = { ...stage.arguments, ...attack.change(stage) };
      const status = await driver.command(Command.SET_QUEUE, lie);
      // A queue that was refused is not there.
      const start = await driver.command(Command.START, stage.arguments);
      return start === Status.ERROR ? statusName(status) : `${statusName(status)}, and started`;
    },
    rewriting: {
      due: ["OK", NO_QUEUE],
      oneIn: 16,
      patches: (stage) => registerPatches(stage, stage.arguments, attack.change(stage)),
      act(stage) {
        stage.spoil();
        return setAndServe(stage);
      },
    },
  };
});
