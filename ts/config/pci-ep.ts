// `/sys/kernel/config/pci_ep`: the endpoint's controller, its functions, and their discs.
//
//   controllers/<epc>/start                       1: the link is up
//   controllers/<epc>/<function> -> ../../functions/pci_epf_blockpt/<function>
//   functions/pci_epf_blockpt/<function>/vendorid …
//   functions/pci_epf_blockpt/<function>/<disc>/disc_name …

import { posix } from "node:path";
import type { Endpoint } from "../endpoint/endpoint.js";
import type { DiscFacts } from "../endpoint/inspection.js";
import type { QueueStatistics } from "../endpoint/queue-totals.js";
import { attribute, bool, decimal, hex4, line, lines, unsigned } from "./attributes.js";
import { Refusal } from "./config-error.js";
import { type AttributeNode, type DirectoryNode, fixedDirectory, readOnly } from "./node.js";
import {
  type DiscConfig,
  FUNCTION_FIELDS,
  type FunctionField,
  type FunctionSurroundings,
  MAX_QUEUES,
  PciFunction,
  partitionText,
} from "./pci-function.js";

/** What the driver of such functions is called. */
export const FUNCTION_DRIVER = "pci_epf_blockpt";
/** Where the directory is. */
export const PCI_EP = "/sys/kernel/config/pci_ep";
const FUNCTIONS = `${PCI_EP}/functions/${FUNCTION_DRIVER}`;
/** What a function is called that was there before the tree. */
const ADOPTED_FUNCTION = "func1";

/** The endpoint's side of the tree. */
export class PciEp {
  /** What the controller is called. */
  readonly controller: string;
  readonly #surroundings: FunctionSurroundings;
  readonly #functions = new Map<string, PciFunction>();
  readonly #onLinkUp: () => Promise<void>;

  /** @param endpoint - one that is there already: its function is bound */
  constructor(
    surroundings: FunctionSurroundings,
    onLinkUp: () => Promise<void>,
    endpoint?: Endpoint | undefined,
  ) {
    const { controller } = surroundings;
    this.controller = typeof controller === "string" ? controller : controller.name;
    this.#surroundings = surroundings;
    this.#onLinkUp = onLinkUp;
    if (endpoint === undefined) return;
    const adopted = new PciFunction(ADOPTED_FUNCTION, surroundings, endpoint);
    this.#functions.set(adopted.name, adopted);
  }

  /** The endpoint that a function has become by its link. */
  get endpoint(): Endpoint | undefined {
    return this.#bound?.endpoint;
  }

  /** The directory. */
  get directory(): DirectoryNode {
    return fixedDirectory({
      controllers: fixedDirectory({ [this.controller]: this.#controllerDirectory }),
      functions: fixedDirectory({ [FUNCTION_DRIVER]: this.#driverDirectory }),
    });
  }

  /** A function that was made. */
  function(name: string): PciFunction | undefined {
    return this.#functions.get(name);
  }

  /** Takes the link down, and closes the endpoint. */
  async close(): Promise<void> {
    await this.#bound?.unbind();
  }

  get #bound(): PciFunction | undefined {
    return [...this.#functions.values()].find(({ endpoint }) => endpoint !== undefined);
  }

  get #controllerDirectory(): DirectoryNode {
    return {
      kind: "directory",
      names: () => (this.#bound === undefined ? ["start"] : ["start", this.#bound.name]),
      find: (name) => {
        if (name === "start") return this.#start;
        if (name !== this.#bound?.name) return undefined;
        const target = `../../functions/${FUNCTION_DRIVER}/${name}`;
        return { kind: "link", target, leavesTree: false };
      },
      symlink: (name, target) => this.#bind(name, target),
      unlink: () => this.#unbind(),
    };
  }

  get #start(): AttributeNode {
    return attribute(
      bool,
      () => this.endpoint?.started ?? false,
      (up) => this.#setLink(up),
    );
  }

  async #setLink(up: boolean): Promise<void> {
    const { endpoint } = this;
    if (up === (endpoint?.started ?? false)) {
      throw new Refusal("EALREADY", `the link is ${up ? "up" : "down"}`);
    }
    if (endpoint === undefined) {
      throw new Refusal("EINVAL", `no function is bound: ln -s ${FUNCTIONS}/… here first`);
    }
    if (!up) return endpoint.stop();
    await endpoint.start();
    await this.#onLinkUp();
  }

  /** A relative target is looked for from the link's directory, then from where the user guide stands. */
  async #bind(name: string, target: string): Promise<void> {
    const here = `${PCI_EP}/controllers/${this.controller}`;
    const paths = [posix.resolve(here, target), posix.resolve(PCI_EP, target)];
    const found = paths
      .filter((path) => posix.dirname(path) === FUNCTIONS)
      .map((path) => this.#functions.get(posix.basename(path)))
      .find((each) => each !== undefined);
    if (found === undefined) {
      throw new Refusal("ENOENT", `${target} is no function of ${FUNCTIONS}`);
    }
    if (name !== found.name) {
      throw new Refusal("EINVAL", `a link is called as its function is: ${found.name}`);
    }
    const bound = this.#bound;
    if (bound !== undefined) {
      throw new Refusal("EBUSY", `${bound.name} is bound, and the controller has room for one`);
    }
    await found.bind();
  }

  async #unbind(): Promise<void> {
    if (this.endpoint?.started) {
      throw new Refusal("EBUSY", "the link is up: echo 0 to start first");
    }
    await this.#bound?.unbind();
  }

  get #driverDirectory(): DirectoryNode {
    return {
      kind: "directory",
      names: () => [...this.#functions.keys()],
      find: (name) => {
        const found = this.#functions.get(name);
        return found && functionDirectory(found);
      },
      mkdir: (name) => {
        this.#functions.set(name, new PciFunction(name, this.#surroundings));
      },
      rmdir: (name) => {
        const found = this.#functions.get(name);
        if (found?.endpoint !== undefined) {
          throw new Refusal("EBUSY", `${name} is bound to a controller: unlink it there first`);
        }
        if (found?.discs.length) {
          throw new Refusal("ENOTEMPTY", `it has discs: ${found.discs.join(", ")}`);
        }
        this.#functions.delete(name);
      },
    };
  }
}

function functionDirectory(pciFunction: PciFunction): DirectoryNode {
  const fields = Object.keys(FUNCTION_FIELDS) as FunctionField[];
  const isField = (name: string): name is FunctionField => Object.hasOwn(FUNCTION_FIELDS, name);
  return {
    kind: "directory",
    names: () => [...fields, ...pciFunction.discs],
    find: (name) => {
      if (isField(name)) return fieldAttribute(pciFunction, name);
      return pciFunction.discs.includes(name) ? discDirectory(pciFunction, name) : undefined;
    },
    mkdir: (name) => pciFunction.addDisc(name),
    rmdir: (name) => pciFunction.removeDisc(name),
  };
}

function fieldAttribute(pciFunction: PciFunction, name: FunctionField): AttributeNode {
  const print = name === "msi_interrupts" || name === "msix_interrupts" ? decimal : hex4;
  const least = name === "msix_interrupts" ? 1 : 0;
  return attribute(
    unsigned(least, FUNCTION_FIELDS[name], print),
    () => pciFunction.field(name),
    (value) => pciFunction.setField(name, value),
  );
}

function discDirectory(pciFunction: PciFunction, name: string): DirectoryNode {
  const config = (): DiscConfig => pciFunction.disc(name);
  const change = (changes: Partial<DiscConfig>): Promise<void> =>
    pciFunction.changeDisc(name, changes);
  const exported = () => pciFunction.exported(name);
  return fixedDirectory({
    disc_name: attribute(
      line,
      () => config().discName,
      (discName) => change({ discName }),
    ),
    partition: attribute(
      line,
      () => config().partition,
      (partition) => change({ partition: partitionText(partition) }),
    ),
    export_name: attribute(
      line,
      () => config().exportName,
      (exportName) => change({ exportName }),
    ),
    read_only: attribute(
      bool,
      () => config().readOnly,
      (value) => change({ readOnly: value }),
    ),
    max_number_of_queues: attribute(
      unsigned(1, MAX_QUEUES, decimal),
      () => config().queues,
      (queues) => change({ queues }),
    ),
    fault: attribute(
      lines,
      () => config().faults,
      (faults) => pciFunction.setFaults(name, faults),
    ),
    fault_hits: readOnly(() => {
      const faults = exported()?.faults ?? [];
      return faults.map(({ hits, seen, text }) => `${hits} ${seen} ${text}\n`).join("");
    }),
    attached: readOnly(() => `${exported()?.attached ? 1 : 0}\n`),
    size: readOnly(() => `${exported()?.sectors ?? 0}\n`),
    irq_stats: readOnly(() => {
      const queues = exported()?.queues ?? [];
      return queues.map(({ statistics }, cpu) => `cpu${cpu}: ${statistics.interrupts}\n`).join("");
    }),
    stats: readOnly(() => statistics(exported()?.queues ?? [])),
  });
}

/** A line each, summed over the disc's queues. */
function statistics(queues: DiscFacts["queues"]): string {
  const sum = (name: keyof QueueStatistics): number =>
    queues.reduce((total, queue) => total + queue.statistics[name], 0);
  return Object.entries(STATISTICS)
    .map(([label, name]) => `${label} ${sum(name)}\n`)
    .join("");
}

/** The labels in `stats`, and what is counted there. */
const STATISTICS = {
  reads: "reads",
  writes: "writes",
  flushes: "flushes",
  discards: "discards",
  bytes_read: "bytesRead",
  bytes_written: "bytesWritten",
  errors: "errors",
  interrupts: "interrupts",
} as const satisfies Record<string, keyof QueueStatistics>;
