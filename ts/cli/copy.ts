// `blockpt copy`: an image or a block device to another one, through the rings.

import type { EngineChoice } from "blockpt";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Cleanup } from "./cleanup.js";
import type { Job, OnProgress } from "./copy/blocks.js";
import { compareDisks } from "./copy/compare.js";
import { startCopyMachine } from "./copy/machine.js";
import { moveBlocks } from "./copy/move.js";
import { openEnds, type Place, parsePlace } from "./copy/places.js";
import type { CommandContext } from "./demo.js";
import { engineOption } from "./engine-option.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { CliError } from "./failure.js";
import { createScreen, type Screen } from "./screen.js";
import { parseSize, printSize, SIZE_WANTED } from "./sizes.js";
import { addTraceOptions, recordingOf, type TraceOptions } from "./trace/recording.js";

interface CopyOptions extends TraceOptions {
  readonly verify?: true;
  readonly json?: true;
  readonly queueDepth: number;
  readonly blockSize: number;
  readonly engine?: EngineChoice;
}

/** The document of `--json`. */
interface CopyReport {
  readonly source: string;
  readonly target: string;
  readonly bytes: number;
  readonly dataBytes: number;
  readonly zeroBytes: number;
  /** Of the copy and the flush; without the verification. */
  readonly seconds: number;
  readonly mibPerSecond: number;
  /** Whether the two were found equal; null if nobody looked. */
  readonly verified: boolean | null;
}

const MIB = 1024 * 1024;
const BLOCK_UNIT = 4096;
const MOST_BLOCK_BYTES = 16 * MIB;
const DEFAULT_BLOCK_BYTES = MIB;
const MOST_DEPTH = 64;
const DEFAULT_DEPTH = 8;

const EXAMPLES_HELP = `
SRC and DST are files, block devices or NBD URIs; SRC may be the URL of an image. A partition of one is PATH,partition=P, P being its
number or its UUID. A comma of a path is written twice.

A DST that is not there is made, with holes where SRC has zeros, and removed again unless the
copy succeeds. One that is there keeps its size, and is overwritten from its start.

Examples:
  $ blockpt copy disk.img copy.img
  $ blockpt copy disk.img /dev/sdb --verify
  $ blockpt copy disk.img,partition=2 root.img
  $ blockpt copy root.img disk.img,partition=c0dec402-02
  $ blockpt copy --json disk.img copy.img | jq .mibPerSecond
`;

export function addCopyCommand(program: Command, { cleanup }: CommandContext): void {
  const command = program
    .command("copy")
    .description("copy a disc to another through the rings; zeros stay holes")
    .argument("<SRC>", "what is read: a file or block device, or a partition of it", parsePlace)
    .argument("<DST>", "what is written; made if it is not there", parsePlace)
    .option("--verify", "read both again and compare")
    .option("--json", "print one JSON document, and nothing else, on stdout")
    .option("--queue-depth <n>", "how many blocks are under way at a time", depthOf, DEFAULT_DEPTH)
    .addOption(
      new Option("--block-size <bytes>", "how much is read at once, in bytes or as 64K or 4M")
        .argParser(blockSizeOf)
        .default(DEFAULT_BLOCK_BYTES, printSize(DEFAULT_BLOCK_BYTES)),
    )
    .addOption(engineOption())
    .addHelpText("after", EXAMPLES_HELP + EXIT_CODES_HELP)
    .action((source: Place, target: Place, options: CopyOptions) =>
      runCopy(source, target, options, cleanup),
    );
  addTraceOptions(command);
}

function depthOf(text: string): number {
  const depth = Number(text);
  if (/^\d+$/.test(text) && depth >= 1 && depth <= MOST_DEPTH) return depth;
  throw new InvalidArgumentError(`A whole number from 1 to ${MOST_DEPTH} is wanted.`);
}

function blockSizeOf(text: string): number {
  const bytes = parseSize(text) ?? 0;
  if (bytes > 0 && bytes % BLOCK_UNIT === 0 && bytes <= MOST_BLOCK_BYTES) return bytes;
  throw new InvalidArgumentError(
    `Wanted is ${SIZE_WANTED} a multiple of ${BLOCK_UNIT} and at most ${printSize(MOST_BLOCK_BYTES)}.`,
  );
}

async function runCopy(
  from: Place,
  to: Place,
  options: CopyOptions,
  cleanup: Cleanup,
): Promise<void> {
  const { queueDepth, blockSize: blockBytes, engine } = options;
  const screen = createScreen(options.json === true, cleanup);
  const { keepTarget, ...discs } = await openEnds(from, to, cleanup);
  // Two buffers a block: to verify, both are read.
  const bufferBytes = 2 * queueDepth * blockBytes;
  const recording = recordingOf(options, cleanup);
  const machine = await startCopyMachine(discs, { engine, bufferBytes, recording }, cleanup);
  const job: Job = {
    ...{ source: machine.source, target: machine.target, blockBytes, queueDepth },
    ...{ sourceName: from.text, targetName: to.text, targetIsZero: keepTarget !== undefined },
  };
  const copied = await copy(job, screen);
  const difference = options.verify ? await verify(job, screen) : undefined;
  const verified = options.verify ? difference === undefined : null;
  if (options.json) print({ source: from.text, target: to.text, ...copied, verified });
  if (difference !== undefined) {
    const message = `${to.text} differs from ${from.text}, first at byte ${difference}`;
    throw new CliError({ code: "ERR_COPY_VERIFY", message });
  }
  keepTarget?.();
  await machine.close();
}

async function copy(
  job: Job,
  screen: Screen,
): Promise<Omit<CopyReport, "source" | "target" | "verified">> {
  const bytes = job.source.sizeBytes;
  const startedAt = performance.now();
  const moved = await followed(screen, bytes, (onProgress) => moveBlocks(job, onProgress));
  const seconds = (performance.now() - startedAt) / 1000;
  const mibPerSecond = bytes / MIB / seconds;
  screen.line(
    `${bytes} bytes copied, ${moved.zeroBytes} of them zeros, ` +
      `in ${seconds.toFixed(2)} s, ${mibPerSecond.toFixed(0)} MiB/s`,
  );
  return { bytes, ...moved, seconds, mibPerSecond };
}

/** Gives where the target differs from the source, if it does. */
async function verify(job: Job, screen: Screen): Promise<number | undefined> {
  const difference = await followed(screen, job.source.sizeBytes, (onProgress) =>
    compareDisks(job, onProgress),
  );
  if (difference === undefined) screen.line("verified: both are equal");
  return difference;
}

function print(report: CopyReport): void {
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

/** Does something with a progress bar. */
async function followed<T>(
  screen: Screen,
  totalBytes: number,
  work: (onProgress: OnProgress) => Promise<T>,
): Promise<T> {
  const progress = screen.progress(totalBytes);
  return work(progress.update).finally(progress.stop);
}
