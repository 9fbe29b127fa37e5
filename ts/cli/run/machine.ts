// The machine that `blockpt run` keeps: a bus, and both of its sides as a config tree.

import {
  applyDocument,
  BlockptError,
  type Bus,
  type BusOptions,
  ConfigTree,
  createBus,
  DocumentError,
  dumpDocument,
} from "blockpt";
import { CONFIG_ERROR } from "../config-file/config-file.js";
import type { BusDocument, MachineDocument } from "../config-file/schema.js";
import type { MachineReport } from "../control/protocol.js";
import { failureOf } from "../failure.js";
import type { Recording } from "../trace/recording.js";
import type { Plan } from "./plan.js";

/** What stands at keys of a document could not be so. */
export class PlacedError extends Error {
  override readonly name = "PlacedError";
  readonly keys: readonly string[];
  readonly code: string;

  constructor(keys: readonly string[], code: string, message: string) {
    super(message);
    this.keys = keys;
    this.code = code;
  }
}

const PCI_REMOTE_DISK = "/sys/kernel/config/pci_remote_disk";

/** What the library calls the sizes of a bus, and what the config file does. */
const BUS_OPTIONS = {
  host_memory_bytes: "hostMemoryBytes",
  bar_bytes: "barBytes",
  endpoint_memory_bytes: "endpointMemoryBytes",
  iommu: "iommu",
  engine: "engine",
} as const satisfies Record<keyof BusDocument, keyof BusOptions>;

export class Machine {
  readonly tree: ConfigTree;
  readonly #bus: Bus;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(bus: Bus, tree: ConfigTree) {
    this.#bus = bus;
    this.tree = tree;
  }

  /** Makes the bus, and the tree with nothing in it; throws a `PlacedError` for a bus that cannot be. */
  static async create(
    { bus: wanted, controller }: Pick<Plan, "bus" | "controller">,
    log: (line: string) => void,
    recording?: Recording,
  ): Promise<Machine> {
    const bus = await makeBus(wanted);
    const trace = recording?.(bus);
    return new Machine(bus, ConfigTree.create(bus, { controller, trace, log }));
  }

  /** Does what the plan says; throws a `PlacedError`, and has then done a part of it. */
  async carryOut({ document, attach }: Pick<Plan, "document" | "attach">): Promise<void> {
    await this.apply(document);
    if (!this.tree.driverLoaded) await this.tree.loadDriver();
    const { endpoint } = this.tree;
    const names = attach === "all" ? (endpoint?.exports ?? []) : attach;
    for (const name of endpoint?.started ? names : []) {
      await this.#attach(name).catch((error: unknown) => {
        if (!(error instanceof PlacedError)) throw error;
        const pciFunction = document.controllers?.[this.tree.controller]?.function ?? "";
        throw new PlacedError(["functions", pciFunction, "discs", name], error.code, error.message);
      });
    }
  }

  /** Brings the machine into a state; gives the paths that were changed. One at a time. */
  apply(document: MachineDocument): Promise<string[]> {
    const result = this.#last.then(async () => {
      const { bus = {}, ...rest } = document;
      this.#checkBus(bus);
      return placed(() => applyDocument(this.tree, rest));
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** The state as a document, the bus included. */
  async dump(): Promise<MachineDocument> {
    return { bus: this.#busDocument, ...(await dumpDocument(this.tree)) };
  }

  /** What the endpoint says of itself. */
  report(): MachineReport {
    return {
      pid: process.pid,
      atMs: performance.now(),
      engine: this.#bus.engine.kind,
      controller: this.tree.controller,
      endpoint: this.tree.endpoint?.inspect(),
      disks: this.disks,
    };
  }

  /** The attached disks. */
  get disks(): MachineReport["disks"] {
    const disks = this.tree.rootComplex?.disks ?? [];
    return disks.map(({ name, localName, sizeBytes, sectors, readOnly, numDescriptors }) => ({
      ...{ name, localName, sizeBytes, sectors, readOnly, numDescriptors },
    }));
  }

  /** Detaches every disk, takes the link down, and ends the threads. */
  async close(): Promise<void> {
    try {
      await this.tree.close();
    } finally {
      // Also where a disk could not be detached: its threads would keep the process alive.
      await this.tree.endpoint?.close();
      this.#bus.close();
    }
  }

  async #attach(name: string): Promise<void> {
    const device = this.tree.endpoint?.exported(name).discName;
    for (const directory of await this.tree.readdir(PCI_REMOTE_DISK)) {
      const remote = await this.tree.readFile(
        `${PCI_REMOTE_DISK}/${directory}/remote_name`,
        "utf8",
      );
      if (remote.replace(/\n$/, "") !== device) continue;
      await this.apply({ remote_disks: { [directory]: { attach: true } } });
    }
  }

  get #busDocument(): Required<BusDocument> {
    const bus = this.#bus;
    return {
      host_memory_bytes: bus.hostMemory.length,
      bar_bytes: bus.bar.length,
      endpoint_memory_bytes: bus.endpointMemory.length,
      iommu: bus.iommu !== undefined,
      engine: bus.engine.kind,
    };
  }

  /** A bus is what it was made as. */
  #checkBus(wanted: BusDocument): void {
    const actual = this.#busDocument;
    for (const key of Object.keys(wanted) as (keyof BusDocument)[]) {
      if (wanted[key] === actual[key] || wanted[key] === "auto") continue;
      const why = `it is ${actual[key]}, and cannot change while the machine runs: start another one`;
      throw new PlacedError(["bus", key], CONFIG_ERROR, why);
    }
  }
}

async function makeBus(wanted: BusDocument): Promise<Bus> {
  const options = Object.entries(BUS_OPTIONS).map(([key, option]) => [
    option,
    wanted[key as keyof BusDocument],
  ]);
  try {
    return await createBus(Object.fromEntries(options) as BusOptions);
  } catch (error) {
    if (!(error instanceof BlockptError)) throw error;
    const found = Object.entries(BUS_OPTIONS).find(([, name]) => error.message.startsWith(name));
    const message = Object.entries(BUS_OPTIONS).reduce(
      (text, [key, name]) => text.replaceAll(name, key),
      error.message,
    );
    throw new PlacedError(found ? ["bus", found[0]] : ["bus"], error.code, message);
  }
}

async function placed<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    const { code, message } = failureOf(error.cause);
    throw new PlacedError(error.keys, code, message);
  }
}
