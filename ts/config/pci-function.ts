// A function of the endpoint as it is configured: its header, its vectors and its discs, bound to the
// controller or not. While it is bound an `Endpoint` exports those of its discs that have a name.

import { BASE_CLASS, DEVICE_ID, MAX_DEVICES, VENDOR_ID } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { Disc } from "../discs/disc.js";
import { discKindOf, exportedName, nameComplaint, openDiscNamed } from "../discs/disc-name.js";
import { parseFaults, printFault } from "../discs/faults/text.js";
import { checkPartition, PartitionDisc } from "../discs/partition-disc.js";
import { Endpoint } from "../endpoint/endpoint.js";
import type { EndpointOptions, ExportOptions } from "../endpoint/endpoint-options.js";
import type { DiscFacts } from "../endpoint/inspection.js";
import { checkInteger } from "../errors.js";
import type { Trace } from "../trace/trace.js";
import { Refusal } from "./config-error.js";

/** The configurable fields of a function, as the kernel names them. */
export interface FunctionFields {
  /** PCI vendor, 0 to 0xfffe. Default 0. */
  vendorid?: number | undefined;
  /** PCI device, 0 to 0xffff. Default 0xc402. */
  deviceid?: number | undefined;
  /** Revision, 0 to 0xff. Default 0. */
  revid?: number | undefined;
  /** Programming interface, 0 to 0xff. Default 0. */
  progif_code?: number | undefined;
  /** Subclass, 0 to 0xff. Default 0. */
  subclass_code?: number | undefined;
  /** Base class, 0 to 0xff. Default 0xff. */
  baseclass_code?: number | undefined;
  /** In 32-bit words, 0 to 0xff. Default 0. */
  cache_line_size?: number | undefined;
  /** Subsystem's vendor, 0 to 0xffff. Default 0. */
  subsys_vendor_id?: number | undefined;
  /** Subsystem, 0 to 0xffff. Default 0. */
  subsys_id?: number | undefined;
  /** 1 to 4 for INTA to INTD, 0 for none. Default 0. */
  interrupt_pin?: number | undefined;
  /** MSI messages, 0 to 32. Default 0. */
  msi_interrupts?: number | undefined;
  /** MSI-X vectors, 1 to 2048. Default 32. */
  msix_interrupts?: number | undefined;
}

/** The name of a configurable field. */
export type FunctionField = keyof FunctionFields;

/** The fields in the order in which they are listed; each with its largest value. */
export const FUNCTION_FIELDS = {
  // 0xffff is what is read where no device is.
  vendorid: 0xfffe,
  deviceid: 0xffff,
  revid: 0xff,
  progif_code: 0xff,
  subclass_code: 0xff,
  baseclass_code: 0xff,
  cache_line_size: 0xff,
  subsys_vendor_id: 0xffff,
  subsys_id: 0xffff,
  interrupt_pin: 4,
  msi_interrupts: 32,
  msix_interrupts: 2048,
} as const satisfies Record<FunctionField, number>;

/** How a disc is configured. */
export interface DiscConfig {
  /** A file, a block device, `memory:SIZE`, an NBD URI, the URL of an image, or a name in `/dev` of the tree; empty before it is written. */
  readonly discName: string;
  /** Number or UUID; empty for the whole disc. */
  readonly partition: string;
  /** What the root complex sees; empty for what `exportedName` makes of the disc's name. */
  readonly exportName: string;
  readonly readOnly: boolean;
  readonly queues: number;
  /** What goes wrong on it on purpose, as `printFault` writes it, with blanks between. */
  readonly faults: string;
}

/** And what was found when it was opened. */
interface KnownDisc extends DiscConfig {
  readonly partitionNumber?: number | undefined;
  /** The name that it was exported with last; another one is somebody else's. */
  readonly exportedAs?: string | undefined;
  /** It was exported by other means: its name need not be one that can be opened. */
  readonly isForeign?: boolean | undefined;
}

/** Most queues of a disc. */
export const MAX_QUEUES = 255;

const NEW_DISC: KnownDisc = {
  discName: "",
  partition: "",
  exportName: "",
  readOnly: false,
  queues: 1,
  faults: "",
};

/** How a disc is handed to the endpoint. */
type Export = Required<Pick<ExportOptions, "discName" | "queues" | "readOnly">>;

/** What a function stands on. */
export interface FunctionSurroundings {
  readonly bus: Bus;
  readonly controller: EndpointOptions["controller"];
  /** Where a name of a disc leads: another one, if it stands in the tree's `/dev`. */
  locate(discName: string): string;
  readonly log: (line: string) => void;
  readonly trace: Trace | undefined;
}

export class PciFunction {
  readonly name: string;
  readonly #surroundings: FunctionSurroundings;
  readonly #fields: Record<FunctionField, number>;
  readonly #discs = new Map<string, KnownDisc>();
  #endpoint: Endpoint | undefined;

  constructor(name: string, surroundings: FunctionSurroundings, endpoint?: Endpoint) {
    this.name = name;
    this.#surroundings = surroundings;
    this.#endpoint = endpoint;
    this.#fields = fieldsOf(endpoint);
  }

  /** What it became when it was bound; undefined also once somebody has closed that. */
  get endpoint(): Endpoint | undefined {
    if (this.#endpoint?.closed) this.#endpoint = undefined;
    return this.#endpoint;
  }

  field(name: FunctionField): number {
    return this.#fields[name];
  }

  /** A field is part of what the endpoint is: it changes before that is made. */
  setField(name: FunctionField, value: number): void {
    if (this.endpoint !== undefined) {
      throw new Refusal("EBUSY", `${this.name} is bound to a controller: unlink it there first`);
    }
    this.#fields[name] = value;
  }

  /** Becomes an endpoint on its controller, with all of its discs; nothing if that fails. */
  async bind(): Promise<void> {
    const { bus, controller, log, trace } = this.#surroundings;
    const endpoint = await Endpoint.create(bus, {
      controller,
      log,
      trace,
      ...this.#endpointOptions(),
    });
    try {
      for (const [name, known] of this.#discs) {
        if (known.discName === "") continue;
        const opened = await this.#open(name, known, (disc, options) =>
          endpoint.exportDisc(name, disc, { ...options, faults: parseFaults(known.faults) }),
        );
        this.#discs.set(name, opened);
      }
    } catch (error) {
      await endpoint.close();
      throw error;
    }
    this.#endpoint = endpoint;
  }

  /** Is no endpoint any more; its configuration stays. */
  async unbind(): Promise<void> {
    this.#learn();
    await this.#endpoint?.close();
    this.#endpoint = undefined;
  }

  /** Names of its discs, those first that have been exported the longest. */
  get discs(): string[] {
    this.#learn();
    return [...new Set([...(this.endpoint?.exports ?? []), ...this.#discs.keys()])];
  }

  disc(name: string): DiscConfig {
    return this.#known(name);
  }

  /** What the endpoint says of a disc; undefined while it is not exported. */
  exported(name: string): DiscFacts | undefined {
    const { endpoint } = this;
    return endpoint?.exports.includes(name) ? endpoint.exported(name) : undefined;
  }

  addDisc(name: string): void {
    if (this.discs.length === MAX_DEVICES) {
      throw new Refusal("ENOSPC", `an endpoint exports at most ${MAX_DEVICES} discs`);
    }
    this.#discs.set(name, NEW_DISC);
  }

  async removeDisc(name: string): Promise<void> {
    if (this.exported(name) !== undefined) await this.endpoint?.unexportDisc(name);
    this.#discs.delete(name);
  }

  /** Has a disc configured as it is wanted, as one change; false if it is so. */
  async configureDisc(
    name: string,
    wanted: { readonly [Key in keyof DiscConfig]: DiscConfig[Key] | undefined },
  ): Promise<boolean> {
    const before = this.disc(name);
    const { faults = before.faults, ...others } = wanted;
    const changes = Object.entries(others).filter(
      ([key, value]) => value !== undefined && value !== before[key as keyof DiscConfig],
    );
    if (changes.length > 0) await this.changeDisc(name, Object.fromEntries(changes));
    const hasOtherFaults = faultsText(faults) !== before.faults;
    if (hasOtherFaults) await this.setFaults(name, faults);
    return changes.length > 0 || hasOtherFaults;
  }

  /** Has other things go wrong on a disc, also while it is attached; nothing changes if that fails. */
  async setFaults(name: string, faults: string): Promise<void> {
    const known = this.#known(name);
    const text = faultsText(faults);
    if (this.exported(name) !== undefined) await this.endpoint?.setFaults(name, parseFaults(text));
    this.#discs.set(name, { ...known, faults: text });
  }

  /** Changes how a disc is configured, and exported if the function is bound; nothing if that fails. */
  async changeDisc(name: string, changes: Partial<DiscConfig>): Promise<void> {
    const before = this.#known(name);
    const exported = this.exported(name);
    if (exported?.attached) {
      throw new Refusal("EBUSY", `${name} is attached: the root complex has to detach it first`);
    }
    const isNamed = changes.discName !== undefined && changes.discName !== "";
    const after = { ...before, ...changes, isForeign: before.isForeign && !isNamed };
    checkDisc(after);
    this.#discs.set(name, await this.#apply(name, before, after));
  }

  /** Has the endpoint, if there is one, export a disc as `after` says; gives what is known of it then. */
  async #apply(name: string, before: KnownDisc, after: KnownDisc): Promise<KnownDisc> {
    const { endpoint } = this;
    const isExported = this.exported(name) !== undefined;
    if (after.discName === "") {
      if (isExported) await endpoint?.unexportDisc(name);
      return after;
    }
    // Whether there is such a disc is said now, not when the function is bound.
    if (endpoint === undefined) return this.#open(name, after, (disc) => disc.close());
    if (!isExported) {
      const faults = parseFaults(after.faults);
      return this.#open(name, after, (disc, options) =>
        endpoint.exportDisc(name, disc, { ...options, faults }),
      );
    }
    if (this.#mustOpen(before, after)) {
      return this.#open(name, after, (disc, options) =>
        endpoint.changeExport(name, { disc, ...options }),
      );
    }
    const options = exportOf(name, after);
    await endpoint.changeExport(name, options);
    return { ...after, exportedAs: options.discName };
  }

  /** Whether a disc has to be opened for a change. A memory disc would lose what is on it. */
  #mustOpen(before: KnownDisc, after: KnownDisc): boolean {
    if (after.discName !== before.discName || after.partition !== before.partition) return true;
    if (before.isForeign && !after.isForeign) return true;
    return before.readOnly && !after.readOnly && !this.#isMemory(after);
  }

  #isMemory({ discName }: KnownDisc): boolean {
    return discKindOf(this.#surroundings.locate(discName)) === "memory";
  }

  #known(name: string): KnownDisc {
    this.#learn();
    return this.#discs.get(name) ?? NEW_DISC;
  }

  /** Takes over what somebody else did with the endpoint: exports that were added, and those that are gone. */
  #learn(): void {
    const { endpoint } = this;
    if (endpoint === undefined) return;
    for (const name of endpoint.exports) {
      const { discName, readOnly, queues, ...exported } = endpoint.exported(name);
      const faults = exported.faults.map(({ text }) => text).join(" ");
      const foreign = { ...NEW_DISC, discName, exportedAs: discName, isForeign: true };
      const known = this.#discs.get(name) ?? foreign;
      const isRenamed = known.exportedAs !== undefined && known.exportedAs !== discName;
      const names = isRenamed ? { exportName: discName, exportedAs: discName } : {};
      this.#discs.set(name, { ...known, ...names, readOnly, queues: queues.length, faults });
    }
    for (const [name, { discName }] of this.#discs) {
      if (discName !== "" && !endpoint.exports.includes(name)) this.#discs.delete(name);
    }
  }

  /** Opens a disc as it is configured, for `use`, and closes it if that fails. */
  async #open(
    name: string,
    config: KnownDisc,
    use: (disc: Disc, options: Export) => Promise<void> | void,
  ): Promise<KnownDisc> {
    const { partition, isForeign } = config;
    if (isForeign) {
      // On this machine the name may be that of another disc, which nobody has offered.
      const why = `${name} was exported by the program itself: write what is to be opened to its disc_name`;
      throw new Refusal("EPERM", why);
    }
    const isMemory = this.#isMemory(config);
    const disc = await openDiscNamed(
      this.#surroundings.bus,
      this.#surroundings.locate(config.discName),
      {
        // A memory disc can be made writable later, and is not opened anew for it.
        readOnly: config.readOnly && !isMemory,
        partition: partition === "" ? undefined : partitionOf(partition),
      },
    );
    const partitionNumber = disc instanceof PartitionDisc ? disc.number : undefined;
    const known = { ...config, partitionNumber };
    try {
      const options = exportOf(name, known);
      await use(disc, options);
      return { ...known, exportedAs: options.discName };
    } catch (error) {
      disc.close();
      throw error;
    }
  }

  #endpointOptions(): Pick<
    EndpointOptions,
    "vendorId" | "deviceId" | "msiInterrupts" | "msixInterrupts" | "identity"
  > {
    const fields = this.#fields;
    return {
      vendorId: fields.vendorid,
      deviceId: fields.deviceid,
      msiInterrupts: fields.msi_interrupts,
      msixInterrupts: fields.msix_interrupts,
      identity: {
        revisionId: fields.revid,
        classCode: (fields.baseclass_code << 16) | (fields.subclass_code << 8) | fields.progif_code,
        cacheLineSize: fields.cache_line_size,
        subsystemVendorId: fields.subsys_vendor_id,
        subsystemId: fields.subsys_id,
        interruptPin: fields.interrupt_pin,
      },
    };
  }
}

/** Checks what opening the disc does not. */
function checkDisc({ exportName, partition, queues }: KnownDisc): void {
  checkInteger("max_number_of_queues", queues, 1, MAX_QUEUES);
  const complaint = exportName === "" ? undefined : nameComplaint(exportName);
  if (complaint !== undefined)
    throw new Refusal("EINVAL", `${JSON.stringify(exportName)} ${complaint}`);
  if (partition !== "") checkPartition(partitionOf(partition));
}

/** As it is kept: a number without zeros before it. */
export function partitionText(partition: number | string): string {
  return String(partitionOf(String(partition)));
}

/** A number, if it is one. */
export function partitionOf(partition: string): number | string {
  return /^\d+$/.test(partition) ? Number(partition) : partition;
}

/** Faults as they are kept, and printed. */
function faultsText(text: string): string {
  return parseFaults(text).map(printFault).join(" ");
}

/** How a disc is exported; one in memory has no name of its own but its directory's. */
function exportOf(name: string, config: KnownDisc): Export {
  const { discName, exportName, partitionNumber, queues, readOnly } = config;
  const ownName = discKindOf(discName) === "memory" ? `/dev/${name}` : discName;
  return { discName: exportName || exportedName(ownName, partitionNumber), queues, readOnly };
}

/** The fields of a function that somebody bound, or of a new one. */
function fieldsOf(endpoint: Endpoint | undefined): Record<FunctionField, number> {
  const identity = endpoint?.identity;
  const classCode = identity?.classCode ?? BASE_CLASS << 16;
  return {
    vendorid: identity?.vendorId ?? VENDOR_ID,
    deviceid: identity?.deviceId ?? DEVICE_ID,
    revid: identity?.revisionId ?? 0,
    progif_code: classCode & 0xff,
    subclass_code: (classCode >>> 8) & 0xff,
    baseclass_code: classCode >>> 16,
    cache_line_size: identity?.cacheLineSize ?? 0,
    subsys_vendor_id: identity?.subsystemVendorId ?? 0,
    subsys_id: identity?.subsystemId ?? 0,
    interrupt_pin: identity?.interruptPin ?? 0,
    msi_interrupts: endpoint?.msiInterrupts ?? 0,
    msix_interrupts: endpoint?.msixInterrupts ?? 32,
  };
}
