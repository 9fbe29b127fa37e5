// The conformance suite: every vector against the endpoint of a bus, and what came of it, clause by clause.

import { Command, MAX_LEN_BYTES, Permission, SECTOR_BYTES } from "../../abi/layout.js";
import type { Bus } from "../../bus/bus.js";
import { BlockptError } from "../../errors.js";
import { RawDriver } from "../raw-driver.js";
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
  const reports: ClauseReport[] = [];
  for (const vector of vectors) {
    const report = { section: vector.section, clause: vector.clause };
    const missing = missingFor(vector, survey);
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
    const disc = { devIdx, sectors, queues, features: extension?.extFeatures ?? 0 };
    const isReadOnly = (perm & Permission.READ_ONLY) !== 0;
    if (disc.sectors < DISC_SECTORS && !isReadOnly) continue;
    const role = isReadOnly ? "read-only" : survey.has("writable") ? "second" : "writable";
    if (!survey.has(role)) survey.set(role, disc);
  }
  if (survey.has("writable")) return survey;
  throw new BlockptError(
    "ERR_BLOCKPT_NO_SUCH_DISC",
    `the endpoint exports ${names.length} discs, and none of 1 MiB or more that may be written`,
  );
}

/** What an endpoint does not have that a vector is about. */
function missingFor(vector: ConformanceVector, survey: Survey): string | undefined {
  const { disc = "writable", discs = [], features = 0, queues = 1 } = vector;
  const role = [disc, ...discs].find((each) => !survey.has(each));
  if (role !== undefined) return `no ${role} disc is exported`;
  const found = survey.get(disc) as Surveyed;
  if (found.queues < queues) return `the disc has ${found.queues} queues, not ${queues}`;
  return (found.features & features) === features ? undefined : "the endpoint does not offer it";
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
  const names = {
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
