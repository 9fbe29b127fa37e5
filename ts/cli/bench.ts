// `blockpt bench`: how fast disks are, on this machine, beside what it does at best.

import type { EngineKind } from "blockpt";
import { type Command, InvalidArgumentError, Option } from "commander";
import { APIS, type Api, PATTERNS, type Pattern } from "../workload/pattern.js";
import { type Job, type JobLists, jobsOf, nameOf } from "./bench/job.js";
import type { CommandContext } from "./demo.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { createScreen } from "./screen.js";
import { parseSize, SIZE_WANTED } from "./sizes.js";
import { addTraceOptions, recordingOf, type TraceOptions } from "./trace/recording.js";

interface BenchOptions extends TraceOptions {
  readonly disc: readonly string[];
  readonly discs: readonly number[];
  readonly rw: readonly Pattern[];
  readonly mix: number;
  readonly bs: readonly number[];
  readonly depth: readonly number[];
  readonly queues: readonly number[];
  readonly api: readonly Api[];
  readonly engine: readonly EngineKind[];
  readonly dma: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly write?: true;
  readonly json?: true;
}

const ENGINES: readonly EngineKind[] = ["wasm", "typescript"];
const MOST_DEPTH = 1023;
const MOST_QUEUES = 16;
const MOST_DISCS = 16;
const MOST_BLOCK_BYTES = 16 * 1024 * 1024;
/** How often a disturbed figure is taken. */
const TRIES = 3;

const HELP = `
Where several values may stand they are given with commas, and every combination is measured, in
rounds: the figure shown is the median, and of the limit's share the median of the rounds' own.

Discs:
  memory:64M   in the endpoint's memory
  null:1T      answers and moves nothing: the protocol alone
  file:64M     a file that is made for it, in the page cache; above 1 GiB it is sparse
  PATH         a file or block device of yours; it is only read without --write

Examples:
  $ blockpt bench                                    4 KiB random reads of memory, both engines
  $ blockpt bench --api batch,callback,promise,sync --depth 1,32
  $ blockpt bench --disc file:1G --rw read,randread,randwrite --depth 1,8,32
  $ blockpt bench --disc null:1T --bs 512 --engine wasm
  $ blockpt bench --disc memory:4M --discs 1,4,16    the load spread over several discs
  $ blockpt bench --engine wasm --trace bench.trace && blockpt trace stats bench.trace
  $ blockpt bench --json | jq '.results[] | [.job.depth, .share.median]'
`;

export function addBenchCommand(program: Command, context: CommandContext): void {
  /** An option of values with commas between; its default stands in the help as it would be typed. */
  const list = <T>(flags: string, about: string, parse: (text: string) => T, values: T[]) =>
    new Option(flags, about)
      .argParser((text) => text.split(",").map(parse))
      .default(values, values.join(","));
  const command = program
    .command("bench")
    .description("measure how fast disks are here, beside a plain copy or read in the same rounds")
    .addOption(list("--disc <discs>", "what is read and written", String, ["memory:64M"]))
    .addOption(
      list(
        "--discs <numbers>",
        "such discs at once, all driven by one thread: with promise or callback, and one queue each",
        whole(1, MOST_DISCS),
        [1],
      ),
    )
    .addOption(list("--rw <patterns>", PATTERNS.join(", "), oneOf(PATTERNS), ["randread"]))
    .option("--mix <percent>", "share of reads in randrw and rw", whole(0, 100), 70)
    .addOption(list("--bs <sizes>", "bytes of a request, as 512, 4K or 1M", blockSize, [4096]))
    .addOption(list("--depth <numbers>", "requests in flight", whole(1, MOST_DEPTH), [32]))
    .addOption(list("--queues <numbers>", "queues, a thread each", whole(1, MOST_QUEUES), [1]))
    .addOption(list("--api <apis>", APIS.join(", "), oneOf(APIS), ["promise"]))
    .addOption(list("--engine <engines>", ENGINES.join(", "), oneOf(ENGINES), [...ENGINES]))
    .option("--no-dma", "the endpoint copies word by word")
    .option("--rounds <number>", "how often everything is measured", whole(1, 1000), 9)
    .option("--seconds <number>", "of each figure in each round", seconds, 0.2)
    .option("--write", "let a file or block device of yours be overwritten")
    .option("--json", "print one JSON document, and nothing else, on stdout")
    .addHelpText("after", HELP + EXIT_CODES_HELP)
    .action((options: BenchOptions) => {
      // A trace is of one bus, and each engine has its own.
      if (options.trace !== undefined && options.engine.length > 1) {
        command.error("error: --trace takes one engine: add --engine wasm, or typescript");
      }
      return bench(options, context);
    });
  addTraceOptions(command);
}

async function bench(options: BenchOptions, { version, cleanup }: CommandContext): Promise<void> {
  const jobs = jobsOf(listsOf(options));
  // Loaded late: nobody else needs it.
  const {
    describeEnvironment,
    HandOverProbe,
    headLines,
    measure,
    openRig,
    refuse,
    resultLines,
    stepsOf,
  } = await import("./bench/index.js");
  for (const job of jobs) refuse(job, options.write === true);
  const screen = createScreen(options.json === true, cleanup);
  const environment = describeEnvironment(version);
  for (const line of headLines(environment)) screen.line(line);
  const probe = await HandOverProbe.start();
  cleanup.add(() => probe.close());
  const measurables = await openRig(jobs, cleanup, recordingOf(options, cleanup));
  const { rounds, seconds: length } = options;
  const effort = { rounds, milliseconds: length * 1000, tries: TRIES };
  const steps = screen.steps(stepsOf(jobs.length, effort));
  const onStep = (done: number, job: Job): void => steps.update(done, nameOf(job, jobs));
  const results = await measure(measurables, effort, probe, onStep).finally(steps.stop);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ environment, effort, results }, null, 2)}\n`);
  }
  for (const line of resultLines(results, screen.colors)) screen.line(line);
}

function listsOf(options: BenchOptions): JobLists {
  return {
    disc: options.disc,
    discs: options.discs,
    pattern: options.rw,
    readPercent: [options.mix],
    blockBytes: options.bs,
    depth: options.depth,
    queues: options.queues,
    api: options.api,
    dma: [options.dma],
    engine: options.engine,
  } satisfies { [Key in keyof Job]: readonly Job[Key][] };
}

function oneOf<T extends string>(known: readonly T[]) {
  return (text: string): T => {
    const found = known.find((each) => each === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`${text} is none of ${known.join(", ")}.`);
  };
}

function whole(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Whole numbers from ${least} to ${most} are wanted.`);
  };
}

function blockSize(text: string): number {
  const bytes = parseSize(text) ?? 0;
  if (bytes > 0 && bytes % 512 === 0 && bytes <= MOST_BLOCK_BYTES) return bytes;
  throw new InvalidArgumentError(`${SIZE_WANTED} is wanted: a multiple of 512, at most 16M.`);
}

function seconds(text: string): number {
  const value = Number(text);
  if (value >= 0.01 && value <= 60) return value;
  throw new InvalidArgumentError("A number from 0.01 to 60 is wanted.");
}
