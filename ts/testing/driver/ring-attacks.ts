// Rings that lie, and words of a queue that are not the driver's to write (protocol, sections 3 and 5).

import { Command, SLEEPING_OFFSET } from "../../abi/layout.js";
import type { Plan } from "../attack.js";
import type { Patch } from "../tamperer.js";
import { ANSWER_TIMEOUT_MS, pause, until } from "../wait.js";
import { blkStatusName, STOPPED, statusName } from "./outcomes.js";
import type { RawQueue } from "./raw-queue.js";
import type { DriverStage } from "./stage.js";

const DEPTH = 16;
/** After so many rounds of a bystander, and so long, a queue that says nothing has seen what was put on its ring. */
const LOOKS = 50;
const LOOK_MS = 200;

const honest = ({ queue, data }: DriverStage) => queue.read({ address: BigInt(data.offset) });

/** Fills all descriptors with requests that are right. */
function fillAll(stage: DriverStage): void {
  for (let index = 0; index < DEPTH; index++) stage.queue.fill(index, honest(stage));
}

/**
 * Whether the queue was stopped. With section 5 its device ring says so; without it an honest request behind the lie
 * is not answered, not even by the STOP that drains.
 */
async function stoppedOrServed(stage: DriverStage, count: number): Promise<string> {
  const { queue } = stage;
  stage.spoil();
  if (queue.layout.doorbellOffset !== undefined) {
    const outcomes = new Set<string>();
    let served = 0;
    await until("the queue's end", "ERR_BLOCKPT_TIMEOUT", ANSWER_TIMEOUT_MS, () => {
      const taken = queue.take();
      served += taken.length;
      for (const { status } of taken) outcomes.add(blkStatusName(status));
      return queue.gone || served >= count;
    });
    return queue.gone ? STOPPED : [...outcomes].join(" and ");
  }
  await letItLook(stage);
  queue.fill(DEPTH - 1, honest(stage));
  const taken = queue.take();
  if (taken.length < count && queue.driverPosition < DEPTH - 1) queue.push(DEPTH - 1);
  await stage.driver.command(Command.STOP, stage.arguments);
  taken.push(...queue.take());
  if (taken.length < count) return STOPPED;
  return [...new Set(taken.map(({ status }) => blkStatusName(status)))].join(" and ");
}

async function letItLook(stage: DriverStage): Promise<void> {
  const { bystander } = stage;
  if (bystander !== undefined) stage.allow(bystander.range);
  for (let look = 0; bystander !== undefined && look < LOOKS; look++) {
    await bystander.submit(bystander.driverPosition, bystander.read({ flags: 0 }));
  }
  await pause(LOOK_MS);
}

/** An `idx` of the driver ring that is no place on it. */
function badIdx(name: string, idx: number): Plan<DriverStage> {
  const idxAt = ({ range, layout }: RawQueue): number => range.offset + layout.driverOffset;
  return {
    name,
    section: "3",
    due: [STOPPED],
    async act(stage) {
      stage.queue.publish(idx);
      return stoppedOrServed(stage, 1);
    },
    rewriting: {
      due: ["OK", STOPPED],
      oneIn: 12,
      patches: ({ queue }) => [{ at: idxAt(queue), width: 2, good: 8, bad: idx }],
      async act(stage) {
        await stage.restart();
        fillAll(stage);
        stage.queue.push(0, 1, 2, 3, 4, 5, 6, 7);
        return stoppedOrServed(stage, 8);
      },
    },
  };
}

/** An entry of the driver ring that is no descriptor, or one that has been put already. */
function badEntry(name: string, entry: number, due: readonly string[]): Plan<DriverStage> {
  const entries = ({ range, layout }: RawQueue): Patch[] =>
    Array.from({ length: DEPTH }, (_, position) => {
      const at = range.offset + layout.driverOffset + 2 + 2 * position;
      return { at, width: 2, good: position, bad: entry };
    });
  return {
    name,
    section: "3",
    due,
    async act(stage) {
      fillAll(stage);
      stage.queue.push(0, 1, entry);
      return stoppedOrServed(stage, 3);
    },
    rewriting: {
      due: ["OK", STOPPED],
      oneIn: 12,
      patches: ({ queue }) => entries(queue),
      async act(stage) {
        await stage.restart();
        fillAll(stage);
        stage.queue.push(...Array.from({ length: DEPTH - 1 }, (_, index) => index));
        return stoppedOrServed(stage, DEPTH - 1);
      },
    },
  };
}

/** A word of the queue that is the endpoint's, rewritten while it serves: requests are answered all the same. */
function foreignWord(
  name: string,
  section: string,
  word: (queue: RawQueue) => Omit<Patch, "good">,
  lacks?: (stage: DriverStage) => string | undefined,
): Plan<DriverStage> {
  const write = (stage: DriverStage): void => {
    const { at, width, bad } = word(stage.queue);
    const view = new DataView(stage.driver.bus.buffer);
    if (width === 2) view.setUint16(at, Number(bad), true);
    else view.setUint32(at, Number(bad), true);
  };
  /** What the driver reads of its own scribbling means nothing: by STOP all is answered, and that is what counts. */
  const serveAll = async (stage: DriverStage): Promise<string> => {
    stage.spoil();
    fillAll(stage);
    const { queue, driver } = stage;
    for (let index = 0; index < DEPTH - 1; index++) queue.push(index);
    const status = await driver.command(Command.STOP, stage.arguments);
    const statuses = Array.from(
      { length: DEPTH - 1 },
      (_, index) => queue.descriptor(index).status,
    );
    const outcomes = new Set(statuses.map(blkStatusName));
    return [statusName(status), ...outcomes].join(" and ");
  };
  return {
    name,
    section,
    due: ["SUCCESS and OK"],
    ...(lacks === undefined ? {} : { lacks }),
    async act(stage) {
      write(stage);
      return serveAll(stage);
    },
    rewriting: {
      due: ["SUCCESS and OK"],
      oneIn: 12,
      patches: ({ queue }) => [{ ...word(queue), good: 0 }],
      async act(stage) {
        await stage.restart();
        return serveAll(stage);
      },
    },
  };
}

const deviceRing = ({ range, layout }: RawQueue): number => range.offset + layout.deviceOffset;
const block = ({ range, layout }: RawQueue): number =>
  range.offset + (layout.doorbellOffset ?? Number.NaN);
const hasDoorbell = ({ queue }: DriverStage): string | undefined =>
  queue.layout.doorbellOffset === undefined ? "the endpoint has no doorbells" : undefined;

export const ringAttacks: readonly Plan<DriverStage>[] = [
  badIdx("the driver ring's idx is num_desc", DEPTH),
  badIdx("the driver ring's idx is 0xfffe", 0xfffe),
  badIdx("the driver ring's idx is 0xffff", 0xffff),
  badEntry("the driver ring has num_desc as an entry", DEPTH, [STOPPED]),
  badEntry("the driver ring has 0xffff as an entry", 0xffff, [STOPPED]),
  // Who has finished with it before he looks on finds nothing wrong.
  badEntry("the driver ring has the same descriptor twice", 1, ["OK", STOPPED]),
  {
    name: "the driver ring is full of the same descriptor",
    section: "3",
    due: ["OK", STOPPED],
    async act(stage) {
      fillAll(stage);
      stage.queue.push(...new Array<number>(DEPTH - 1).fill(0));
      return stoppedOrServed(stage, DEPTH - 1);
    },
  },
  {
    name: "the driver ring's idx is ahead of what was put",
    section: "3",
    // A ring of zeros: descriptor 0 again and again, which is not in use.
    due: ["INVAL"],
    async act(stage) {
      const { queue } = stage;
      await stage.restart();
      // Its thread is there, and has seen the ring.
      await queue.submit(0, honest(stage));
      queue.fill(0, queue.read({ flags: 0 }));
      // Behind the one entry come all others, and it is at the start again.
      queue.publish(0);
      stage.spoil();
      const completions = await queue.completions(DEPTH - 1);
      return [...new Set(completions.map(({ status }) => blkStatusName(status)))].join(" and ");
    },
  },
  foreignWord("the device ring's idx is overwritten", "3", (queue) => {
    return { at: deviceRing(queue), width: 2, bad: 0xffff };
  }),
  foreignWord("an entry of the device ring is overwritten", "3", (queue) => {
    return { at: deviceRing(queue) + 2, width: 2, bad: 0xffff };
  }),
  foreignWord(
    "the bell is set to anything",
    "5",
    (queue) => ({ at: block(queue), width: 4, bad: 0xffffffff }),
    hasDoorbell,
  ),
  foreignWord(
    "the endpoint's word that it sleeps is overwritten",
    "5",
    (queue) => ({ at: block(queue) + SLEEPING_OFFSET, width: 4, bad: 0x80000000 }),
    hasDoorbell,
  ),
];
