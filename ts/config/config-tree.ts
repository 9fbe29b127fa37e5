// The config tree: the endpoint's and the root complex's configuration as a file system, at the paths
// and with the values that the kernel drivers have.

import { posix } from "node:path";
import type { Bus } from "../bus/bus.js";
import type { Endpoint } from "../endpoint/endpoint.js";
import type { Controller } from "../endpoint/endpoint-options.js";
import * as host from "../platform/files.js";
import type { RootComplex } from "../root-complex/root-complex.js";
import type { Trace } from "../trace/trace.js";
import { failureOf, guarded, Refusal } from "./config-error.js";
import { Dev } from "./dev.js";
import { DiskHandle, type OpenFile } from "./disk-handle.js";
import type { DiscDocument } from "./document.js";
import { KernelLog, type LogLine } from "./kernel-log.js";
import { checkEntryName, type DirectoryNode, type MaybePromise } from "./node.js";
import { PciEp } from "./pci-ep.js";
import { partitionText } from "./pci-function.js";
import { rootDirectory } from "./root.js";
import { DRIVER, RootComplexSide } from "./root-complex-side.js";
import { entryOf, statsOf, type TreeEntry, type TreeStats } from "./tree-stats.js";
import { absolute, nodeAt, parentOf, walk } from "./walk.js";

/** What a tree is made of. */
export interface ConfigTreeOptions {
  /** The endpoint's controller, or its name. Default `44100000.pcie`, as in the user guide. */
  controller?: string | Controller | undefined;
  /** The sides of the bus that the tree is of. Default: both. */
  sides?: readonly ("endpoint" | "root-complex")[] | undefined;
  /** An endpoint that is on the bus already: its function shows as `func1`, bound. */
  endpoint?: Endpoint | undefined;
  /** A root complex that drives the bus already: its driver shows as loaded. */
  rootComplex?: RootComplex | undefined;
  /** Names in `/dev` of the endpoint's discs, and what they are made of: a path, `memory:SIZE`, an NBD URI or the URL of an image. */
  discs?: Readonly<Record<string, string>> | undefined;
  /** Where both sides record what they do. Default: nowhere. */
  trace?: Trace | undefined;
  /** Hears what both drivers say, a line each, as the console does. */
  log?: ((line: string) => void) | undefined;
}

/** How bytes are given as text. */
export type TextEncoding = "utf8" | "utf-8" | "latin1" | "binary" | "hex" | "base64";

const DEFAULT_CONTROLLER = "44100000.pcie";
/** The longest value that is written: a page, as the kernel takes it. */
const MAX_VALUE_BYTES = 4096;
/** The largest disk that is read in one go. */
const MAX_READ_BYTES = 1024 * 1024 * 1024;

/**
 * The endpoint and the root complex of a bus as the files and directories by which the kernel drivers are
 * configured, in the shape of `node:fs/promises`. It drives an {@link Endpoint} and a
 * {@link RootComplex}, and what is done with these shows in it. The config tree's page has all paths, values
 * and rules.
 *
 * Calls fail as those of `node:fs` do: see {@link ConfigError}.
 *
 * @example
 * ```ts
 * import { ConfigTree, createBus } from "blockpt";
 *
 * const tree = ConfigTree.create(await createBus(), { discs: { nvme0n1: "memory:1M" } });
 * const ep = "/sys/kernel/config/pci_ep";
 * await tree.mkdir(`${ep}/functions/pci_epf_blockpt/func1`);
 * await tree.symlink("functions/pci_epf_blockpt/func1", `${ep}/controllers/44100000.pcie/func1`);
 * await tree.mkdir(`${ep}/functions/pci_epf_blockpt/func1/nvme`);
 * await tree.writeFile(`${ep}/functions/pci_epf_blockpt/func1/nvme/disc_name`, "/dev/nvme0n1");
 * await tree.writeFile(`${ep}/controllers/44100000.pcie/start`, "1");
 *
 * await tree.loadDriver();
 * const rc = "/sys/kernel/config/pci_remote_disk";
 * console.log(await tree.readdir(rc)); // [ 'nvme0n1' ]
 * await tree.writeFile(`${rc}/nvme0n1/attach`, "1");
 * console.log(tree.rootComplex?.disks[0]?.localName); // pci-rd-nvme0n1
 * await tree.close();
 * ```
 */
export class ConfigTree {
  /** What the controller is called. */
  readonly controller: string;
  readonly #dev: Dev;
  readonly #pciEp: PciEp | undefined;
  readonly #side: RootComplexSide | undefined;
  readonly #log: KernelLog;
  readonly #bus: Bus;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(bus: Bus, options: ConfigTreeOptions) {
    const { endpoint, rootComplex, trace, sides = ["endpoint", "root-complex"] } = options;
    const { controller = endpoint?.controller ?? DEFAULT_CONTROLLER } = options;
    this.#bus = bus;
    this.controller = typeof controller === "string" ? controller : controller.name;
    checkEntryName(this.controller);
    this.#log = new KernelLog(options.log ?? (() => {}));
    const { add: log } = this.#log;
    if (sides.includes("root-complex"))
      this.#side = new RootComplexSide(bus, { log, trace }, rootComplex);
    this.#dev = new Dev(this.#side);
    for (const [name, target] of Object.entries(options.discs ?? {})) {
      this.#dev.add(name, target);
    }
    if (!sides.includes("endpoint")) return;
    const locate = (discName: string): string => this.#dev.locate(discName);
    const onLinkUp = async (): Promise<void> => this.#side?.refresh();
    this.#pciEp = new PciEp({ bus, controller, locate, log, trace }, onLinkUp, endpoint);
  }

  /**
   * Makes the tree of a bus. Nothing happens on the bus before something is written.
   *
   * @throws {@link ConfigError} `EINVAL` for a name of a disc or of the controller that cannot be one
   */
  static create(bus: Bus, options: ConfigTreeOptions = {}): ConfigTree {
    try {
      return new ConfigTree(bus, options);
    } catch (error) {
      throw failureOf(error, "mount", "/");
    }
  }

  /** The endpoint that the function has become by its link in `controllers`. */
  get endpoint(): Endpoint | undefined {
    return this.#pciEp?.endpoint;
  }

  /** The root complex, while the driver is loaded and has found an endpoint. */
  get rootComplex(): RootComplex | undefined {
    return this.#side?.rootComplex;
  }

  /** The bus. */
  get bus(): Bus {
    return this.#bus;
  }

  /** What the drivers said, the latest 4096 lines: `dmesg`. */
  get kernelLog(): readonly LogLine[] {
    return this.#log.lines;
  }

  /** Whether the root complex's driver is loaded. */
  get driverLoaded(): boolean {
    return this.#side?.loaded ?? false;
  }

  /**
   * `insmod pci-remote-disk`: the driver finds the endpoint, now or when its link comes up.
   *
   * @throws {@link ConfigError} `EEXIST` if it is loaded; `ENODEV` if the tree has no root complex's side
   */
  loadDriver(): Promise<void> {
    return this.#change("insmod", DRIVER, () => this.#driver.load());
  }

  /**
   * `rmmod pci-remote-disk`: detaches every disk.
   *
   * @throws {@link ConfigError} `ENOENT` if it is not loaded; `EBUSY` while a disk has requests in flight
   */
  unloadDriver(): Promise<void> {
    return this.#change("rmmod", DRIVER, () => this.#driver.unload());
  }

  /** Unloads the driver and takes the link down, also of an endpoint and a root complex that were there before. */
  close(): Promise<void> {
    return this.#change("umount", "/", async () => {
      if (this.driverLoaded) await this.#driver.unload();
      await this.#pciEp?.close();
    });
  }

  /**
   * Makes a function, or a disc of one.
   *
   * @param options - `recursive`: makes what is missing above it, too, and is content with what is there
   */
  mkdir(path: string, options: { recursive?: boolean | undefined } = {}): Promise<void> {
    return this.#change("mkdir", path, async () => {
      const { recursive = false } = options;
      const parts = absolute(path).split("/").filter(Boolean);
      for (let count = recursive ? 1 : parts.length; count <= parts.length; count++) {
        await this.#makeDirectory(`/${parts.slice(0, count).join("/")}`, recursive);
      }
    });
  }

  /** Removes a function that is not bound and has no discs, or a disc that is not attached. */
  rmdir(path: string): Promise<void> {
    return this.#change("rmdir", path, async () => {
      const { parent, name } = await parentOf(this.#root, path);
      const node = await parent.find(name);
      if (node === undefined) throw new Refusal("ENOENT");
      if (node.kind !== "directory") throw new Refusal("ENOTDIR");
      if (parent.rmdir === undefined) throw new Refusal("EPERM", "it is always there");
      await parent.rmdir(name);
    });
  }

  /** The names in a directory, or its entries. */
  readdir(path: string, options?: { withFileTypes?: false | undefined }): Promise<string[]>;
  readdir(path: string, options: { withFileTypes: true }): Promise<TreeEntry[]>;
  async readdir(
    path: string,
    options: { withFileTypes?: boolean | undefined } = {},
  ): Promise<string[] | TreeEntry[]> {
    return guarded("scandir", path, async () => {
      const node = await nodeAt(this.#root, path);
      if (node.kind !== "directory") throw new Refusal("ENOTDIR");
      const names = [...(await node.names())];
      if (!options.withFileTypes) return names;
      const entries = await Promise.all(
        names.map(async (name) => {
          const found = await node.find(name);
          return found && entryOf(name, path, found);
        }),
      );
      return entries.filter((entry) => entry !== undefined);
    });
  }

  /** What an attribute, a disk or the file of a disc holds; in an encoding as text. */
  readFile(path: string, options?: null | { encoding?: null | undefined }): Promise<Uint8Array>;
  readFile(path: string, options: TextEncoding | { encoding: TextEncoding }): Promise<string>;
  async readFile(
    path: string,
    options?: TextEncoding | { encoding?: TextEncoding | null | undefined } | null,
  ): Promise<string | Uint8Array> {
    const encoding = typeof options === "string" ? options : options?.encoding;
    const bytes = await guarded("read", path, () => this.#readAll(path));
    return encoding ? bytes.toString(encoding) : bytes;
  }

  /** Writes an attribute's value, or to a disk from its start on. */
  async writeFile(path: string, data: string | Uint8Array): Promise<void> {
    await this.#change("write", path, async () => {
      const place = await walk(this.#root, path);
      if ("outside" in place) return host.writeFile(place.outside, data, { flag: "r+" });
      const { node } = place;
      if (node.kind === "directory") throw new Refusal("EISDIR");
      if (node.kind === "disk") {
        const handle = new DiskHandle(node.disk, path, true);
        await handle.writeFile(Buffer.from(data));
        return handle.close();
      }
      if (node.kind !== "attribute" || node.write === undefined) {
        throw new Refusal("EACCES", "it can only be read");
      }
      const bytes = Buffer.from(data);
      if (bytes.length > MAX_VALUE_BYTES) {
        throw new Refusal("EINVAL", `a value has at most ${MAX_VALUE_BYTES} bytes`);
      }
      await node.write(bytes.toString());
    });
  }

  /** Binds a function to the controller, or gives a disc a name in `/dev`. */
  symlink(target: string, path: string): Promise<void> {
    return this.#change("symlink", path, async () => {
      const { parent, name } = await parentOf(this.#root, path);
      if ((await parent.find(name)) !== undefined) throw new Refusal("EEXIST");
      if (parent.symlink === undefined) throw new Refusal("EPERM", "no link can be here");
      await parent.symlink(name, target);
    });
  }

  /** Takes a link away: unbinds a function, or forgets a disc's name in `/dev`. */
  unlink(path: string): Promise<void> {
    return this.#change("unlink", path, async () => {
      const { parent, name } = await parentOf(this.#root, path);
      const node = await parent.find(name);
      if (node === undefined) throw new Refusal("ENOENT");
      if (node.kind === "directory") throw new Refusal("EISDIR", "rmdir removes directories");
      if (parent.unlink === undefined || node.kind === "attribute") {
        throw new Refusal("EPERM", "it is there as long as its directory is");
      }
      await parent.unlink(name);
    });
  }

  /** Where a link points. */
  async readlink(path: string): Promise<string> {
    return guarded("readlink", path, async () => {
      const place = await walk(this.#root, path, false);
      if ("node" in place && place.node.kind === "link") return place.node.target;
      throw new Refusal("EINVAL", "it is no link");
    });
  }

  /** What a path leads to; of a disc's name in `/dev` the file. */
  async stat(path: string): Promise<TreeStats> {
    return guarded("stat", path, async () => {
      const place = await walk(this.#root, path);
      return "outside" in place ? host.stat(place.outside) : statsOf(place.node);
    });
  }

  /** What is at a path. */
  async lstat(path: string): Promise<TreeStats> {
    return guarded("lstat", path, async () => statsOf(await nodeAt(this.#root, path, false)));
  }

  /**
   * Opens a disk, or the file of a disc.
   *
   * @param flags - `r` or `r+`
   * @throws {@link ConfigError} `EINVAL` for an attribute, which is read and written as a whole, and for other flags
   */
  async open(path: string, flags: "r" | "r+" = "r"): Promise<OpenFile> {
    return guarded("open", path, async () => {
      if (flags !== "r" && flags !== "r+") {
        throw new Refusal("EINVAL", `flags ${JSON.stringify(flags)}: "r" or "r+" is wanted`);
      }
      const place = await walk(this.#root, path);
      if ("outside" in place) return host.open(place.outside, flags);
      if (place.node.kind === "directory") throw new Refusal("EISDIR");
      if (place.node.kind !== "disk") {
        throw new Refusal("EINVAL", "attributes are read and written as a whole");
      }
      if (flags === "r+" && place.node.disk.readOnly) {
        throw new Refusal("EACCES", "the disk may only be read");
      }
      return new DiskHandle(place.node.disk, path, flags === "r+");
    });
  }

  /** @internal Changes attributes of a disc as one; whether anything was changed. */
  configureDisc(path: string, wanted: DiscDocument): Promise<boolean> {
    return this.#change("write", path, async () => {
      const pciFunction = this.#pciEp?.function(posix.basename(posix.dirname(path)));
      const name = posix.basename(path);
      if (!pciFunction?.discs.includes(name)) throw new Refusal("ENOENT");
      return pciFunction.configureDisc(name, {
        discName: wanted.disc_name,
        partition: wanted.partition === undefined ? undefined : partitionText(wanted.partition),
        exportName: wanted.export_name,
        readOnly: wanted.read_only,
        queues: wanted.max_number_of_queues,
        faults: wanted.fault?.join(" "),
      });
    });
  }

  get #driver(): RootComplexSide {
    if (this.#side !== undefined) return this.#side;
    throw new Refusal("ENODEV", "the tree is of the endpoint's side alone");
  }

  /** Changes are made one after the other. */
  #change<T>(syscall: string, path: string, task: () => MaybePromise<T>): Promise<T> {
    const result = this.#last.then(() => guarded(syscall, path, task));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #makeDirectory(path: string, isContent: boolean): Promise<void> {
    const { parent, name } = await parentOf(this.#root, path);
    const node = await parent.find(name);
    const there = isContent && node?.kind === "link" ? await nodeAt(this.#root, path) : node;
    if (isContent && there?.kind === "directory") return;
    if (node !== undefined) throw new Refusal("EEXIST");
    if (parent.mkdir === undefined) throw new Refusal("EPERM", "no directory can be made here");
    checkEntryName(name);
    await parent.mkdir(name);
  }

  async #readAll(path: string): Promise<Buffer> {
    const place = await walk(this.#root, path);
    if ("outside" in place) return host.readFile(place.outside);
    const { node } = place;
    if (node.kind === "directory") throw new Refusal("EISDIR");
    if (node.kind === "disk") {
      const { sizeBytes } = node.disk;
      if (sizeBytes > MAX_READ_BYTES) {
        throw new Refusal("EFBIG", `the disk has ${sizeBytes} bytes: open() reads it in parts`);
      }
      const bytes = Buffer.alloc(sizeBytes);
      await node.disk.read(bytes, 0);
      return bytes;
    }
    if (node.kind !== "attribute") throw new Refusal("EACCES");
    return Buffer.from(await node.read());
  }

  get #root(): DirectoryNode {
    return rootDirectory({
      bus: this.#bus,
      controller: this.controller,
      dev: this.#dev,
      pciEp: this.#pciEp,
      side: this.#side,
    });
  }
}
