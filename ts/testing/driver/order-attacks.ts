// Right things at the wrong time: commands in any order, another while one runs, STOP in the middle, registers that
// are rewritten after START (protocol, sections 2 and 5).

import { Command, Register, Status } from "../../abi/layout.js";
import type { Plan } from "../attack.js";
import type { RegisterName } from "../raw-registers.js";
import type { Patch } from "../tamperer.js";
import { ANSWER_TIMEOUT_MS, pause, until } from "../wait.js";
import { blkStatusName, REFUSED, STOPPED, statusName } from "./outcomes.js";
import type { RawDriver } from "./raw-driver.js";
import type { DriverStage } from "./stage.js";

const DEPTH = 16;
const COMMANDS = Object.values(Command);
/** Longer than an endpoint takes for a command that it has taken. */
const SETTLE_MS = 50;
/** Registers that an endpoint has no use for while it serves. */
const CONSTANT: readonly RegisterName[] = [
  "magic",
  "queueBarOffset",
  "drvOffset",
  "devOffset",
  "numDesc",
  "maxDevs",
  "irq",
  "qsize",
  "numQueues",
  "queueOffset",
  "availableQsize",
  "numSectors",
];
const EXTENSION: readonly RegisterName[] = [
  "extMagic",
  "extVersion",
  "extFeatures",
  "extEnabled",
  "commandSleeping",
];

const honest = ({ queue, data }: DriverStage) => queue.read({ address: BigInt(data.offset) });
const serveOne = async (stage: DriverStage): Promise<string> =>
  blkStatusName(await stage.queue.submit(stage.queue.driverPosition, honest(stage)));

/** What a command is answered in a state, and the state that follows: docs/protocol.md, section 2. */
export function follow(state: { isSet: boolean; isStarted: boolean }, command: number): string {
  const { isSet, isStarted } = state;
  let isRight = true;
  if (command === Command.SET_QUEUE) {
    isRight = !isStarted;
    state.isSet = true;
  } else if (command === Command.START) {
    isRight = isSet && !isStarted;
    state.isStarted = isSet;
  } else if (command === Command.STOP) {
    isRight = isStarted;
    state.isSet = false;
    state.isStarted = false;
  }
  return isRight ? "SUCCESS" : REFUSED;
}

/** After each command each other one. */
async function everyOrder(stage: DriverStage): Promise<string> {
  stage.spoil();
  const state = { isSet: true, isStarted: true };
  for (const [index, command] of COMMANDS.flatMap((one) =>
    COMMANDS.flatMap((two) => [one, two]),
  ).entries()) {
    const due = follow(state, command);
    const got = statusName(await stage.driver.command(command, stage.arguments));
    if (got !== due)
      return `command ${index}, 0x${command.toString(16)}: ${got}, and ${due} was due`;
  }
  return "each as is due";
}

/** Has a command taken, writes another at once, and sees what the other is answered. */
async function whileOneRuns(stage: DriverStage, second: number): Promise<string> {
  stage.spoil();
  const { driver, queue } = stage;
  for (let index = 0; index < DEPTH - 1; index++) queue.fill(index, honest(stage));
  queue.push(...Array.from({ length: DEPTH - 1 }, (_, index) => index));
  driver.issue(Command.STOP, stage.arguments);
  const isTaken = (): boolean => driver.registers.command === 0;
  await until("the endpoint", "ERR_BLOCKPT_COMMAND_TIMEOUT", ANSWER_TIMEOUT_MS, isTaken);
  driver.issue(second, stage.arguments);
  await until("the endpoint", "ERR_BLOCKPT_COMMAND_TIMEOUT", ANSWER_TIMEOUT_MS, isTaken);
  return statusName(await driver.answer());
}

/** Fills the ring, and stops the disc. */
async function stopInTheMiddle(stage: DriverStage): Promise<string> {
  stage.spoil();
  const { driver, queue } = stage;
  for (let index = 0; index < DEPTH; index++) queue.fill(index, honest(stage));
  queue.push(...Array.from({ length: DEPTH - 1 }, (_, index) => index));
  const status = await driver.command(Command.STOP, stage.arguments);
  return `${statusName(status)}, ${queue.take().length} answered`;
}

/** Writes nonsense into registers, has a request served, and writes back what was there. */
async function withNonsense(stage: DriverStage, names: readonly RegisterName[]): Promise<string> {
  const { driver } = stage;
  const before = names.map((name) => driver.read(name));
  for (const name of names) driver.write(name, name === "numSectors" ? 2n ** 64n - 1n : 0xa5a5a5a5);
  try {
    return await serveOne(stage);
  } finally {
    for (const [index, name] of names.entries()) driver.write(name, before[index] ?? 0);
  }
}

function nonsensePatches(driver: RawDriver, names: readonly RegisterName[]): Patch[] {
  return names.map((name) => {
    const at = driver.bus.bar.offset + Register[name];
    const good = driver.read(name);
    return { at, width: name === "numSectors" ? 8 : 4, good, bad: 2n ** 64n - 1n };
  });
}

function nonsense(
  name: string,
  section: string,
  registers: readonly RegisterName[],
  lacks?: (stage: DriverStage) => string | undefined,
): Plan<DriverStage> {
  return {
    name,
    section,
    due: ["OK"],
    ...(lacks === undefined ? {} : { lacks }),
    act: (stage) => withNonsense(stage, registers),
    rewriting: {
      due: ["OK"],
      patches: ({ driver }) => nonsensePatches(driver, registers),
      act: serveOne,
    },
  };
}

const hasExtension = ({ driver }: DriverStage): string | undefined =>
  driver.registers.extension === undefined ? "the endpoint has no extension block" : undefined;

export const orderAttacks: readonly Plan<DriverStage>[] = [
  {
    name: "every command comes after every command",
    section: "2",
    due: ["each as is due"],
    // A queue that is set again with what its ring had still is served that again.
    writes: true,
    act: everyOrder,
  },
  {
    name: "all commands come in one write, to a disc that is started",
    section: "2",
    due: [`${REFUSED}, OK`],
    async act(stage) {
      const all = COMMANDS.reduce((bits: number, bit) => bits | bit, 0);
      const status = await stage.driver.command(all, stage.arguments);
      return `${statusName(status)}, ${await serveOne(stage)}`;
    },
  },
  ...(["START", "SET_QUEUE"] as const).map((name): Plan<DriverStage> => {
    return {
      name: `${name} comes to a disc that is started`,
      section: "2",
      due: [`${REFUSED}, OK`],
      async act(stage) {
        const status = await stage.driver.command(Command[name], stage.arguments);
        return `${statusName(status)}, ${await serveOne(stage)}`;
      },
    };
  }),
  {
    name: "STOP comes twice, and START without a queue",
    section: "2",
    due: [`SUCCESS, ${REFUSED}, ${REFUSED}`],
    async act(stage) {
      stage.spoil();
      const statuses: string[] = [];
      for (const command of [Command.STOP, Command.STOP, Command.START]) {
        statuses.push(statusName(await stage.driver.command(command, stage.arguments)));
      }
      return statuses.join(", ");
    },
  },
  {
    name: "STOP comes while the ring is full",
    section: "2",
    due: [`SUCCESS, ${DEPTH - 1} answered`],
    act: stopInTheMiddle,
  },
  {
    name: "STOP comes while the driver goes on submitting",
    section: "2",
    due: ["SUCCESS"],
    act: async (stage) => (await stopInTheMiddle(stage)).split(",")[0] ?? "",
    rewriting: {
      due: ["SUCCESS"],
      oneIn: 12,
      // A ring that is full and empty by turns: there is always something to do.
      patches: ({ queue }) => [
        { at: queue.range.offset + queue.layout.driverOffset, width: 2, good: 0, bad: 8 },
      ],
      async act(stage) {
        await stage.restart();
        return (await stopInTheMiddle(stage)).split(",")[0] ?? "";
      },
    },
  },
  {
    name: "a command comes while STOP runs",
    section: "2",
    due: ["SUCCESS"],
    act: (stage) => whileOneRuns(stage, Command.NUM_SECTORS),
  },
  {
    name: "an unknown command comes while STOP runs",
    section: "2",
    due: [REFUSED],
    act: (stage) => whileOneRuns(stage, 1),
  },
  {
    name: "the command is rewritten while it is served",
    section: "2",
    due: ["SUCCESS"],
    async act({ driver }) {
      return statusName(await driver.command(Command.NUM_SECTORS));
    },
    rewriting: {
      due: ["SUCCESS", REFUSED],
      patches: ({ driver }) => [
        {
          at: driver.bus.bar.offset + Register.command,
          width: 4,
          good: 0,
          bad: Command.NUM_SECTORS | 1,
        },
      ],
      async act({ driver }) {
        driver.issue(Command.NUM_SECTORS);
        return statusName(await driver.answer());
      },
      async after({ driver }) {
        await pause(SETTLE_MS);
        driver.write("status", 0);
      },
    },
  },
  nonsense("registers are rewritten after START", "2", CONSTANT),
  nonsense("the extension block is rewritten after START", "5", EXTENSION, hasExtension),
  {
    name: "the driver turns the generation back",
    section: "5",
    due: ["OK"],
    lacks: hasExtension,
    async act(stage) {
      stage.driver.write("generation", Number(stage.driver.read("generation")) - 1);
      return serveOne(stage);
    },
  },
  {
    name: "the driver writes RING_GONE on the device ring before the queue is set",
    section: "3",
    due: ["OK"],
    async act(stage) {
      const { driver, queue } = stage;
      await driver.command(Command.STOP, stage.arguments);
      queue.clear();
      const at = queue.range.offset + queue.layout.deviceOffset;
      new DataView(driver.bus.buffer).setUint16(at, 0xffff, true);
      const status = await driver.command(Command.SET_QUEUE | Command.START, stage.arguments);
      if (status !== Status.SUCCESS) return statusName(status);
      return queue.gone ? STOPPED : serveOne(stage);
    },
  },
];
