// Commands that make no sense, one at a time (protocol, section 2): bits and arguments that no endpoint knows.

import { Command, EVENTS_QIDX, Register } from "../../abi/layout.js";
import type { Plan } from "../attack.js";
import { REFUSED, statusName } from "./outcomes.js";
import { registerPatches } from "./queue-attacks.js";
import type { RawArguments } from "./raw-driver.js";
import type { DriverStage } from "./stage.js";

/** A command that is refused, with the bits or arguments that it has. */
function refused(
  name: string,
  bits: number,
  change?: (stage: DriverStage) => RawArguments,
): Plan<DriverStage> {
  const plan: Plan<DriverStage> = {
    name,
    section: "2",
    due: [REFUSED],
    async act(stage) {
      const args = { ...stage.arguments, ...change?.(stage) };
      return statusName(await stage.driver.command(bits, args));
    },
  };
  // With arguments that are right a STOP would stop.
  if (change === undefined || bits === Command.STOP) return plan;
  return {
    ...plan,
    rewriting: {
      due: ["SUCCESS", REFUSED],
      patches: (stage) => registerPatches(stage, stage.arguments, change(stage)),
      async act(stage) {
        return statusName(await stage.driver.command(bits, stage.arguments));
      },
    },
  };
}

const ofDisc = Object.entries(Command).filter(([, bit]) => bit !== Command.GET_DEVICES);
const ofQueue = ofDisc.filter(([, bit]) => bit === Command.SET_QUEUE || bit === Command.SET_IRQ);

const unknown = [0, 1, 5, 13, 16, 30, 31].map((bit) =>
  refused(`the command has bit ${bit} alone, unknown`, 2 ** bit),
);

const discs = ofDisc.flatMap(([name, bit]) => [
  refused(`${name} is of the disc behind the last`, bit, ({ deviceCount }) => ({
    devIdx: deviceCount,
  })),
  refused(`${name} is of disc 255`, bit, () => ({ devIdx: 255 })),
]);

const queues = [
  ...ofQueue.flatMap(([name, bit]) => [
    refused(`${name} is of the queue behind the last`, bit, ({ disc }) => ({ qidx: disc.queues })),
    refused(`${name} is of queue 254`, bit, () => ({ qidx: 254 })),
  ]),
  refused("SET_QUEUE is of queue 255", Command.SET_QUEUE, () => ({ qidx: EVENTS_QIDX })),
  refused("SET_IRQ is of the disc's events, not enabled", Command.SET_IRQ, () => ({
    qidx: EVENTS_QIDX,
  })),
];

const vectors = [
  refused("irq is 0", Command.SET_IRQ, () => ({ irq: 0 })),
  refused("irq is the vector behind the last", Command.SET_IRQ, (stage) => ({
    irq: stage.vectors + 1,
  })),
  refused("irq is 2^31", Command.SET_IRQ, () => ({ irq: 2 ** 31 })),
  refused("irq is 2^32 − 1", Command.SET_IRQ, () => ({ irq: 2 ** 32 - 1 })),
];

/** A combined command whose first part fails; what comes behind it would leave a mark. */
const combined: readonly Plan<DriverStage>[] = [
  {
    name: "GET_DEVICES comes with an unknown bit",
    section: "2",
    due: [`${REFUSED}, and nothing else`],
    async act({ driver }) {
      driver.bar.setUint8(Register.devName, 0);
      const status = await driver.command(Command.GET_DEVICES | 1);
      const isServed = driver.bar.getUint8(Register.devName) !== 0;
      return `${statusName(status)}, and ${isServed ? "the list" : "nothing else"}`;
    },
  },
  {
    name: "NUM_SECTORS comes with a SET_IRQ that fails",
    section: "2",
    due: [`${REFUSED}, and nothing else`],
    async act(stage) {
      const { driver } = stage;
      const mark = 0x1234_5678_9abcn;
      driver.write("numSectors", mark);
      const args = { ...stage.arguments, irq: 0 };
      const status = await driver.command(Command.SET_IRQ | Command.NUM_SECTORS, args);
      const isServed = driver.registers.numSectors !== mark;
      return `${statusName(status)}, and ${isServed ? "the size" : "nothing else"}`;
    },
  },
];

export const commandAttacks: readonly Plan<DriverStage>[] = [
  ...unknown,
  ...discs,
  ...queues,
  ...vectors,
  ...combined,
];
