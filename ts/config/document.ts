// The config tree as one document, which a file can hold: what `blockpt run --config` applies and
// `blockpt dump` prints.

import { BlockptError } from "../errors.js";
import { ConfigError } from "./config-error.js";
import type { ConfigTree } from "./config-tree.js";
import { DEV } from "./dev.js";
import { FUNCTION_DRIVER, PCI_EP } from "./pci-ep.js";
import {
  FUNCTION_FIELDS,
  type FunctionField,
  type FunctionFields,
  partitionOf,
} from "./pci-function.js";
import { PCI_REMOTE_DISK } from "./pci-remote-disk.js";

/** A disc of a function, by the names of its attributes. */
export interface DiscDocument {
  /** A file, a block device, `memory:SIZE`, an NBD URI, the URL of an image, or a name of `dev` with `/dev/` before it. */
  disc_name: string;
  /** Number or UUID of the partition that is exported; empty for all of the disc. Default: that. */
  partition?: number | string | undefined;
  /** What the root complex sees, 1 to 63 bytes; empty for the disc's name, as Linux would have it. Default: that. */
  export_name?: string | undefined;
  /** Default false. */
  read_only?: boolean | undefined;
  /** 1 to 255. Default 1. */
  max_number_of_queues?: number | undefined;
  /** What goes wrong on it on purpose, as `parseFault` takes it; an empty list for nothing. Default: nothing. */
  fault?: readonly string[] | undefined;
}

/** A function, by the names of its attributes, and its discs. */
export interface FunctionDocument extends FunctionFields {
  /** By the names of their directories. */
  discs?: Record<string, DiscDocument> | undefined;
}

/** The state of a config tree. What it does not name stays as it is. */
export interface ConfigDocument {
  /** Names in `/dev` of the endpoint's discs, and what they are made of: a path, `memory:SIZE`, an NBD URI or the URL of an image. */
  dev?: Record<string, string> | undefined;
  /** By the names of their directories. */
  functions?: Record<string, FunctionDocument> | undefined;
  /** By their names. */
  controllers?: Record<string, ControllerDocument> | undefined;
  /** If it is there, even empty, the driver is loaded. By the names of the discs' directories. */
  remote_disks?: Record<string, RemoteDiskDocument> | undefined;
}

/** The endpoint's controller. */
export interface ControllerDocument {
  /** Which function is bound to it. */
  function?: string | undefined;
  /** Whether the link is up. */
  start?: boolean | undefined;
}

/** A disc as the root complex has it. */
export interface RemoteDiskDocument {
  /** What the disk is called here. Default `pci-rd-` and the last component of its name. */
  local_name?: string | undefined;
  /** Whether it is attached. */
  attach?: boolean | undefined;
}

/** A document could not be applied. `cause` is the error of what was tried. */
export class DocumentError extends Error {
  /** `DocumentError`. */
  override readonly name = "DocumentError";
  /** The keys that lead to what could not be applied, from the top. */
  readonly keys: readonly string[];

  /** @internal */
  constructor(keys: readonly string[], cause: Error) {
    super(`${keys.join(".")}: ${cause.message}`, { cause });
    this.keys = keys;
  }
}

const FUNCTIONS = `${PCI_EP}/functions/${FUNCTION_DRIVER}`;

/**
 * Brings a tree into the state that a document describes, and changes nothing that is so already: a second
 * time it changes nothing. What was changed before something failed stays changed.
 *
 * @returns the paths that were changed, in order
 * @throws {@link DocumentError} at the first thing that cannot be so
 *
 * @example
 * ```ts
 * import { applyDocument, ConfigTree, createBus, dumpDocument } from "blockpt";
 *
 * const tree = ConfigTree.create(await createBus());
 * const document = {
 *   functions: { func1: { discs: { ram0: { disc_name: "memory:1M" } } } },
 *   controllers: { "44100000.pcie": { function: "func1", start: true } },
 *   remote_disks: { ram0: { attach: true } },
 * };
 * await applyDocument(tree, document);
 * console.log(tree.rootComplex?.disks[0]?.sectors); // 2048
 * console.log(await applyDocument(tree, await dumpDocument(tree))); // []
 * await tree.close();
 * ```
 */
export async function applyDocument(tree: ConfigTree, document: ConfigDocument): Promise<string[]> {
  const application = new Application(tree);
  await application.apply(document);
  return application.changed;
}

/** The state of a tree as a document. */
export async function dumpDocument(tree: ConfigTree): Promise<ConfigDocument> {
  const document: ConfigDocument = {};
  const value = async (path: string): Promise<string> =>
    (await tree.readFile(path, "utf8")).replace(/\n$/, "");
  const isThere = async (path: string): Promise<boolean> =>
    tree.lstat(path).then(
      () => true,
      () => false,
    );

  const devices = await tree.readdir(DEV, { withFileTypes: true });
  const links = devices.filter((entry) => entry.isSymbolicLink());
  if (links.length > 0) {
    const targets = links.map(async ({ name }) => [name, await tree.readlink(`${DEV}/${name}`)]);
    document.dev = Object.fromEntries(await Promise.all(targets));
  }
  if (await isThere(PCI_EP)) {
    document.functions = await byName(await tree.readdir(FUNCTIONS), (name) =>
      dumpFunction(tree, `${FUNCTIONS}/${name}`, value),
    );
    const controllers = await tree.readdir(`${PCI_EP}/controllers`);
    document.controllers = await byName(controllers, async (name) => {
      const path = `${PCI_EP}/controllers/${name}`;
      const bound = (await tree.readdir(path)).find((entry) => entry !== "start");
      const start = (await value(`${path}/start`)) === "1";
      return bound === undefined ? { start } : { function: bound, start };
    });
  }
  if (await isThere(PCI_REMOTE_DISK)) {
    document.remote_disks = await byName(await tree.readdir(PCI_REMOTE_DISK), async (name) => ({
      local_name: await value(`${PCI_REMOTE_DISK}/${name}/local_name`),
      attach: (await value(`${PCI_REMOTE_DISK}/${name}/attach`)) === "1",
    }));
  }
  return document;
}

async function dumpFunction(
  tree: ConfigTree,
  path: string,
  value: (path: string) => Promise<string>,
): Promise<FunctionDocument> {
  const result: FunctionDocument = {};
  for (const field of Object.keys(FUNCTION_FIELDS) as FunctionField[]) {
    result[field] = Number(await value(`${path}/${field}`));
  }
  const entries = await tree.readdir(path, { withFileTypes: true });
  const directories = entries.filter((entry) => entry.isDirectory());
  const names = directories.map(({ name }) => name);
  const discs = await byName(names, async (name): Promise<DiscDocument> => {
    const attribute = (key: string): Promise<string> => value(`${path}/${name}/${key}`);
    const partition = await attribute("partition");
    const exportName = await attribute("export_name");
    const fault = await attribute("fault");
    return {
      disc_name: await attribute("disc_name"),
      ...(partition === "" ? {} : { partition: partitionOf(partition) }),
      ...(exportName === "" ? {} : { export_name: exportName }),
      read_only: (await attribute("read_only")) === "1",
      max_number_of_queues: Number(await attribute("max_number_of_queues")),
      ...(fault === "" ? {} : { fault: fault.split("\n") }),
    };
  });
  return { ...result, discs };
}

/** One after the other; `__proto__` is a name like any other. */
async function byName<T>(
  names: readonly string[],
  dump: (name: string) => Promise<T>,
): Promise<Record<string, T>> {
  const entries: [string, T][] = [];
  for (const name of names) entries.push([name, await dump(name)]);
  return Object.fromEntries(entries);
}

/** One application of a document. */
class Application {
  /** The paths that were changed. */
  readonly changed: string[] = [];
  readonly #tree: ConfigTree;

  constructor(tree: ConfigTree) {
    this.#tree = tree;
  }

  async apply(document: ConfigDocument): Promise<void> {
    for (const [name, target] of Object.entries(document.dev ?? {})) {
      await this.#at(["dev", name], () => this.#name(`${DEV}/${name}`, target));
    }
    for (const [name, wanted] of Object.entries(document.functions ?? {})) {
      await this.#function(name, wanted);
    }
    for (const [name, wanted] of Object.entries(document.controllers ?? {})) {
      await this.#controller(name, wanted);
    }
    if (document.remote_disks === undefined) return;
    if (!this.#tree.driverLoaded) {
      await this.#at(["remote_disks"], () => this.#tree.loadDriver());
      this.changed.push(PCI_REMOTE_DISK);
    }
    for (const [name, wanted] of Object.entries(document.remote_disks)) {
      const path = `${PCI_REMOTE_DISK}/${name}`;
      const keys = ["remote_disks", name];
      await this.#set(keys, path, "local_name", wanted.local_name);
      await this.#set(keys, path, "attach", wanted.attach);
    }
  }

  async #name(path: string, target: string): Promise<void> {
    const before = await this.#tree.readlink(path).catch(() => undefined);
    if (before === target) return;
    if (before !== undefined) await this.#tree.unlink(path);
    await this.#tree.symlink(target, path);
    this.changed.push(path);
  }

  async #function(name: string, { discs = {}, ...fields }: FunctionDocument): Promise<void> {
    const keys = ["functions", name];
    const path = `${FUNCTIONS}/${name}`;
    await this.#directory(keys, path);
    for (const [field, value] of Object.entries(fields)) {
      await this.#set(keys, path, field, value);
    }
    for (const [discName, disc] of Object.entries(discs)) {
      const discKeys = [...keys, "discs", discName];
      const discPath = `${path}/${discName}`;
      await this.#directory(discKeys, discPath);
      await this.#at(discKeys, async () => {
        // As one: a partition makes sense with its disc.
        if (await this.#tree.configureDisc(discPath, disc)) this.changed.push(discPath);
      });
    }
  }

  async #controller(name: string, wanted: ControllerDocument): Promise<void> {
    const keys = ["controllers", name];
    const path = `${PCI_EP}/controllers/${name}`;
    const entries = await this.#at(keys, () => this.#tree.readdir(path));
    const bound = entries.find((entry) => entry !== "start");
    let { start } = wanted;
    if (wanted.function !== undefined && wanted.function !== bound) {
      if (bound !== undefined) {
        start ??= this.#tree.endpoint?.started;
        await this.#set(keys, path, "start", false);
        await this.#at(keys, () => this.#tree.unlink(`${path}/${bound}`));
      }
      const link = `${path}/${wanted.function}`;
      const target = `${FUNCTIONS}/${wanted.function}`;
      await this.#at([...keys, "function"], () => this.#tree.symlink(target, link));
      this.changed.push(link);
    }
    await this.#set(keys, path, "start", start);
  }

  async #directory(keys: readonly string[], path: string): Promise<void> {
    await this.#at(keys, async () => {
      const stats = await this.#tree.lstat(path).catch(() => undefined);
      if (stats?.isDirectory()) return;
      await this.#tree.mkdir(path);
      this.changed.push(path);
    });
  }

  async #set(
    keys: readonly string[],
    directory: string,
    name: string,
    value: string | number | boolean | undefined,
  ): Promise<void> {
    if (value === undefined) return;
    await this.#at([...keys, name], async () => {
      const path = `${directory}/${name}`;
      const text = (await this.#tree.readFile(path, "utf8")).replace(/\n$/, "");
      const before = typeof value === "string" ? text : Number(text);
      if (before === (typeof value === "string" ? value : Number(value))) return;
      await this.#tree.writeFile(path, String(typeof value === "boolean" ? Number(value) : value));
      this.changed.push(path);
    });
  }

  async #at<T>(keys: readonly string[], task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      if (error instanceof ConfigError || error instanceof BlockptError) {
        throw new DocumentError(keys, error);
      }
      throw error;
    }
  }
}
