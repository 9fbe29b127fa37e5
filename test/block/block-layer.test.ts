// The block layer against a driver that does everything a driver may do, in any order: whatever
// happens each bio ends once, each tag comes back, and nothing is in flight at the end.

import type { Bio } from "blockpt";
import { BlkStatus, DescriptorFlag, Operation, SECTOR_BYTES } from "blockpt/abi";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Answer, image, type ModelDriver, makeBio, modelDisk, turn } from "./model-driver.js";

const SECTORS = 256;
const TIMEOUT_MS = 800;
const STATUSES = [BlkStatus.OK, BlkStatus.OK, BlkStatus.OK, BlkStatus.MEDIUM, BlkStatus.RESOURCE];
const OPERATIONS = [Operation.READ, Operation.WRITE, Operation.FLUSH, Operation.DISCARD];

interface Submission {
  opf: number;
  sector: number;
  sectors: number;
  isFua: boolean;
  /** How often its end submits it again. */
  again: number;
  hwQueue: number;
}

type Step =
  | { kind: "submit"; bios: Submission[] }
  | { kind: "wait"; bio: Submission }
  | { kind: "answers"; answers: Answer[] }
  | { kind: "device"; hwQueue: number; picks: number[]; status: number }
  | { kind: "time"; eighths: number }
  | { kind: "fail" | "reclaimAll" | "resume"; hwQueue: number }
  | { kind: "turn" | "unplug" };

// A clock of its own: time passes when a step says so, and no test waits for it.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const hwQueue = fc.nat(1);
const submission: fc.Arbitrary<Submission> = fc.record({
  opf: fc.constantFrom(...OPERATIONS),
  sector: fc.nat(20),
  sectors: fc.integer({ min: 1, max: 40 }),
  isFua: fc.boolean(),
  again: fc.constantFrom(0, 0, 0, 1, 3),
  hwQueue,
});
const answer = fc.constantFrom<Answer[]>("take", "inline", "inline", "resource", "refuse", "fail");
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: submitStep() },
    { weight: 4, arbitrary: deviceStep() },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("turn" as const, "unplug") }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("answers" as const),
        answers: fc.array(answer, { maxLength: 6 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("time" as const),
        eighths: fc.integer({ min: 1, max: 12 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), bio: submission }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom("fail" as const, "reclaimAll", "resume", "resume"),
        hwQueue,
      }),
    },
  ),
  { maxLength: 40 },
);

function submitStep(): fc.Arbitrary<Step> {
  const bios = fc.array(submission, { minLength: 1, maxLength: 5 });
  return fc.record({ kind: fc.constant("submit" as const), bios });
}

function deviceStep(): fc.Arbitrary<Step> {
  return fc.record({
    kind: fc.constant("device" as const),
    hwQueue,
    picks: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
    status: fc.constantFrom(...STATUSES),
  });
}

/** What the test knows of everything that it submitted. */
class Ledger {
  submitted = 0;
  ended = 0;
  /** What was not as it should be at an end; a callback must not throw. */
  readonly complaints: string[] = [];
  readonly #driver: ModelDriver;
  readonly #open = new Set<Bio>();

  constructor(driver: ModelDriver) {
    this.#driver = driver;
  }

  submit({ opf, sector, sectors, isFua, again, hwQueue }: Submission): Bio {
    let times = again;
    const lenBytes = opf === Operation.FLUSH ? 0 : sectors * SECTOR_BYTES;
    const bio = makeBio(opf, sector, lenBytes, () => {
      this.#end(bio);
      if (times-- > 0) this.#start(bio, hwQueue);
    });
    if (opf === Operation.WRITE && isFua) bio.flags = DescriptorFlag.FUA;
    this.#start(bio, hwQueue);
    return bio;
  }

  #start(bio: Bio, hwQueue: number): void {
    this.submitted++;
    this.#open.add(bio);
    const from = bio.startSector * SECTOR_BYTES;
    if (bio.opf === Operation.READ) bio.buffer?.fill(0);
    if (bio.opf === Operation.WRITE) bio.buffer?.set(image(bio.lenBytes, from));
    this.#driver.disk?.submit(bio, hwQueue);
  }

  #end(bio: Bio): void {
    this.ended++;
    if (!this.#open.delete(bio)) this.complaints.push("ended twice");
    if (!bio.hasEnded) this.complaints.push("its onEnd comes before its end");
    if (bio.error !== undefined || bio.buffer === undefined) return;
    const from = bio.startSector * SECTOR_BYTES;
    const there =
      bio.opf === Operation.READ ? bio.buffer : this.#driver.written(from, bio.lenBytes);
    if (!Buffer.from(there).equals(image(bio.lenBytes, from))) this.complaints.push("lost data");
  }
}

function check(driver: ModelDriver, ledger: Ledger): void {
  const { disk, tags } = driver;
  expect(ledger.complaints).toEqual([]);
  expect(disk?.inFlight === 0, "nothing in flight, and all ended").toBe(
    ledger.submitted === ledger.ended,
  );
  expect(disk?.inFlight).toBeGreaterThanOrEqual(0);
  for (const [hwQueue, owned] of driver.owned.entries()) {
    expect(tags.available(hwQueue)).toBeLessThanOrEqual(tags.depth - owned.size);
    for (let tag = 0; tag < tags.depth; tag++) {
      const request = tags.find(hwQueue, tag);
      if (request !== undefined) expect(owned.get(tag)).toBe(request);
    }
  }
}

async function finish(driver: ModelDriver): Promise<void> {
  driver.answers.length = 0;
  for (let round = 0; round < 1000 && (driver.disk?.inFlight ?? 0) > 0; round++) {
    await turn();
    answerAll(driver);
    vi.advanceTimersByTime(TIMEOUT_MS / 8);
  }
  answerAll(driver);
  await turn();
}

function answerAll(driver: ModelDriver): void {
  for (const [hwQueue, owned] of driver.owned.entries()) {
    for (const tag of [...owned.keys()]) driver.answer(hwQueue, tag, BlkStatus.OK);
  }
}

test.each([1, 2, 8])("whatever a driver does, with %i tags a queue", async (depth) => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const { driver, disk, tags } = modelDisk(
        { queues: 2, depth, sectors: SECTORS },
        { timeoutMs: TIMEOUT_MS, limits: { maxLenBytes: 8192 } },
      );
      driver.onBlock = () => vi.advanceTimersByTime(TIMEOUT_MS / 8);
      const ledger = new Ledger(driver);
      for (const step of script) {
        if (step.kind === "submit") for (const bio of step.bios) ledger.submit(bio);
        if (step.kind === "wait") {
          driver.pollCompletes = true;
          const { hwQueue } = step.bio;
          disk.waitFor(ledger.submit({ ...step.bio, again: 0 }), hwQueue);
          driver.pollCompletes = false;
        }
        if (step.kind === "answers") driver.answers.splice(0, Infinity, ...step.answers);
        if (step.kind === "device") {
          for (const pick of step.picks) {
            const owned = [...(driver.owned[step.hwQueue]?.keys() ?? [])];
            if (owned.length === 0) break;
            driver.answer(step.hwQueue, owned[pick % owned.length] as number, step.status);
          }
        }
        if (step.kind === "time") {
          for (let each = 0; each < step.eighths; each++) {
            vi.advanceTimersByTime(TIMEOUT_MS / 8);
          }
        }
        if (step.kind === "fail") driver.fail(step.hwQueue);
        if (step.kind === "reclaimAll" && disk.failure(step.hwQueue) !== undefined) {
          disk.reclaimAll(step.hwQueue);
          expect(driver.owned[step.hwQueue]?.size).toBe(0);
          expect(tags.available(step.hwQueue)).toBe(depth);
        }
        if (step.kind === "resume") disk.resume(step.hwQueue);
        if (step.kind === "unplug") disk.unplug(0);
        if (step.kind === "turn") {
          await turn();
          expect(driver.untold, "the device was told of all").toEqual([0, 0]);
        }
        check(driver, ledger);
      }
      await finish(driver);
      check(driver, ledger);
      expect(ledger.ended).toBe(ledger.submitted);
      expect([tags.available(0), tags.available(1)]).toEqual([depth, depth]);

      ledger.submit({ opf: 0, sector: 0, sectors: 40, isFua: false, again: 2, hwQueue: 0 });
      disk.remove();
      driver.isClosed = "the disk was removed";
      await turn();
      vi.advanceTimersByTime(2 * TIMEOUT_MS);
      disk.resume(0);
      ledger.submit({ opf: 0, sector: 0, sectors: 1, isFua: false, again: 0, hwQueue: 0 });
      check(driver, ledger);
      expect(ledger.ended).toBe(ledger.submitted);
      expect([tags.available(0), disk.inFlight]).toEqual([depth, 0]);
    }),
    { numRuns: 150 },
  );
});
