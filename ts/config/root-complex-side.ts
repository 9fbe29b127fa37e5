// The root complex's driver as it is loaded: it finds the endpoint whenever the link is up, and
// attaches and detaches its discs under the names that they were given here.

import { posix } from "node:path";
import type { Bus } from "../bus/bus.js";
import { BlockptError } from "../errors.js";
import type { RemoteDisk } from "../root-complex/remote-disk.js";
import { RootComplex } from "../root-complex/root-complex.js";
import type { Trace } from "../trace/trace.js";
import { Refusal } from "./config-error.js";
import { checkEntryName } from "./node.js";

/** What the driver is called. */
export const DRIVER = "pci-remote-disk";

/** A disc that can be attached, or is. */
export interface Remote {
  /** What the endpoint calls it. */
  readonly device: string;
  /** What the disk is called here, now or once it is attached. */
  readonly localName: string;
  readonly disk: RemoteDisk | undefined;
}

export class RootComplexSide {
  readonly #bus: Bus;
  readonly #log: (line: string) => void;
  readonly #trace: Trace | undefined;
  /** Names that were given to disks before they are attached, by device. */
  readonly #localNames = new Map<string, string>();
  #loaded: boolean;
  #rc: RootComplex | undefined;
  /** Why there is no root complex though the link is up, said once. */
  #complaint = "";
  #last: Promise<unknown> = Promise.resolve();

  /** @param rootComplex - one that is there already: the driver is loaded */
  constructor(
    bus: Bus,
    { log, trace }: { log: (line: string) => void; trace: Trace | undefined },
    rootComplex?: RootComplex | undefined,
  ) {
    this.#bus = bus;
    this.#log = log;
    this.#trace = trace;
    this.#rc = rootComplex;
    this.#loaded = rootComplex !== undefined;
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  get rootComplex(): RootComplex | undefined {
    if (this.#rc?.closed) this.#rc = undefined;
    return this.#rc;
  }

  /** `insmod`: from here on the driver takes the endpoint when the link is up. */
  async load(): Promise<void> {
    if (this.#loaded) throw new Refusal("EEXIST", `${DRIVER} is loaded`);
    this.#loaded = true;
    await this.refresh();
  }

  /** `rmmod`: detaches every disk. */
  async unload(): Promise<void> {
    if (!this.#loaded) throw new Refusal("ENOENT", `${DRIVER} is not loaded`);
    await this.#inOrder(async () => {
      const isBusy = ({ inFlight, openQueues }: RemoteDisk): boolean => inFlight + openQueues > 0;
      const busy = this.rootComplex?.disks.find(isBusy);
      if (busy)
        throw new Refusal("EBUSY", `${busy.localName} has requests in flight, or open queues`);
      await this.rootComplex?.close();
      this.#rc = undefined;
      this.#loaded = false;
    });
  }

  /** Looks at the bus as a hotplug driver does: for an endpoint that came, and for its discs of now. */
  refresh(): Promise<void> {
    return this.#inOrder(() => this.#look());
  }

  /** Two looks at once would both probe an endpoint that came, and one at an end what has ended. */
  #inOrder<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #look(): Promise<void> {
    if (!this.#loaded || this.#bus.configSpace.read() === undefined) return;
    try {
      if (await this.#knowsEndpoint()) return;
      this.#rc = await RootComplex.probe(this.#bus, { log: this.#log, trace: this.#trace });
      this.#complaint = "";
    } catch (error) {
      if (!(error instanceof BlockptError)) throw error;
      // As in the kernel the driver stays, and the log says why it has no device.
      if (error.message !== this.#complaint) this.#log(`${DRIVER}: probe failed: ${error.message}`);
      this.#complaint = error.message;
    }
  }

  /** Every disc that is attached or can be, by the name of its directory. */
  async remotes(): Promise<ReadonlyMap<string, Remote>> {
    await this.refresh();
    const rc = this.rootComplex;
    const disks = rc?.disks ?? [];
    const devices = new Set([...(rc?.devices ?? []), ...disks.map(({ name }) => name)]);
    const all = [...devices].map((device): Remote => {
      const disk = disks.find(({ name }) => name === device);
      return { device, disk, localName: disk?.localName ?? this.#localNameOf(device) };
    });
    return new Map(all.map((remote) => [directoryName(remote.device, devices), remote]));
  }

  /** Gives a name to a disk that is not attached yet. */
  async setLocalName({ device, disk }: Remote, localName: string): Promise<void> {
    checkEntryName(localName);
    if (disk !== undefined) throw new Refusal("EBUSY", `${device} is attached: detach it first`);
    this.#localNames.set(device, localName);
  }

  /** @param taken - names in `/dev` that are not of disks */
  async attach(
    { device, disk, localName }: Remote,
    taken: Pick<ReadonlyMap<string, unknown>, "has">,
  ): Promise<void> {
    if (disk !== undefined) throw new Refusal("EALREADY", `${device} is attached`);
    const rc = this.rootComplex;
    if (taken.has(localName) || rc?.disks.some((other) => other.localName === localName)) {
      throw new Refusal("EEXIST", `/dev/${localName} is there: give this one a local_name`);
    }
    await rc?.attach(device, { localName });
  }

  async detach({ device, disk }: Remote): Promise<void> {
    if (disk === undefined) throw new Refusal("EALREADY", `${device} is not attached`);
    await this.rootComplex?.detach(device);
  }

  #localNameOf(device: string): string {
    return this.#localNames.get(device) ?? `pci-rd-${posix.basename(device)}`;
  }

  /** Whether the root complex drives the endpoint that has the link; one that changed is probed anew. */
  async #knowsEndpoint(): Promise<boolean> {
    const rc = this.rootComplex;
    if (rc === undefined) return false;
    try {
      await rc.rescan();
      return true;
    } catch (error) {
      const isAnother = error instanceof BlockptError && error.code === "ERR_BLOCKPT_PROTOCOL";
      if (!isAnother || rc.disks.length > 0) throw error;
      await rc.close();
      return false;
    }
  }
}

/** What is no name of an entry: the other side may call a disc so. */
const PATHS = ["", ".", ".."];

/** The last component, where that tells it from all others; else the whole, as the kernel writes a `/` in a name. */
function directoryName(device: string, devices: ReadonlySet<string>): string {
  const last = posix.basename(device);
  const same = [...devices].filter((other) => posix.basename(other) === last);
  if (same.length === 1 && !PATHS.includes(last)) return last;
  const whole = device.replaceAll("/", "!");
  return PATHS.includes(whole) ? `!${whole}` : whole;
}
