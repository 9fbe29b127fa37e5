// Registers and answers to commands that make no sense (protocol, sections 2 and 5).

import {
  Command,
  DEV_NAME_BYTES,
  EXT_MAGIC,
  MAX_LEN_BYTES,
  REGISTERS_BYTES,
  Register,
  SECTOR_BYTES,
  Status,
} from "../../abi/layout.js";
import type { Plan } from "../attack.js";
import type { RegisterName } from "../raw-registers.js";
import { type DeviceStage, DISC_BYTES, DISCS } from "./stage.js";

type Value = number | bigint;
/** What a root complex makes of nonsense that it need not see through. */
const EITHER = ["refused", "served"];

/** Registers that say something else than is true, from the start on. */
function registers(
  name: string,
  lies: (stage: DeviceStage) => Partial<Record<RegisterName, Value>>,
  due: readonly string[],
  section = "2",
): Plan<DeviceStage> {
  const widthOf = (register: string): 1 | 4 | 8 =>
    register === "perm" ? 1 : register === "numSectors" ? 8 : 4;
  const entries = (stage: DeviceStage) => Object.entries(lies(stage)) as [RegisterName, Value][];
  return {
    name,
    section,
    due,
    endsLink: true,
    act(stage) {
      for (const [register, value] of entries(stage)) stage.device.write(register, value);
      stage.watch();
      return stage.attachAndRead();
    },
    rewriting: {
      // An endpoint whose registers move is gone.
      due: [...EITHER, "failed"],
      async act(stage) {
        await stage.prepare();
        const { device } = stage;
        const patches = entries(stage).map(([register, bad]) => {
          const at = device.bus.bar.offset + Register[register];
          return { at, width: widthOf(register), good: device.read(register), bad };
        });
        await stage.tamperer.start(patches);
        const outcome = await stage.attachAndRead();
        await stage.tamperer.stop();
        return outcome;
      },
    },
  };
}

/** What a command is answered in registers, and is not true. */
function answer(
  name: string,
  command: number,
  lies: Partial<Record<RegisterName, Value>>,
  due: readonly string[],
  section = "2",
): Plan<DeviceStage> {
  return {
    name,
    section,
    due,
    act(stage) {
      stage.device.lies.served = (bits) => {
        if ((bits & command) === 0) return;
        for (const [register, value] of Object.entries(lies)) {
          stage.device.write(register as RegisterName, value);
        }
      };
      return stage.attachAndRead();
    },
  };
}

/** A list of discs that is none. */
function devices(
  name: string,
  list: () => string | Uint8Array,
  due: readonly string[],
): Plan<DeviceStage> {
  return {
    name,
    section: "2",
    due,
    act(stage) {
      const text = list();
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      stage.device.lies.served = (command) => {
        if ((command & Command.GET_DEVICES) !== 0) stage.device.writeDevName(bytes);
      };
      return stage.attachAndRead();
    },
  };
}

/** A status that is none, or none at all. */
function status(
  name: string,
  command: number,
  value: number,
  due = ["refused"],
): Plan<DeviceStage> {
  return {
    name,
    section: "2",
    due,
    act(stage) {
      stage.device.lies.answer = (bits) => ((bits & command) === 0 ? undefined : value);
      return stage.attachAndRead();
    },
  };
}

const barBytes = ({ device }: DeviceStage): number => device.bus.bar.length;
const both = `${DISCS.join(";")};`;
const full = (text: string): string => text.repeat(DEV_NAME_BYTES).slice(0, DEV_NAME_BYTES);
/** The list with bytes before it that are no UTF-8. */
const notUtf8 = (): Uint8Array =>
  Uint8Array.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80, ...new TextEncoder().encode(`;${both}`)]);

const space: readonly Plan<DeviceStage>[] = [
  registers("descriptor space begins in the registers", () => ({ queueBarOffset: 8 }), ["refused"]),
  registers(
    "descriptor space begins behind the BAR",
    (s) => ({ queueBarOffset: barBytes(s) + 8 }),
    ["refused"],
  ),
  registers("descriptor space begins at 2^32 − 8", () => ({ queueBarOffset: 2 ** 32 - 8 }), [
    "refused",
  ]),
  registers(
    "descriptor space begins at no multiple of 8",
    () => ({ queueBarOffset: REGISTERS_BYTES + 4 }),
    ["refused"],
  ),
  registers("descriptor space ends behind the BAR", (s) => ({ availableQsize: barBytes(s) }), [
    "refused",
  ]),
  registers("descriptor space has 2^32 − 8 bytes", () => ({ availableQsize: 2 ** 32 - 8 }), [
    "refused",
  ]),
  registers(
    "descriptor space begins and ends so that the sum overflows",
    () => ({ queueBarOffset: 2 ** 31, availableQsize: 2 ** 31 + 2 ** 14 }),
    ["refused"],
  ),
  registers("descriptor space has no room for a queue", () => ({ availableQsize: 64 }), [
    "refused",
  ]),
  registers(
    "descriptor space is all there is: no MSI-X table",
    (s) => ({ availableQsize: barBytes(s) - REGISTERS_BYTES }),
    ["served"],
  ),
  registers(
    "the MSI-X table has room for no whole vector",
    (s) => ({ availableQsize: barBytes(s) - REGISTERS_BYTES - 16 }),
    ["served"],
  ),
  registers("max_devs and num_queues are 0", () => ({ maxDevs: 0, numQueues: 0 }), ["served"]),
  registers(
    "max_devs and num_queues are 2^32 − 1",
    () => ({ maxDevs: 2 ** 32 - 1, numQueues: 2 ** 32 - 1 }),
    ["served"],
  ),
  registers("the extension block has version 0", () => ({ extVersion: 0 }), ["served"], "5"),
  registers(
    "the extension block has version 2^32 − 1",
    () => ({ extVersion: 2 ** 32 - 1 }),
    ["served"],
    "5",
  ),
  registers(
    "the extension block's magic is another",
    () => ({ extMagic: EXT_MAGIC ^ 1 }),
    ["served"],
    "5",
  ),
  registers("the generation is 0", () => ({ generation: 0 }), EITHER, "5"),
];

const lists: readonly Plan<DeviceStage>[] = [
  devices("the list of discs is empty", () => "", ["refused"]),
  devices("the list of discs is full, without `;` and NUL", () => full("a"), ["refused"]),
  devices("the list of discs is full of `;`, without NUL", () => full(";"), ["refused"]),
  devices(
    "the list of discs is the same disc over and over, without NUL",
    () => full(`${DISCS[0]};`),
    EITHER,
  ),
  devices("the list of discs has one name twice", () => `${DISCS[0]};${both}`, EITHER),
  devices("the list of discs has names of no bytes before the others", () => `;;;${both}`, [
    "refused",
  ]),
  devices("the list of discs is no UTF-8", notUtf8, EITHER),
  devices(
    "the list of discs is 1025 bytes of 0xff",
    () => new Uint8Array(DEV_NAME_BYTES).fill(0xff),
    ["refused"],
  ),
];

const { NUM_SECTORS } = Command;
const facts: readonly Plan<DeviceStage>[] = [
  ...(
    [
      ["0", 0n],
      ["2^44, more bytes than a number counts", 2n ** 44n],
      ["2^55, a multiple of 2^64 bytes", 2n ** 55n],
      ["2^63", 2n ** 63n],
      ["2^64 − 1", 2n ** 64n - 1n],
    ] as const
  ).map(([text, numSectors]) =>
    answer(`num_sectors is ${text}`, NUM_SECTORS, { numSectors }, ["refused"]),
  ),
  answer("num_queues of the disc is 0", NUM_SECTORS, { numQueues: 0 }, EITHER),
  answer("num_queues of the disc is 2^32 − 1", NUM_SECTORS, { numQueues: 2 ** 32 - 1 }, EITHER),
  answer("perm has every bit but read-only", NUM_SECTORS | Command.GET_PERMISSION, { perm: 0xfe }, [
    "served",
  ]),
  ...[0, 1, 256, 513, 131072, 2 ** 31, 2 ** 32 - 1].map((logicalBlockSize) =>
    answer(
      `logical_block_size is ${logicalBlockSize}`,
      NUM_SECTORS,
      { logicalBlockSize },
      ["refused"],
      "5",
    ),
  ),
  ...[0, 1, SECTOR_BYTES - 1].map((maxLen) =>
    answer(`max_len is ${maxLen}`, NUM_SECTORS, { maxLen }, ["refused"], "5"),
  ),
  answer("max_len is 2^32 − 1", NUM_SECTORS, { maxLen: 2 ** 32 - 1 }, EITHER, "5"),
  answer(
    `max_len is ${MAX_LEN_BYTES} and a byte`,
    NUM_SECTORS,
    { maxLen: MAX_LEN_BYTES + 1 },
    EITHER,
    "5",
  ),
  answer(
    "every feature is offered, known or not",
    NUM_SECTORS,
    { extFeatures: 2 ** 32 - 1 },
    ["served"],
    "5",
  ),
  {
    name: "num_sectors is another each time",
    section: "2",
    due: ["served"],
    act(stage) {
      let sectors = BigInt(DISC_BYTES / SECTOR_BYTES);
      stage.device.lies.served = (bits) => {
        if ((bits & NUM_SECTORS) !== 0) stage.device.write("numSectors", ++sectors);
      };
      return stage.attachAndRead();
    },
  },
];

const { SUCCESS, ERROR, QUEUE_ADDRESS_INVALID } = Status;
const statuses: readonly Plan<DeviceStage>[] = [
  status("the status is 2, unknown", Command.GET_DEVICES, 2),
  status("the status is 2^32 − 1", Command.GET_DEVICES, 2 ** 32 - 1),
  status("the status is success and error", NUM_SECTORS, SUCCESS | ERROR),
  status(
    "SET_QUEUE is answered that the queue cannot be there",
    Command.SET_QUEUE,
    ERROR | QUEUE_ADDRESS_INVALID,
  ),
  status("START is answered with an error", Command.START, ERROR),
  status("GET_DEVICES is not answered", Command.GET_DEVICES, 0),
  status("START is not answered", Command.START, 0),
  {
    name: "the endpoint goes down instead of answering START",
    section: "3",
    due: ["refused"],
    endsLink: true,
    act(stage) {
      stage.device.lies.answer = (bits) => {
        if ((bits & Command.START) === 0) return undefined;
        stage.device.write("magic", 0);
        return 0;
      };
      return stage.attachAndRead();
    },
  },
];

export const answerAttacks: readonly Plan<DeviceStage>[] = [
  ...space,
  ...lists,
  ...facts,
  ...statuses,
];
