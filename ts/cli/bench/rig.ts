// What jobs run on: for each engine one bus, whose endpoint exports every disc that some job wants, and whose root
// complex has attached them with as many queues. Jobs of one engine share it, as every engine that a thread
// has makes the calls of all of them slower.

import { once } from "node:events";
import { closeSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import {
  type Bus,
  createBus,
  type Disc,
  Endpoint,
  type EngineKind,
  FileDisc,
  MemoryDisc,
  NullDisc,
  type RemoteDisk,
  RootComplex,
} from "blockpt";
import type { Cleanup } from "../cleanup.js";
import { CliError, type Failure } from "../failure.js";
import { parseSize } from "../sizes.js";
import { type Job, readShare } from "./job.js";
import { copyLimit, fileLimit, type Limit } from "./limit.js";
import { type Latencies, type LoadOptions, openLoad, type Work } from "./load.js";
import type { LoadOrder, LoadWorkerData } from "./load-worker.js";
import { placesOf } from "./places.js";

const MIB = 1024 * 1024;
const LEAST_DESCRIPTORS = 64;
const MOST_DESCRIPTORS = 1024;
const MOST_VECTORS = 2048;
/** Of a queue with that many descriptors, its rings and its doorbell. */
const QUEUE_BYTES = 32 * 1024;
const SPARE_BYTES = 4 * MIB;

/** A kind of disc, by what stands before the colon. */
export type DiscKind = "memory" | "null" | "file" | "path";

/** What a disc's name says: `memory:64M`, `null:1T`, `file:64M` or a path. */
export function discOf(name: string): { kind: DiscKind; sizeBytes: number } {
  const [, kind = "path", size = ""] = /^(memory|null|file):(.*)$/.exec(name) ?? [];
  const sizeBytes = kind === "path" ? 0 : parseSize(size);
  if (sizeBytes === undefined) {
    const message = `${name} has no size: memory:64M, null:1G, file:64M or a path is wanted`;
    throw new CliError({ code: "ERR_BENCH_DISC", message });
  }
  return { kind: kind as DiscKind, sizeBytes };
}

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
export async function openRig(jobs: readonly Job[], cleanup: Cleanup): Promise<Measurable[]> {
  const files = new Map<string, string>();
  const machines = new Map<EngineKind, Machine>();
  // Its copy is the limit, whoever is measured.
  const engines = new Set<EngineKind>(["wasm", ...jobs.map(({ engine }) => engine)]);
  for (const engine of engines) {
    machines.set(engine, await openMachine(engine, jobs, files, cleanup));
  }
  const wasm = machines.get("wasm") as Machine;
  return jobs.map((job) =>
    measurableOf(job, machines.get(job.engine) as Machine, wasm, cleanup, files),
  );
}

async function openMachine(
  engine: EngineKind,
  jobs: readonly Job[],
  files: Map<string, string>,
  cleanup: Cleanup,
): Promise<Machine> {
  const most = (value: (job: Job) => number): number => Math.max(...jobs.map(value));
  const exported = new Map(jobs.map((job) => [keyOf(job), job]));
  const queues = most((job) => job.queues) + 1;
  const numDescriptors = descriptorsFor(most((job) => job.depth));
  let memoryBytes = 0;
  for (const job of exported.values()) {
    const { kind, sizeBytes } = discOf(job.disc);
    if (kind === "memory") memoryBytes += sizeBytes;
  }
  const bus = await createBus({
    engine,
    hostMemoryBytes: 2 * most((job) => job.depth * job.queues * job.blockBytes) + SPARE_BYTES,
    endpointMemoryBytes: memoryBytes + MIB,
    barBytes: 2 ** Math.ceil(Math.log2(exported.size * queues * QUEUE_BYTES + 64 * 1024)),
  });
  const msixInterrupts = Math.min(MOST_VECTORS, exported.size * (queues + 1) + 1);
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", msixInterrupts });
  cleanup.add(() => endpoint.close());
  const opened = new Map<string, Disc>();
  for (const [key, job] of exported) {
    const disc = await openDisc(bus, job.disc, files, cleanup);
    await endpoint.exportDisc(key, disc, { queues, dma: job.dma, discName: deviceOf(opened.size) });
    opened.set(key, disc);
  }
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const discs = new Map<string, Attached>();
  for (const [key, disc] of opened) {
    const disk = await rc.attach(deviceOf(discs.size), { queues, numDescriptors });
    discs.set(key, { disc, disk });
  }
  const workers = await startWorkers(bus, queues - 1, cleanup);
  return { bus, discs, workers };
}

/** What one bus exports once: a disc, with DMA or without. */
function keyOf({ disc, dma }: Job): string {
  return `${disc}, ${dma ? "DMA" : "PIO"}`;
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

async function openDisc(
  bus: Bus,
  name: string,
  files: Map<string, string>,
  cleanup: Cleanup,
): Promise<Disc> {
  const { kind, sizeBytes } = discOf(name);
  if (kind === "null") return NullDisc.create(sizeBytes);
  if (kind === "memory") {
    const disc = MemoryDisc.create(bus, sizeBytes);
    new Uint8Array(bus.buffer, disc.busRange.offset, sizeBytes).set(contentOf(sizeBytes));
    return disc;
  }
  return FileDisc.open(pathOf(name, files, cleanup));
}

/** The path of a disc in a file: one of `file:SIZE` is made, and goes when the benchmark does. */
function pathOf(name: string, files: Map<string, string>, cleanup: Cleanup): string {
  const { kind, sizeBytes } = discOf(name);
  if (kind !== "file") return name;
  let path = files.get(name);
  if (path === undefined) {
    path = join(tmpdir(), `blockpt-bench-${process.pid}-${files.size}.img`);
    const made = path;
    cleanup.add(() => rmSync(made, { force: true }));
    // Written, it is in the page cache.
    writeFileSync(path, contentOf(sizeBytes));
    files.set(name, path);
  }
  return path;
}

/** Bytes of which no page is zero: no host keeps one page for all of them. */
function contentOf(sizeBytes: number): Uint8Array {
  const words = new Uint32Array(sizeBytes / 4);
  let state = 1;
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

function measurableOf(
  job: Job,
  machine: Machine,
  wasm: Machine,
  cleanup: Cleanup,
  files: Map<string, string>,
): Measurable {
  const { disk } = machine.discs.get(keyOf(job)) as Attached;
  const optionsOf = (queue: number): LoadOptions => ({
    api: job.api,
    depth: job.depth,
    blockBytes: job.blockBytes,
    places: placesOf(job, disk.sizeBytes, queue),
  });
  const limit = limitOf(job, wasm, cleanup, files);
  if (job.queues > 1) {
    const options = Array.from({ length: job.queues }, (_, queue) => optionsOf(queue));
    const run = (milliseconds: number): Promise<Work> =>
      runInThreads(machine.workers, disk, options, milliseconds);
    return { job, run, time: undefined, limit };
  }
  const options = optionsOf(0);
  const time = async (milliseconds: number, latencies?: Latencies): Promise<Work> => {
    const handle = job.api === "batch" ? disk.openQueue() : undefined;
    const load = openLoad(machine.bus, disk, handle, options);
    try {
      return await load.run(milliseconds, latencies);
    } finally {
      load.close();
    }
  };
  return { job, run: time, time, limit };
}

function limitOf(
  job: Job,
  wasm: Machine,
  cleanup: Cleanup,
  files: Map<string, string>,
): Limit | undefined {
  const { kind } = discOf(job.disc);
  const { disc, disk } = wasm.discs.get(keyOf(job)) as Attached;
  const places = placesOf({ ...job, queues: 1 }, disc.sizeBytes, 0);
  if (kind === "null") return undefined;
  if (disc.busRange !== undefined) {
    return copyLimit(wasm.bus, disk, disc.busRange.offset, job, places);
  }
  const fd = openSync(pathOf(job.disc, files, cleanup), readShare(job) === 1 ? "r" : "r+");
  cleanup.add(() => closeSync(fd));
  return fileLimit(fd, job, places);
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
  const requests = works.reduce((sum, work) => sum + work.requests, 0);
  const longest = Math.max(...works.map((work) => work.milliseconds));
  return { requests, milliseconds: longest };
}
