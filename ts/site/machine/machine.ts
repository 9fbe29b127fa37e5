// A whole machine: the bus, the endpoint in its thread, and the root complex here.

import {
  type Bus,
  createBus,
  type EndpointReport,
  type EngineChoice,
  type LinkFaults,
  type LinkFaultsReport,
  type RemoteDisk,
  RootComplex,
} from "blockpt";
import { type DiscSource, endpointMemoryBytesFor } from "../model/source.js";
import type { DiskBounds } from "../model/workload.js";
import type { EndpointSide } from "./endpoint-side.js";
import { callback, type RemoteObject, startRemote } from "./remote.js";

export interface MachineOptions {
  readonly source: DiscSource;
  /** What the disc is called. */
  readonly name: string;
  readonly engine: EngineChoice;
  readonly readOnly: boolean;
  /** Queues for workers; the page has one besides. */
  readonly workerQueues: number;
  /** Hears what both drivers say. */
  readonly log: (line: string) => void;
}

const HOST_MEMORY_BYTES = 128 * 1024 * 1024;
/** Of a queue with the most descriptors that can be chosen, and its doorbell. */
const QUEUE_BYTES = 32 * 1024;
const LEAST_BAR_BYTES = 128 * 1024;
const REST_OF_BAR_BYTES = 8 * 1024;

export class Machine {
  readonly bus: Bus;
  readonly options: MachineOptions;
  readonly #endpoint: RemoteObject<EndpointSide>;
  #rootComplex: RootComplex | undefined;
  #disk: RemoteDisk | undefined;

  private constructor(bus: Bus, endpoint: RemoteObject<EndpointSide>, options: MachineOptions) {
    this.bus = bus;
    this.options = options;
    this.#endpoint = endpoint;
  }

  /** Makes a bus and exports a disc on it. */
  static async export(options: MachineOptions): Promise<Machine> {
    const { source, name, readOnly, engine, log } = options;
    const queues = options.workerQueues + 1;
    const bus = await createBus({
      engine,
      hostMemoryBytes: HOST_MEMORY_BYTES,
      endpointMemoryBytes: endpointMemoryBytesFor(source),
      barBytes: barBytesFor(queues),
    });
    const endpoint = startRemote<EndpointSide>("./endpoint-worker.js", "endpoint");
    const order = { bus: bus.handle, source, name, readOnly, queues };
    try {
      await Promise.race([endpoint.object.export(order, callback(log)), endpoint.failure]);
    } catch (error) {
      endpoint.end();
      bus.close();
      throw error;
    }
    return new Machine(bus, endpoint, options);
  }

  /** The disk, while it is attached. */
  get disk(): RemoteDisk | undefined {
    return this.#disk;
  }

  /** What a workload has to go by; undefined while nothing is attached. */
  get bounds(): DiskBounds | undefined {
    if (this.#disk === undefined) return undefined;
    const { sizeBytes, readOnly, numDescriptors } = this.#disk;
    const { workerQueues } = this.options;
    return {
      sizeBytes,
      readOnly,
      numDescriptors,
      workerQueues,
      hostMemoryBytes: HOST_MEMORY_BYTES,
    };
  }

  async attach(numDescriptors: number): Promise<RemoteDisk> {
    this.#rootComplex ??= await RootComplex.probe(this.bus, { log: this.options.log });
    const queues = this.options.workerQueues + 1;
    this.#disk = await this.#rootComplex.attach(this.options.name, { numDescriptors, queues });
    return this.#disk;
  }

  async detach(): Promise<void> {
    await this.#rootComplex?.detach(this.options.name);
    this.#disk = undefined;
  }

  /** The root complex leaves the endpoint, so that another driver can have it. */
  async leave(): Promise<void> {
    await this.#rootComplex?.close();
    this.#rootComplex = undefined;
    this.#disk = undefined;
  }

  inspect(): Promise<EndpointReport> {
    return Promise.race([this.#endpoint.object.inspect(), this.#endpoint.failure]);
  }

  async setFaults(rules: readonly string[]): Promise<void> {
    await this.#endpoint.object.setFaults(rules);
  }

  async setLinkFaults(faults: LinkFaults): Promise<void> {
    await this.#endpoint.object.setLinkFaults(faults);
  }

  async kill(): Promise<void> {
    await this.#endpoint.object.kill();
  }

  async revive(): Promise<void> {
    await this.#endpoint.object.revive();
    await this.#disk?.whenOnline();
  }

  linkFaults(): Promise<LinkFaultsReport> {
    return this.#endpoint.object.linkFaults();
  }

  /** Takes everything down, in its order. */
  async close(): Promise<void> {
    try {
      await this.leave();
      await Promise.race([this.#endpoint.object.close(), this.#endpoint.failure]);
    } finally {
      this.#endpoint.end();
      this.bus.close();
    }
  }
}

/** The BAR has room for all queues, however many descriptors they are attached with. */
function barBytesFor(queues: number): number {
  const wanted = queues * QUEUE_BYTES + REST_OF_BAR_BYTES;
  return Math.max(LEAST_BAR_BYTES, 2 ** Math.ceil(Math.log2(wanted)));
}
