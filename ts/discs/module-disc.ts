// A disc that the user writes: a module whose `openDisc` gives its source. It is imported where the disc is opened and in the
// thread of each queue, as functions cannot be posted.

import { BlockptError } from "../errors.js";
import type { ModuleDiscHandle } from "./disc.js";
import type { DiscSource } from "./disc-source.js";
import { factsOf, messageOf, SourceDisc, type SourceFacts } from "./source-disc.js";

/** Characters of a URL in messages. */
const MOST_SHOWN = 120;

/** How the disc of a module is opened. */
export interface ModuleDiscOptions {
  /** What `openDisc` gets: whatever can be posted to a thread, of which each call has a copy. Default: undefined. */
  data?: unknown;
  /** Refuse writes. Default false. */
  readOnly?: boolean | undefined;
}

/**
 * A disc of your own: a module that exports a function `openDisc(data)`, which gives a {@link DiscSource} or a promise of
 * one. The module is imported and `openDisc` called where the disc is opened, for its size and its partition table, and once in
 * the thread of each queue. So what they share has to be in `data`, as a `SharedArrayBuffer` or the name of something.
 *
 * ```ts
 * import type { DiscSource } from "blockpt";
 *
 * export function openDisc({ sizeBytes }: { sizeBytes: number }): DiscSource {
 *   return { sizeBytes, asynchronous: false, read: (into) => void into.fill(1) };
 * }
 * ```
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, ModuleDisc, RootComplex } from "blockpt";
 *
 * // Here in a data: URL; else new URL("./disc-in-memory.js", import.meta.url).
 * const program = `
 *   export function openDisc(memory) {
 *     const bytes = new Uint8Array(memory);
 *     return {
 *       sizeBytes: bytes.length,
 *       asynchronous: false,
 *       read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
 *       write: (from, offset) => bytes.set(from, offset),
 *     };
 *   }`;
 * const url = `data:text/javascript,${encodeURIComponent(program)}`;
 * const disc = await ModuleDisc.open(url, { data: new SharedArrayBuffer(1024 * 1024) });
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("mine", disc, { queues: 2 });
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("mine", { queues: 2, numDescriptors: 256 });
 * await disk.write(new TextEncoder().encode("hello".padEnd(512)), 4096);
 * const sector = new Uint8Array(512);
 * await disk.read(sector, 4096);
 * console.log(new TextDecoder().decode(sector).trim()); // hello
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export class ModuleDisc extends SourceDisc {
  readonly handle: ModuleDiscHandle;

  private constructor(handle: ModuleDiscHandle, source: DiscSource, facts: SourceFacts) {
    super(source, facts);
    this.handle = handle;
  }

  /**
   * Imports the module, and opens its disc.
   *
   * @param module - an absolute URL, as `new URL("./my-disc.js", import.meta.url)` is one
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no absolute URL, `data` that cannot be posted,
   * or blocks that no disc has; `ERR_BLOCKPT_DISC_OPEN` if the module cannot be imported, exports no `openDisc`, if that
   * throws, or gives what is no `DiscSource`; `ERR_BLOCKPT_DISC_SIZE` for a size that no disc has
   */
  static async open(module: URL | string, options: ModuleDiscOptions = {}): Promise<ModuleDisc> {
    const { readOnly = false } = options;
    const url = urlOf(module);
    const data = copyOf(url, options.data);
    const source = await openSource(url, structuredClone(data));
    try {
      const facts = factsOf(shown(url), source, readOnly);
      const { sizeBytes, logicalBlockBytes } = facts;
      const handle: ModuleDiscHandle = {
        kind: "module",
        url,
        data,
        sizeBytes,
        readOnly: facts.readOnly,
        logicalBlockBytes,
      };
      return new ModuleDisc(handle, source, facts);
    } catch (error) {
      await closeQuietly(source);
      throw error;
    }
  }

  /** @internal In the thread of a queue: its own source, which has to be of the same disc. */
  static async adopt(handle: ModuleDiscHandle): Promise<ModuleDisc> {
    const { url, data, readOnly } = handle;
    const source = await openSource(url, data);
    try {
      const facts = factsOf(shown(url), source, readOnly);
      for (const name of ["sizeBytes", "logicalBlockBytes", "readOnly"] as const) {
        if (facts[name] === handle[name]) continue;
        throw new BlockptError(
          "ERR_BLOCKPT_DISC_OPEN",
          `${shown(url)}: its ${name} is ${facts[name]} in the thread of a queue, and was ${handle[name]} ` +
            "when it was opened: openDisc has to give the same disc in every thread",
        );
      }
      return new ModuleDisc(handle, source, facts);
    } catch (error) {
      await closeQuietly(source);
      throw error;
    }
  }
}

function urlOf(module: URL | string): string {
  try {
    return new URL(module).href;
  } catch (cause) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `${JSON.stringify(module)} is no absolute URL of a module: ` +
        'new URL("./my-disc.js", import.meta.url) is one',
      { cause },
    );
  }
}

/** As a thread would get it. */
function copyOf(url: string, data: unknown): unknown {
  try {
    return structuredClone(data);
  } catch (cause) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `the data for ${shown(url)} cannot be posted to the threads of queues: ${messageOf(cause)}`,
      { cause },
    );
  }
}

async function openSource(url: string, data: unknown): Promise<DiscSource> {
  let openDisc: unknown;
  try {
    const module = await import(/* @vite-ignore */ /* webpackIgnore: true */ url);
    openDisc = (module as { openDisc?: unknown }).openDisc;
  } catch (cause) {
    const why = `${shown(url)} cannot be imported: ${messageOf(cause)}`;
    throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", why, { cause });
  }
  if (typeof openDisc !== "function") {
    const why = `${shown(url)} exports no function openDisc(data)`;
    throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", why);
  }
  try {
    return await openDisc(data);
  } catch (cause) {
    const why = `openDisc of ${shown(url)} failed: ${messageOf(cause)}`;
    throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", why, { cause });
  }
}

/** A data: URL has the whole module in it. */
function shown(url: string): string {
  return url.length <= MOST_SHOWN ? url : `${url.slice(0, MOST_SHOWN)}…`;
}

/** Of a source that is of no use, and may be anything. */
async function closeQuietly(source: unknown): Promise<void> {
  try {
    await (source as Partial<DiscSource> | undefined | null)?.close?.();
  } catch {
    // There is an error to report already.
  }
}
