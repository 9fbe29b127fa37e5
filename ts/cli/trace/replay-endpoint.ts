// The recorded endpoint once more, against the library's root complex: the same requests, and the answers in the order
// in which they came, with the statuses that they had.

import {
  type BatchQueue,
  type Bus,
  createBus,
  Endpoint,
  openBatchQueue,
  type ReplayAnswer,
  ReplayDisc,
  RootComplex,
  type TraceDescriptor,
  type TraceScript,
  type TraceScriptDisc,
} from "blockpt";
import { DescriptorFlag, Operation, SECTOR_BYTES } from "blockpt/abi";
import type { Cleanup } from "../cleanup.js";
import { CliError, failureOf } from "../failure.js";
import { Outcome } from "./outcome.js";
import { Pace, settle } from "./pace.js";
import type { ReplayOptions } from "./replay-root-complex.js";

const BUFFER_BYTES = 1024 * 1024;
const SPARE_BYTES = 4 * 1024 * 1024;
/** Of a queue with that many descriptors, its rings and its doorbell. */
const DESCRIPTORS = 1024;
const QUEUE_BYTES = 32 * 1024;

export async function replayEndpoint(
  script: TraceScript,
  { engine, timing }: ReplayOptions,
  cleanup: Cleanup,
): Promise<Outcome> {
  const requests = script.steps.filter((step) => step.event === "descriptor");
  const discs = script.discs.filter(({ name }) => requests.some(({ disc }) => disc === name));
  const queues = 1 + Math.max(0, ...requests.map(({ queue }) => queue));
  const count = Math.max(1, discs.length * (queues + 1));
  const bus = await createBus({
    engine,
    hostMemoryBytes: count * BUFFER_BYTES + SPARE_BYTES,
    barBytes: 2 ** Math.ceil(Math.log2(count * QUEUE_BYTES + 64 * 1024)),
  });
  const msixInterrupts = Math.min(2048, count + discs.length + 1);
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", msixInterrupts });
  cleanup.add(() => endpoint.close());
  for (const disc of discs) {
    const answers = answersOf(script, disc, timing === "recorded");
    const { name: discName, sizeBytes, readOnly } = disc;
    const made = ReplayDisc.create({ sizeBytes, readOnly, answers });
    // Its first queue is the disk's own, which merges: each recorded one gets another.
    await endpoint.exportDisc(discName, made, { discName, queues: queues + 1 });
  }
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  cleanup.add(() => rc.close().catch(() => undefined));
  return drive(bus, rc, script, discs, queues, new Pace(timing, script.steps[0]?.timeUs ?? 0));
}

/** A queue that is driven, and what is in flight on it by its tag. */
class Lane {
  readonly #queue: BatchQueue;
  readonly #buffer: Uint8Array;
  readonly #outcome: Outcome;
  readonly #script: TraceScript;
  readonly #requests = new Map<number, TraceDescriptor>();
  #nextTag = 0;
  /** Requests that had not ended in the trace. */
  recorded = 0;

  constructor(queue: BatchQueue, outcome: Outcome, script: TraceScript) {
    this.#queue = queue;
    this.#buffer = queue.allocate(BUFFER_BYTES);
    this.#outcome = outcome;
    this.#script = script;
  }

  get inFlight(): number {
    return this.#queue.inFlight;
  }

  get hasRoom(): boolean {
    return this.#queue.available > 0;
  }

  /** One that no driver of the library makes is left out. */
  put(request: TraceDescriptor): void {
    const { opf, startSector, lenBytes, flagBits } = request;
    const tag = this.#nextTag++;
    const movesData = opf === Operation.READ || opf === Operation.WRITE;
    const address = movesData ? this.#buffer.byteOffset : 0;
    const flags = flagBits & DescriptorFlag.FUA;
    try {
      this.#queue.put(opf, Number(startSector) * SECTOR_BYTES, lenBytes, address, tag, flags);
    } catch (error) {
      if (!failureOf(error).code.startsWith("ERR_BLOCKPT_")) throw error;
      this.#outcome.compareRequest(request, undefined, undefined);
      return;
    }
    this.#requests.set(tag, request);
    this.#queue.submit();
  }

  reap(): number {
    const count = this.#queue.reap();
    for (let index = 0; index < count; index++) {
      const tag = this.#queue.tag(index);
      const request = this.#requests.get(tag) as TraceDescriptor;
      this.#requests.delete(tag);
      const status = this.#queue.status(index);
      this.#outcome.compareRequest(request, this.#script.ends.get(request), status);
    }
    return count;
  }

  close(): void {
    for (const request of this.#requests.values()) {
      this.#outcome.compareRequest(request, this.#script.ends.get(request), undefined);
    }
    if (this.#requests.size === 0) this.#queue.close();
  }
}

async function drive(
  bus: Bus,
  rc: RootComplex,
  script: TraceScript,
  discs: readonly TraceScriptDisc[],
  queues: number,
  pace: Pace,
): Promise<Outcome> {
  const outcome = new Outcome();
  const lanes = new Map<string, Lane>();
  for (const { name } of discs) {
    const disk = await rc.attach(name, { queues: queues + 1, numDescriptors: DESCRIPTORS });
    for (let queue = 0; queue < queues; queue++) {
      const opened = openBatchQueue(bus, disk.openQueue());
      lanes.set(`${name} ${queue}`, new Lane(opened, outcome, script));
    }
  }
  for (const step of script.steps) {
    if (step.event === "command") continue;
    const lane = lanes.get(`${step.disc} ${step.queue}`);
    if (lane === undefined) {
      const message = `${step.disc} is in no list of GET_DEVICES that was recorded`;
      throw new CliError({ code: "ERR_TRACE_REPLAY", message });
    }
    if (step.event === "completion") {
      lane.recorded = Math.max(0, lane.recorded - 1);
      continue;
    }
    await pace.reach(step.timeUs);
    await settle(
      () => lane.reap(),
      () => lane.inFlight <= lane.recorded && lane.hasRoom,
    );
    if (lane.hasRoom) lane.put(step);
    lane.recorded++;
  }
  for (const lane of lanes.values()) {
    await settle(
      () => lane.reap(),
      () => lane.inFlight === 0,
    );
    lane.close();
  }
  return outcome;
}

/** What a disc answered, each behind the one that came before it on its queue. */
function answersOf(
  script: TraceScript,
  { name }: TraceScriptDisc,
  delays: boolean,
): ReplayAnswer[] {
  const asked = new Map([...script.ends].map(([request, end]) => [end, request]));
  const answers: ReplayAnswer[] = [];
  const last = new Map<number, number>();
  for (const step of script.steps) {
    if (step.event !== "completion" || step.disc !== name) continue;
    const request = asked.get(step);
    if (request === undefined || step.blkStatus === undefined) continue;
    answers.push({
      opf: request.opf,
      startSector: Number(request.startSector),
      lenBytes: request.lenBytes,
      status: step.blkStatus,
      delayUs: delays ? Math.round(Math.max(0, step.timeUs - request.timeUs)) : 0,
      after: last.get(step.queue),
    });
    last.set(step.queue, answers.length - 1);
  }
  return answers;
}
