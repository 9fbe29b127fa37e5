// The discs that an endpoint exports, in the order in which the root complex sees them; none that could not be told from
// another one, or would be written behind another one's back.

import { MAX_DEVICES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import { type Disc, isDisc } from "../discs/disc.js";
import { FaultTable } from "../discs/faults/table.js";
import { isPartOf } from "../discs/wrapped-disc.js";
import { BlockptError, checkInteger } from "../errors.js";
import type { ExportChanges, ExportOptions } from "./endpoint-options.js";
import { checkDiscName, ExportedDisc } from "./exported-disc.js";

const MAX_QUEUES = 255;

export class ExportList {
  readonly #bus: Bus;
  readonly #exports = new Map<string, ExportedDisc>();

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  get names(): string[] {
    return [...this.#exports.keys()];
  }

  get all(): ExportedDisc[] {
    return [...this.#exports.values()];
  }

  get entries(): [string, ExportedDisc][] {
    return [...this.#exports];
  }

  /** Throws where there is none of the name. */
  named(name: string): ExportedDisc {
    const exported = this.#exports.get(name);
    if (exported !== undefined) return exported;
    throw new BlockptError("ERR_BLOCKPT_NO_SUCH_DISC", `${name} is not exported`);
  }

  add(name: string, disc: Disc, options: ExportOptions): void {
    if (this.#exports.has(name)) {
      throw new BlockptError("ERR_BLOCKPT_EXISTS", `${name} is exported already`);
    }
    if (this.#exports.size === MAX_DEVICES) {
      throw new BlockptError(
        "ERR_BLOCKPT_TOO_MANY_DISCS",
        `${name}: an endpoint exports at most ${MAX_DEVICES} discs`,
      );
    }
    this.#exports.set(name, this.#make(name, disc, options));
  }

  /** Changes an export that nobody is attached to; nothing if that fails. */
  change(name: string, changes: ExportChanges): void {
    const before = this.#unattached(name);
    const { disc = before.disc, discName, queues, readOnly, dma, faults } = changes;
    const { options } = before;
    const after = this.#make(
      name,
      disc,
      {
        discName: discName ?? options.discName,
        queues: queues ?? options.queues,
        readOnly: readOnly ?? options.readOnly,
        dma: dma ?? options.dma,
        faults,
      },
      before,
    );
    // Its key keeps its place.
    this.#exports.set(name, after);
    if (disc !== before.disc) before.disc.close();
  }

  /** Takes an export from the list that nobody is attached to, and closes its disc. */
  remove(name: string): void {
    const { disc } = this.#unattached(name);
    this.#exports.delete(name);
    disc.close();
  }

  /** Empties the list; gives what was on it. */
  clear(): [string, ExportedDisc][] {
    const { entries } = this;
    this.#exports.clear();
    return entries;
  }

  #unattached(name: string): ExportedDisc {
    const exported = this.named(name);
    if (!exported.started) return exported;
    throw new BlockptError("ERR_BLOCKPT_BUSY", `${name} is attached: detach it first`);
  }

  /** Checks what is to be exported against all others; `replaced` is the one in whose place it comes. */
  #make(name: string, disc: Disc, options: ExportOptions, replaced?: ExportedDisc): ExportedDisc {
    const { discName = `/dev/${name}`, queues = 1, readOnly = false, dma = true } = options;
    const { faults } = options;
    checkInteger("queues", queues, 1, MAX_QUEUES);
    checkDiscName(discName);
    this.#checkDisc(name, disc);
    if (disc.maxQueues !== undefined && queues > disc.maxQueues) {
      throw new BlockptError(
        "ERR_BLOCKPT_INVALID_ARGUMENT",
        `${name}: queues is ${queues}, and that disc bears ${disc.maxQueues} at most`,
      );
    }
    for (const other of this.#exports.values()) {
      if (other === replaced) continue;
      if (other.discName === discName) {
        const why = `${name}: ${discName} is exported already, and the root complex knows discs by these names`;
        throw new BlockptError("ERR_BLOCKPT_EXISTS", why);
      }
      if (isPartOf(other.disc, disc) || isPartOf(disc, other.disc)) {
        const why = `${name}: that disc, or what it is a partition of, is exported already`;
        throw new BlockptError("ERR_BLOCKPT_EXISTS", why);
      }
    }
    const table = (faults === undefined && replaced?.faults) || new FaultTable();
    if (faults !== undefined) table.replace(faults);
    return new ExportedDisc(disc, { discName, queues, readOnly, dma }, table);
  }

  #checkDisc(name: string, disc: Disc): void {
    if (!isDisc(disc)) {
      throw new BlockptError(
        "ERR_BLOCKPT_INVALID_ARGUMENT",
        `${name}: a disc is wanted, as await FileDisc.open("disk.img") gives one`,
      );
    }
    if (!disc.isOn(this.#bus)) {
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", `${name}: the disc is on another bus`);
    }
  }
}
