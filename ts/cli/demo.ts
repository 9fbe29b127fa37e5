// `blockpt demo`: an endpoint in one thread, a root complex in another, and everything
// that the user guide does with them, checked and measured.

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineKind } from "blockpt";
import { type Command, InvalidArgumentError } from "commander";
import type { Cleanup } from "./cleanup.js";
import {
  checkCopy,
  checkImageDisk,
  checkImageUnchanged,
  checkMemoryDisk,
  checkRefusal,
  copyAndCompare,
} from "./demo/checks.js";
import type { DiscSpec, FunctionSpec } from "./demo/endpoint-worker.js";
import { type Image, makeImage, openImage } from "./demo/image.js";
import { type Machine, startMachine } from "./demo/machine.js";
import type { Check, CopyReport, DemoReport, Throughput } from "./demo/report.js";
import type { DiskInfo } from "./demo/root-complex-worker.js";
import {
  showAttached,
  showCheck,
  showCopy,
  showDisks,
  showEndpoint,
  showImage,
  showProbe,
  showThroughput,
} from "./demo/show.js";
import {
  type EnginesOptions,
  enginesInOrder,
  measureEngines,
  startFirst,
} from "./demo/throughput.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { CliError } from "./failure.js";
import { lspciLine } from "./listing.js";
import { createScreen, type Screen } from "./screen.js";
import {
  addTraceOptions,
  type Recording,
  recordingOf,
  type TraceOptions,
} from "./trace/recording.js";

export interface CommandContext {
  readonly version: string;
  readonly cleanup: Cleanup;
}

interface DemoOptions extends TraceOptions {
  readonly image?: string;
  readonly size?: number;
  readonly json?: true;
}

/** What the stages of the demo share. */
interface Stage extends CommandContext {
  readonly screen: Screen;
  readonly directory: string;
  readonly image: Image;
  readonly recording: Recording;
}

const DEFAULT_SIZE_MIB = 64;
const MOST_SIZE_MIB = 65536;
const MEMORY_DISC_BYTES = 32 * 1024 * 1024;
const IMAGE_DISC = "/dev/nvme0n1";
const MEMORY_DISC = "/dev/ram0";
const READ_ONLY_DISC = "/dev/mmcblk0";

const FUNCTION: FunctionSpec = {
  controller: "44100000.pcie",
  vendorId: 0x0000,
  deviceId: 0xc402,
  msixInterrupts: 512,
};

const EXAMPLES_HELP = `
Examples:
  $ blockpt demo
  $ blockpt demo --size 256
  $ blockpt demo --image disk.img
  $ blockpt demo --json > demo.json
  $ BLOCKPT_ENGINE=typescript blockpt demo
`;

export function addDemoCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("demo")
    .description("export three discs, attach them, copy one, check reads and writes, measure")
    .option("--image <path>", "export this file or block device, read-only, not a new image")
    .option("--size <mib>", `size of the new image in MiB (default: ${DEFAULT_SIZE_MIB})`, sizeOf)
    .option("--json", "print one JSON document, and nothing else, on stdout")
    .addHelpText("after", EXAMPLES_HELP + EXIT_CODES_HELP)
    .action(async (options: DemoOptions, command: Command) => {
      if (options.image !== undefined && options.size !== undefined) {
        command.error("error: --image and --size exclude each other");
      }
      await runDemo(options, context);
    });
  addTraceOptions(command);
}

function sizeOf(text: string): number {
  const size = Number(text);
  if (/^\d+$/.test(text) && size >= 1 && size <= MOST_SIZE_MIB) return size;
  throw new InvalidArgumentError(`A whole number from 1 to ${MOST_SIZE_MIB} is wanted.`);
}

async function runDemo(options: DemoOptions, context: CommandContext): Promise<void> {
  const startedAt = performance.now();
  const screen = createScreen(options.json === true, context.cleanup);
  screen.line(`blockpt ${context.version}: block devices from one thread to another`);
  const directory = makeDirectory(context.cleanup);
  const image = await prepareImage(options, directory, context.cleanup);
  showImage(screen, image);
  const report = await runStages({
    ...{ ...context, screen, directory, image },
    recording: recordingOf(options, context.cleanup),
  });
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  const failed = report.checks.filter(({ passed }) => !passed);
  if (failed.length > 0) {
    const message = failed.map(({ detail }) => detail).join("; ");
    throw new CliError({ code: "ERR_DEMO_CHECK", message });
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  screen.success(
    `Success: ${report.disks.length} discs exported and attached, ` +
      `${report.checks.length} of ${report.checks.length} checks passed, in ${seconds} s.`,
  );
}

/** In one go, so that no signal finds the directory there and nobody to remove it. */
function makeDirectory(cleanup: Cleanup): string {
  const directory = mkdtempSync(join(tmpdir(), "blockpt-demo-"));
  cleanup.add(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  return directory;
}

async function prepareImage(
  options: DemoOptions,
  directory: string,
  cleanup: Cleanup,
): Promise<Image> {
  if (options.image !== undefined) return openImage(options.image, directory);
  const abort = new AbortController();
  const forget = cleanup.add(() => abort.abort());
  const image = await makeImage(directory, options.size ?? DEFAULT_SIZE_MIB, abort.signal);
  forget();
  return image;
}

async function runStages(stage: Stage): Promise<DemoReport> {
  const { screen, image, recording } = stage;
  const discs = discsOf(image);
  const onEndpointLog = (line: string): void => {
    process.stderr.write(`blockpt: endpoint: ${line}\n`);
  };
  const start = (engine: EngineKind): Promise<Machine> =>
    startMachine(engine, { function: FUNCTION, discs, onEndpointLog, recording }, stage.cleanup);
  const { machine, failures } = await startFirst(enginesInOrder(), start);
  const { pciAddress, header, devices, log } = machine.probed;
  showEndpoint(screen, machine, FUNCTION, discs);
  showProbe(screen, machine.probed);
  const { disks, ...attached } = await attachAll(stage, machine);
  const copy = await copyStage(stage, machine, disks);
  const checks = await checkStage(stage, machine, disks, copy);
  const ok = checks.every(({ passed }) => passed);
  return {
    version: stage.version,
    ok,
    engine: machine.engine,
    image,
    function: FUNCTION,
    exports: discs,
    pci: { address: pciAddress, lspci: lspciLine(pciAddress, header) },
    devices,
    disks,
    log: [...log, ...attached.log],
    copy,
    checks,
    throughput: ok ? await throughputStage(stage, { first: machine, failures, start }) : undefined,
  };
}

/** The user's image is not written to, whatever happens. */
function discsOf({ path, kind }: Image): DiscSpec[] {
  const file = { kind: "file", path } as const;
  return [
    { name: "nvme0", discName: IMAGE_DISC, ...file, readOnly: kind === "given" },
    { name: "ram0", discName: MEMORY_DISC, kind: "memory", sizeBytes: MEMORY_DISC_BYTES },
    { name: "mmc0", discName: READ_ONLY_DISC, ...file, readOnly: true },
  ];
}

async function attachAll(
  { screen }: Stage,
  { rootComplex, probed }: Machine,
): Promise<{ disks: DiskInfo[]; log: string[] }> {
  const disks: DiskInfo[] = [];
  const log: string[] = [];
  for (const device of probed.devices) {
    const attached = await rootComplex.call("attach", device);
    showAttached(screen, attached.disk, attached.log);
    disks.push(attached.disk);
    log.push(...attached.log);
  }
  showDisks(screen, disks);
  return { disks, log };
}

async function copyStage(
  { screen, image, directory }: Stage,
  machine: Machine,
  disks: readonly DiskInfo[],
): Promise<CopyReport> {
  const disk = diskNamed(disks, IMAGE_DISC);
  const path = join(directory, "copy.img");
  screen.heading("Copy of the whole disk");
  screen.command(`dd if=/dev/${disk.localName} of=${path} bs=1M`);
  const progress = screen.progress(disk.sizeBytes);
  machine.onCopied(progress.update);
  const copy = await copyAndCompare(machine, disk, image, path).finally(progress.stop);
  await rm(path);
  showCopy(screen, copy);
  return copy;
}

/** Detaches the disks in the end: no thread but those measured is to run later. */
async function checkStage(
  { screen, image }: Stage,
  machine: Machine,
  disks: readonly DiskInfo[],
  copy: CopyReport,
): Promise<Check[]> {
  const checks: Check[] = [];
  const note = (...done: Check[]): void => {
    for (const check of done) showCheck(screen, check);
    checks.push(...done);
  };
  screen.heading("Checks");
  note(checkCopy(copy));
  note(await checkMemoryDisk(machine, diskNamed(disks, MEMORY_DISC)));
  const imageDisk = diskNamed(disks, IMAGE_DISC);
  if (!imageDisk.readOnly) note(...(await checkImageDisk(machine, imageDisk, image)));
  for (const disk of disks.filter(({ readOnly }) => readOnly)) {
    note(await checkRefusal(machine, disk));
  }
  for (const { name } of disks) await machine.rootComplex.call("detach", name);
  note(await checkImageUnchanged(image));
  return checks;
}

async function throughputStage(
  { screen, image }: Stage,
  machines: Pick<EnginesOptions, "first" | "failures" | "start">,
): Promise<Throughput> {
  screen.heading("Throughput");
  const throughput = await measureEngines({
    ...machines,
    measure: {
      imagePath: image.path,
      imageBytes: image.sizeBytes,
      fileDisk: IMAGE_DISC,
      memoryDisk: MEMORY_DISC,
    },
    onEngine: (engine) => screen.line(`  measuring the ${engine} engine ...`),
  });
  showThroughput(screen, throughput);
  return throughput;
}

function diskNamed(disks: readonly DiskInfo[], name: string): DiskInfo {
  const found = disks.find((disk) => disk.name === name);
  if (found !== undefined) return found;
  throw new CliError({ code: "ERR_DEMO_CHECK", message: `${name} was exported, but not found` });
}
