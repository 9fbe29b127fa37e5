// The bus: one shared memory that stands for the machine between the two sides.

import { DEFAULT_BAR_BYTES } from "../abi/layout.js";
import type { BusRange, Engine } from "../engine/engine.js";
import { PageAllocator, WORKSPACE_PAGE_BYTES } from "../engine/page-allocator.js";
import { HOST_PAGE_BYTES } from "../engine/records.js";
import {
  bufferOf,
  createMemory,
  type EngineChoice,
  type EngineMemory,
  openEngine,
} from "../engine/select.js";
import type { WasmSource } from "../engine/wasm/module.js";
import { BlockptError, checkInteger } from "../errors.js";
import { ConfigSpace } from "./config-space.js";
import { Iommu } from "./iommu.js";
import { type BusLayout, LARGE_PAGE_BYTES, layoutBus } from "./layout.js";
import { Msix } from "./msix.js";
import { Owners } from "./owners.js";

const DEFAULT_HOST_MEMORY_BYTES = 64 * 1024 * 1024;
const DEFAULT_ENDPOINT_MEMORY_BYTES = 1024 * 1024 * 1024;
const MAX_BAR_BYTES = 64 * 1024 * 1024;
/** A WebAssembly memory has at most 2^32 bytes. */
const MAX_BUS_BYTES = 2 ** 32 - LARGE_PAGE_BYTES;

/** What a bus is to be like. All sizes are in bytes; untouched memory costs nothing. */
export interface BusOptions {
  /** Host memory: what descriptors point into. A multiple of 4096. Default 64 MiB. */
  hostMemoryBytes?: number | undefined;
  /**
   * The endpoint's BAR. A power of two, to 64 MiB; an endpoint of 32 vectors needs 4096 bytes.
   * Default 128 KiB.
   */
  barBytes?: number | undefined;
  /** Room for memory discs. A multiple of 65536. Default 1 GiB. */
  endpointMemoryBytes?: number | undefined;
  /** Whether the endpoint reaches only the host memory that the root complex mapped. Default false. */
  iommu?: boolean | undefined;
  /** Which engine; by default what `BLOCKPT_ENGINE` says, else `auto`: wasm, or typescript where wasm does not load. */
  engine?: EngineChoice | undefined;
  /**
   * The module of the wasm engine, its bytes, or where it is (`blockpt/blockpt.wasm`), for bundlers that do not find it by
   * themselves. Default: `blockpt.wasm` beside the library's file.
   */
  wasm?: WasmSource | undefined;
}

/** What opens a bus in another thread; can be posted. */
export interface BusHandle {
  /** @internal */
  readonly memory: EngineMemory;
  /** @internal */
  readonly layout: BusLayout;
}

/**
 * One thread's view of a bus: the endpoint's BAR and the root complex's host
 * memory in one `SharedArrayBuffer`. A bus address is a byte offset in it.
 *
 * Made by {@link createBus} and {@link openBus}.
 */
export class Bus {
  /** Opens the same bus in another thread: post it there and call {@link openBus}. */
  readonly handle: BusHandle;
  /** Every byte of the bus. Does not move or grow. */
  readonly buffer: SharedArrayBuffer;
  /** The endpoint's BAR (protocol, section 2). */
  readonly bar: BusRange;
  /** The root complex's memory: what an endpoint may reach. */
  readonly hostMemory: BusRange;
  /** The endpoint's memory: where memory discs are. */
  readonly endpointMemory: BusRange;
  /** This thread's engine. */
  readonly engine: Engine;
  /** The function's PCI configuration space. */
  readonly configSpace: ConfigSpace;
  /** The function's MSI-X vectors. */
  readonly msix: Msix;
  /** The IOMMU, if the bus has one. */
  readonly iommu: Iommu | undefined;
  /** @internal Pages of host memory. */
  readonly hostPages: PageAllocator;
  /** @internal Pages of endpoint memory. */
  readonly endpointPages: PageAllocator;

  /** @internal The number of this thread's view: whose its pages are. */
  readonly owner: number;
  /** @internal The numbers of all views. */
  readonly owners: Owners;
  readonly #isGuest: boolean;
  #closed = false;

  /** @internal @param owner - a number that somebody else has claimed, and gives back */
  constructor(handle: BusHandle, owner?: number | undefined) {
    const { layout, memory } = handle;
    this.handle = handle;
    this.buffer = bufferOf(memory);
    this.owners = new Owners(this.buffer, layout.ownersTable);
    this.#isGuest = owner !== undefined;
    this.owner = owner ?? this.owners.claim();
    this.bar = layout.bar;
    this.hostMemory = layout.hostMemory;
    this.endpointMemory = layout.endpointMemory;
    try {
      this.engine = openEngine(memory, layout.workspace, layout.workspaceTable, this.owner);
    } catch (error) {
      if (!this.#isGuest) this.owners.release(this.owner);
      throw error;
    }
    this.configSpace = new ConfigSpace(this.buffer, layout.configSpace);
    this.iommu =
      layout.iommuTable === 0
        ? undefined
        : new Iommu(this.buffer, layout.iommuTable, layout.hostMemory);
    this.msix = new Msix(this.buffer, this.configSpace, layout.hostMemory, this.iommu);
    this.hostPages = this.#hostPagesOf(this.owner);
    // Discs may outlive the thread that made them.
    this.endpointPages = new PageAllocator(
      this.buffer,
      layout.endpointTable,
      layout.endpointMemory,
      LARGE_PAGE_BYTES,
      0,
    );
  }

  /** A view of the BAR. */
  barView(): DataView {
    return new DataView(this.buffer, this.bar.offset, this.bar.length);
  }

  /**
   * Gives back what this thread's engine takes of the bus. The bus itself lives
   * as long as somebody has its buffer; this view of it is of no more use.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.engine.close();
    // With a page that is still in use the number stays taken.
    if (!this.#isGuest && !this.hostPages.holdsAny()) this.owners.release(this.owner);
  }

  /** @internal Gives back what a thread held that has ended, and its number. */
  reclaim(owner: number): void {
    const { layout } = this.handle;
    const workspace = new PageAllocator(
      this.buffer,
      layout.workspaceTable,
      layout.workspace,
      WORKSPACE_PAGE_BYTES,
      owner,
    );
    workspace.reclaim(() => {});
    this.#hostPagesOf(owner).reclaim((page) => this.iommu?.unmapAll(page));
    this.owners.release(owner);
  }

  #hostPagesOf(owner: number): PageAllocator {
    const { hostTable, hostMemory } = this.handle.layout;
    return new PageAllocator(this.buffer, hostTable, hostMemory, HOST_PAGE_BYTES, owner);
  }
}

/**
 * Makes a bus.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if a size is out of
 * its range; `ERR_BLOCKPT_ENGINE` if the engine that was asked for does not load; `ERR_BLOCKPT_NOT_ISOLATED` in a
 * page that may not share memory with its workers: the message says which headers it has to come with
 *
 * @example
 * ```ts
 * import { createBus } from "blockpt";
 *
 * const bus = await createBus({ hostMemoryBytes: 16 * 1024 * 1024 });
 * console.log(bus.bar.length); // 131072
 * ```
 */
export async function createBus(options: BusOptions = {}): Promise<Bus> {
  const {
    hostMemoryBytes = DEFAULT_HOST_MEMORY_BYTES,
    barBytes = DEFAULT_BAR_BYTES,
    endpointMemoryBytes = DEFAULT_ENDPOINT_MEMORY_BYTES,
    iommu = false,
    engine,
    wasm,
  } = options;
  checkSize("hostMemoryBytes", hostMemoryBytes, HOST_PAGE_BYTES);
  checkSize("endpointMemoryBytes", endpointMemoryBytes, LARGE_PAGE_BYTES);
  checkInteger("barBytes", barBytes, 16, MAX_BAR_BYTES);
  if ((barBytes & (barBytes - 1)) !== 0) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `barBytes is ${barBytes}: a BAR is a power of two`,
    );
  }
  const layout = layoutBus(hostMemoryBytes, barBytes, endpointMemoryBytes, iommu);
  if (layout.bytes > MAX_BUS_BYTES) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `hostMemoryBytes and endpointMemoryBytes make a bus of ${layout.bytes} bytes: ` +
        `at most ${MAX_BUS_BYTES} are possible`,
    );
  }
  const bus = new Bus({ memory: await createMemory(engine, layout.bytes, wasm), layout });
  bus.configSpace.linkDown();
  return bus;
}

/**
 * Opens a bus that another thread made.
 *
 * @param handle - `bus.handle`, posted here
 * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SPACE` if more than some 1000 threads and queues are open on the bus
 *
 * @example
 * ```ts
 * import { once } from "node:events";
 * import { Worker } from "node:worker_threads";
 * import { createBus, Endpoint, MemoryDisc } from "blockpt";
 *
 * // The root complex in a thread of its own, the endpoint in this one.
 * const driver = `
 *   import { parentPort, workerData } from "node:worker_threads";
 *   const { openBus, RootComplex } = await import(workerData.blockpt);
 *   const rc = await RootComplex.probe(openBus(workerData.bus));
 *   const disk = await rc.attach("ram0");
 *   parentPort.postMessage(disk.sectors);
 *   await rc.close();`;
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
 * await endpoint.start();
 *
 * const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(driver)}`), {
 *   workerData: { bus: bus.handle, blockpt: import.meta.resolve("blockpt") },
 * });
 * const [sectors] = await once(worker, "message");
 * console.log(sectors); // 2048
 * await once(worker, "exit");
 * await endpoint.close();
 * ```
 */
export function openBus(handle: BusHandle): Bus {
  return new Bus(handle);
}

/** @internal Opens a bus for a thread whose end another one sees to: its pages are `owner`'s. */
export function openBusAs(handle: BusHandle, owner: number): Bus {
  return new Bus(handle, owner);
}

function checkSize(what: string, bytes: number, unit: number): void {
  checkInteger(what, bytes, unit, MAX_BUS_BYTES);
  if (bytes % unit !== 0) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `${what} is ${bytes}: a multiple of ${unit} is wanted`,
    );
  }
}
