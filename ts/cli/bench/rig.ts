// What jobs run on: for each engine one bus, whose endpoint exports every disc that some job wants, and whose root
// complex has attached them with as many queues. Jobs of one engine share it, as every engine that a thread
// has makes the calls of all of them slower.

import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { Worker } from "node:worker_threads";
import {
  type Bus,
  type BusRange,
  createBus,
  type Disc,
  Endpoint,
  type EngineKind,
  type RemoteDisk,
  RootComplex,
} from "blockpt";
import {
  type Latencies,
  type Load,
  type LoadOptions,
  openLoad,
  type Work,
} from "../../workload/load.js";
import { readShare } from "../../workload/pattern.js";
import { placesOf } from "../../workload/places.js";
import type { Cleanup } from "../cleanup.js";
import { CliError, type Failure } from "../failure.js";
import type { Recording } from "../trace/recording.js";
import { DiscFiles, discOf, openDisc } from "./discs.js";
import type { Job } from "./job.js";
import { copyLimit, fileLimit, type Limit, type Target } from "./limit.js";
import type { LoadOrder, LoadWorkerData } from "./load-worker.js";

const MIB = 1024 * 1024;
const LEAST_DESCRIPTORS = 64;
const MOST_DESCRIPTORS = 1024;
const MOST_VECTORS = 2048;
/** Of a queue with that many descriptors, its rings and its doorbell. */
const QUEUE_BYTES = 32 * 1024;
const SPARE_BYTES = 4 * MIB;

/** What is measured: the job, or what the machine does at best in its place. */
export interface Measurable {
  readonly job: Job;
  /** Requests a second. */
  run(milliseconds: number): Promise<Work>;
  /** The same with every request timed; undefined where threads of their own drive the queues. */
  time: ((milliseconds: number, latencies: Latencies) => Promise<Work>) | undefined;
  /** Undefined for a disc that moves nothing. */
  readonly limit: Limit | undefined;
}

/** A disc of a bus: exported, and attached. */
interface Attached {
  readonly disc: Disc;
  readonly disk: RemoteDisk;
}

/** One bus, and what is on it. */
interface Machine {
  readonly bus: Bus;
  readonly discs: ReadonlyMap<string, Attached>;
  readonly workers: readonly Worker[];
}

/** Makes everything that the jobs need; the cleanup takes it away. */
export async function openRig(
  jobs: readonly Job[],
  cleanup: Cleanup,
  recording?: Recording,
): Promise<Measurable[]> {
  const files = new DiscFiles(cleanup);
  const machines = new Map<EngineKind, Machine>();
  // Its copy is the limit, whoever is measured.
  const engines = new Set<EngineKind>(["wasm", ...jobs.map(({ engine }) => engine)]);
  for (const engine of engines) {
    const recorded = jobs.some((job) => job.engine === engine) ? recording : undefined;
    machines.set(engine, await openMachine(engine, jobs, files, cleanup, recorded));
  }
  const wasm = machines.get("wasm") as Machine;
  return jobs.map((job) =>
    measurableOf(job, machines.get(job.engine) as Machine, wasm, cleanup, files),
  );
}

async function openMachine(
  engine: EngineKind,
  jobs: readonly Job[],
  files: DiscFiles,
  cleanup: Cleanup,
  recording: Recording,
): Promise<Machine> {
  const most = (value: (job: Job) => number): number => Math.max(...jobs.map(value));
  const exported = new Map(
    jobs.flatMap((job) => numbersOf(job).map((number) => [keyOf(job, number), { job, number }])),
  );
  const queues = most((job) => job.queues) + 1;
  const numDescriptors = descriptorsFor(most((job) => job.depth));
  let memoryBytes = 0;
  for (const { job } of exported.values()) {
    const { kind, sizeBytes } = discOf(job.disc);
    if (kind === "memory") memoryBytes += sizeBytes;
  }
  const bus = await createBus({
    engine,
    hostMemoryBytes: 2 * most(bytesInFlight) + SPARE_BYTES,
    endpointMemoryBytes: memoryBytes + MIB,
    barBytes: 2 ** Math.ceil(Math.log2(exported.size * queues * QUEUE_BYTES + 64 * 1024)),
  });
  const msixInterrupts = Math.min(MOST_VECTORS, exported.size * (queues + 1) + 1);
  const trace = recording?.(bus);
  const controller = "44100000.pcie";
  const endpoint = await Endpoint.create(bus, { controller, msixInterrupts, trace });
  cleanup.add(() => endpoint.close());
  const opened = new Map<string, Disc>();
  for (const [key, { job, number }] of exported) {
    const disc = await openDisc(bus, job.disc, number, files);
    await endpoint.exportDisc(key, disc, { queues, dma: job.dma, discName: deviceOf(opened.size) });
    opened.set(key, disc);
  }
  await endpoint.start();
  const rc = await RootComplex.probe(bus, { trace });
  const discs = new Map<string, Attached>();
  for (const [key, disc] of opened) {
    const disk = await rc.attach(deviceOf(discs.size), { queues, numDescriptors });
    discs.set(key, { disc, disk });
  }
  const workers = await startWorkers(bus, queues - 1, cleanup);
  return { bus, discs, workers };
}

/** The discs of a job, counted. */
function numbersOf({ discs }: Job): number[] {
  return Array.from({ length: discs }, (_, number) => number);
}

/** What one bus exports once: a disc, with DMA or without. */
function keyOf({ disc, dma }: Job, number: number): string {
  return `${disc}, ${dma ? "DMA" : "PIO"}, ${number}`;
}

function attachedOf(job: Job, { discs }: Machine): Attached[] {
  return numbersOf(job).map((number) => discs.get(keyOf(job, number)) as Attached);
}

function bytesInFlight({ depth, queues, discs, blockBytes }: Job): number {
  return depth * queues * discs * blockBytes;
}

/** What the root complex sees the disc of a number as: paths need not fit. */
function deviceOf(index: number): string {
  return `/dev/d${index}`;
}

function descriptorsFor(depth: number): number {
  const wanted = 2 ** Math.ceil(Math.log2(depth + 1));
  return Math.min(MOST_DESCRIPTORS, Math.max(LEAST_DESCRIPTORS, wanted));
}

/** Threads for jobs of several queues; none if there are no such jobs. */
async function startWorkers(bus: Bus, queues: number, cleanup: Cleanup): Promise<Worker[]> {
  if (queues === 1) return [];
  const workerData: LoadWorkerData = { bus: bus.handle };
  const workers = Array.from(
    { length: queues },
    () => new Worker(new URL("./bench-load.js", import.meta.url), { workerData, execArgv: [] }),
  );
  cleanup.add(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
  await Promise.all(workers.map((worker) => once(worker, "online")));
  return workers;
}

function measurableOf(
  job: Job,
  machine: Machine,
  wasm: Machine,
  cleanup: Cleanup,
  files: DiscFiles,
): Measurable {
  const attached = attachedOf(job, machine);
  const [{ disk }] = attached as [Attached];
  const optionsOf = (lane: number): LoadOptions => ({
    api: job.api,
    depth: job.depth,
    blockBytes: job.blockBytes,
    places: placesOf(job, disk.sizeBytes, lane),
  });
  const limit = limitOf(job, wasm, cleanup, files);
  if (job.queues > 1) {
    const options = Array.from({ length: job.queues }, (_, queue) => optionsOf(queue));
    const run = (milliseconds: number): Promise<Work> =>
      runInThreads(machine.workers, disk, options, milliseconds);
    return { job, run, time: undefined, limit };
  }
  const options = numbersOf(job).map(optionsOf);
  const time = async (milliseconds: number, latencies?: Latencies): Promise<Work> => {
    const loads: Load[] = [];
    try {
      for (const [number, { disk }] of attached.entries()) {
        const handle = job.api === "batch" ? disk.openQueue() : undefined;
        loads.push(openLoad(machine.bus, disk, handle, options[number] as LoadOptions));
      }
      return together(await Promise.all(loads.map((load) => load.run(milliseconds, latencies))));
    } finally {
      for (const load of loads) load.close();
    }
  };
  return { job, run: time, time, limit };
}

function limitOf(job: Job, wasm: Machine, cleanup: Cleanup, files: DiscFiles): Limit | undefined {
  const { kind } = discOf(job.disc);
  if (kind === "null") return undefined;
  const attached = attachedOf(job, wasm);
  const targetsAt = (at: (disc: Disc, number: number) => number): Target[] =>
    attached.map(({ disc }, number) => ({
      at: at(disc, number),
      places: placesOf({ ...job, queues: 1 }, disc.sizeBytes, number),
    }));
  if (kind === "memory") {
    const [{ disk }] = attached as [Attached];
    const targets = targetsAt(({ busRange }) => (busRange as BusRange).offset);
    return copyLimit(wasm.bus, disk, targets, job);
  }
  const mode = readShare(job) === 1 ? "r" : "r+";
  const targets = targetsAt((_, number) => {
    const fd = openSync(files.pathOf(job.disc, number), mode);
    cleanup.add(() => closeSync(fd));
    return fd;
  });
  return fileLimit(targets, job);
}

async function runInThreads(
  workers: readonly Worker[],
  disk: RemoteDisk,
  options: readonly LoadOptions[],
  milliseconds: number,
): Promise<Work> {
  const works = await Promise.all(
    options.map(async (each, index) => {
      const worker = workers[index] as Worker;
      const order: LoadOrder = { handle: disk.openQueue(), options: each, milliseconds };
      worker.postMessage(order);
      const [answer] = (await once(worker, "message")) as [{ work?: Work; failure?: Failure }];
      if (answer.work === undefined) throw new CliError(answer.failure as Failure);
      return answer.work;
    }),
  );
  return together(works);
}

/** What was done at the same time. */
function together(works: readonly Work[]): Work {
  const requests = works.reduce((sum, work) => sum + work.requests, 0);
  const longest = Math.max(...works.map((work) => work.milliseconds));
  return { requests, milliseconds: longest };
}
