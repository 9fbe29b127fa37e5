// The conformance suite: every vector against the endpoint of a bus, and what came of it, clause by clause.

import { Command, MAX_LEN_BYTES, Permission, SECTOR_BYTES } from "../../abi/layout.js";
import type { Bus } from "../../bus/bus.js";
import { BlockptError } from "../../errors.js";
import { RawDriver } from "../driver/raw-driver.js";
import { Breach, Session, type Target } from "./session.js";
import type { ConformanceVector, DiscRole } from "./vector.js";
import { CONFORMANCE_VECTORS } from "./vectors/index.js";

/** What of a clause is to be known. */
export interface ClauseReport {
  /** The section of the protocol. */
  readonly section: string;
  /** What has to hold. */
  readonly clause: string;
  /** Whether it does; `skipped` where the endpoint has nothing that it is about. */
  readonly outcome: "passed" | "failed" | "skipped";
  /** What was found in place of what should be, or is not there; absent where it passed. */
  readonly why?: string | undefined;
  /** The number of the step that failed, from 0. */
  readonly step?: number | undefined;
}

/** How an endpoint is checked. */
export interface ConformanceOptions {
  /** What it is checked with. Default {@link CONFORMANCE_VECTORS}. */
  vectors?: readonly ConformanceVector[] | undefined;
  /** How long an answer is waited for, in milliseconds. Default 5000. */
  answerTimeoutMs?: number | undefined;
  /** Hears of each clause as it is done. */
  onClause?: ((report: ClauseReport) => void) | undefined;
}

const ANSWER_TIMEOUT_MS = 5000;
/** What vectors use of host memory. */
const HOST_BYTES = MAX_LEN_BYTES + 128 * 1024;
/** What they use of a disc that may be written. */
const DISC_SECTORS = BigInt(MAX_LEN_BYTES / SECTOR_BYTES);

/**
 * Checks the endpoint of a bus against the protocol, clause by clause, from the root complex's side. **It writes to the
 * discs that may be written.** Nobody else shall use the bus meanwhile. The discs are the endpoint's: one that may be
 * written, of 1 MiB or more, is needed; clauses about one that may only be read, a second one, or operations
 * that it does not offer are skipped where there is none.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_NO_ENDPOINT` if none is started on the bus; `ERR_BLOCKPT_NO_SUCH_DISC` if
 * it has no disc to check with; `ERR_BLOCKPT_COMMAND_TIMEOUT` if it does not answer at all;
 * `ERR_BLOCKPT_NO_SPACE` for less than 1.2 MiB of host memory
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc } from "blockpt";
 * import { checkConformance } from "blockpt/testing";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
 * await endpoint.start();
 *
 * const clauses = await checkConformance(bus);
 * console.log(clauses.filter(({ outcome }) => outcome === "failed").length); // 0
 * await endpoint.close();
 * ```
 */
export async function checkConformance(
  bus: Bus,
  options: ConformanceOptions = {},
): Promise<ClauseReport[]> {
  const { vectors = CONFORMANCE_VECTORS, onClause = () => {} } = options;
  const { answerTimeoutMs = ANSWER_TIMEOUT_MS } = options;
  if (bus.hostMemory.length < HOST_BYTES) {
    const why = `${HOST_BYTES} bytes of host memory are needed, the bus has ${bus.hostMemory.length}`;
    throw new BlockptError("ERR_BLOCKPT_NO_SPACE", why);
  }
  const driver = new RawDriver(bus, { answerTimeoutMs });
  const survey = await surveyOf(driver);
  if (!survey.has("writable") && vectors.some(({ list }) => list === undefined)) {
    throw new BlockptError(
      "ERR_BLOCKPT_NO_SUCH_DISC",
      `the endpoint exports ${listOf(survey).length} discs, and none of 1 MiB or more that may be written`,
    );
  }
  const reports: ClauseReport[] = [];
  for (const vector of vectors) {
    const report = { section: vector.section, clause: vector.clause };
    const missing = missingFor(vector, survey) ?? missingRoom(vector, bus, driver);
    const outcome =
      missing === undefined
        ? await run(vector, targetOf(bus, driver, survey, vector, answerTimeoutMs))
        : { outcome: "skipped" as const, why: missing };
    reports.push({ ...report, ...outcome });
    onClause(reports.at(-1) as ClauseReport);
  }
  return reports;
}

type Outcome = Pick<ClauseReport, "outcome" | "why" | "step">;

async function run(vector: ConformanceVector, target: Target): Promise<Outcome> {
  const session = new Session(target, vector.disc ?? "writable");
  let outcome: Outcome = { outcome: "passed" };
  let step = 0;
  try {
    for (; step < vector.steps.length; step++) {
      await session.take(vector.steps[step] as ConformanceVector["steps"][number]);
    }
  } catch (error) {
    // An endpoint that does not answer breaks the clause, too.
    if (!(error instanceof Breach || error instanceof BlockptError)) throw error;
    outcome = { outcome: "failed", why: error.message, step };
  }
  await session.end();
  return outcome;
}

/** A disc of the endpoint. */
interface Surveyed {
  readonly devIdx: number;
  readonly sectors: bigint;
  readonly queues: number;
  readonly features: number;
  readonly isReadOnly: boolean;
}

type Survey = ReadonlyMap<DiscRole, Surveyed>;

/** Which discs there are, and what they are good for. */
async function surveyOf(driver: RawDriver): Promise<Survey> {
  const survey = new Map<DiscRole, Surveyed>();
  const names = await driver.devices();
  for (const devIdx of names.keys()) {
    await driver.command(Command.STOP, { devIdx });
    await driver.command(Command.NUM_SECTORS | Command.GET_PERMISSION, { devIdx });
    const { numSectors: sectors, numQueues: queues, perm, extension } = driver.registers;
    const isReadOnly = (perm & Permission.READ_ONLY) !== 0;
    const disc = { devIdx, sectors, queues, features: extension?.extFeatures ?? 0, isReadOnly };
    survey.set(devIdx, disc);
    if (disc.sectors < DISC_SECTORS && !isReadOnly) continue;
    const role = isReadOnly ? "read-only" : survey.has("writable") ? "second" : "writable";
    if (!survey.has(role)) survey.set(role, disc);
  }
  return survey;
}

/** The discs in the order of their list. */
function listOf(survey: Survey): Surveyed[] {
  return [...survey].filter(([role]) => typeof role === "number").map(([, disc]) => disc);
}

/** What an endpoint does not have that a vector is about. */
function missingFor(vector: ConformanceVector, survey: Survey): string | undefined {
  const { disc = "writable", discs = [], features = 0, queues = 1 } = vector;
  const unlike = missingInList(vector, survey);
  if (unlike !== undefined) return unlike;
  const role = [disc, ...discs].find((each) => !survey.has(each));
  if (role !== undefined) return `no ${role} disc is exported`;
  const found = survey.get(disc) as Surveyed;
  if (found.queues < queues) return `the disc has ${found.queues} queues, not ${queues}`;
  return (found.features & features) === features ? undefined : "the endpoint does not offer it";
}

/** What the endpoint's list lacks. */
function missingInList({ list = [] }: ConformanceVector, survey: Survey): string | undefined {
  const found = listOf(survey);
  if (found.length < list.length) {
    return `the endpoint exports ${found.length} discs, not ${list.length}`;
  }
  for (const [place, { sectors, queues, features, readOnly }] of list.entries()) {
    const disc = found[place] as Surveyed;
    const what = `disc ${place} of the list`;
    if (disc.sectors < BigInt(sectors))
      return `${what} has ${disc.sectors} sectors, not ${sectors}`;
    if (disc.queues < queues) return `${what} has ${disc.queues} queues, not ${queues}`;
    if ((disc.features & features) !== features) {
      return `the endpoint does not offer for ${what} what is used of section 5`;
    }
    if (readOnly === undefined || readOnly === disc.isReadOnly) continue;
    return readOnly ? `${what} may be written` : `${what} may only be read`;
  }
  return undefined;
}

/** What the bus lacks. */
function missingRoom({ room }: ConformanceVector, bus: Bus, driver: RawDriver): string | undefined {
  if (room === undefined) return undefined;
  const there = [
    [driver.descriptorSpace.length, room.spaceBytes, "bytes of descriptor space"],
    [bus.hostMemory.length, room.hostBytes, "bytes of host memory"],
    [driver.vectors, room.vectors, "MSI-X vectors"],
  ] as const;
  const less = there.find(([has, needed]) => has < needed);
  return less && `there are ${less[0]} ${less[2]}, not ${less[1]}`;
}

function targetOf(
  bus: Bus,
  driver: RawDriver,
  survey: Survey,
  { disc = "writable" }: ConformanceVector,
  answerTimeoutMs: number,
): Target {
  const { hostMemory, bar } = bus;
  const { sectors, queues } = survey.get(disc) as Surveyed;
  const sizes = listOf(survey).map((each) => [`sectors.${each.devIdx}`, each.sectors]);
  const names = {
    ...(Object.fromEntries(sizes) as Record<string, bigint>),
    sectors,
    queues: BigInt(queues),
    host: BigInt(hostMemory.offset),
    "host.end": BigInt(hostMemory.offset + hostMemory.length),
    bar: BigInt(bar.offset),
    "bar.end": BigInt(bar.offset + bar.length),
    space: BigInt(driver.descriptorSpace.length),
    vectors: BigInt(driver.vectors),
  };
  const discs = new Map([...survey].map(([role, { devIdx }]) => [role, devIdx]));
  return { bus, driver, discs, names, answerTimeoutMs };
}
