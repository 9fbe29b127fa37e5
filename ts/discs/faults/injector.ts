// Which faults befall a request, by the rules of a disc as they are at that moment.

import { SECTOR_BYTES } from "../../abi/layout.js";
import { chance } from "../chance.js";
import type { Fault, FaultOperation } from "./fault.js";
import type { FaultTable } from "./table.js";

/** Numbers of chance of one request: the first says whether anything befalls it, those behind what. */
const BEFALLS = 0;
const WHAT = 1;

/** What befalls one request. */
export interface Mishap {
  /** How long it waits, in milliseconds. */
  waitMs: number;
  /** What decides on its answer; undefined if nothing does. */
  fault: Fault | undefined;
  /** A number of chance for `fault`: each `which` gives another. */
  chanceOf(which: number): number;
}

export class Injector {
  readonly table: FaultTable;
  /** The rules, as they were looked at last. */
  #faults: readonly Fault[] = [];
  #mayStall = false;

  constructor(table: FaultTable) {
    this.table = table;
  }

  /**
   * What befalls a request; undefined if nothing does.
   *
   * @param hasFua - whether a write is to be on stable storage: what a lost flush can befall
   */
  next(
    operation: FaultOperation,
    lenBytes: number,
    offsetBytes: number,
    hasFua = false,
  ): Mishap | undefined {
    const { faults } = this.table;
    if (faults !== this.#faults) {
      this.#faults = faults;
      this.#mayStall = faults.some(({ kind }) => kind === "stall");
    }
    let mishap: Mishap | undefined;
    for (let index = 0; index < faults.length; index++) {
      const fault = faults[index] as Fault;
      if (!concerns(fault, operation, lenBytes, offsetBytes, hasFua)) continue;
      const seed = fault.seed ?? index + 1;
      const count = this.table.countSeen(index);
      if (!isChosen(fault, seed, count) || !this.table.countHit(index, fault.times)) continue;
      if (fault.kind === "stall") this.table.stall(fault.durationMs);
      else {
        mishap ??= { waitMs: 0, fault: undefined, chanceOf: () => 0 };
        if (fault.kind === "delay") mishap.waitMs += fault.durationMs;
        else {
          mishap.fault = fault;
          mishap.chanceOf = (which) => chance(seed, count, WHAT + which);
          break;
        }
      }
    }
    if (mishap === undefined && this.#mayStall && this.table.stalledMs > 0) {
      return { waitMs: 0, fault: undefined, chanceOf: () => 0 };
    }
    return mishap;
  }
}

/** How many bytes of a torn write are written. */
export function keptBytes({ fault, chanceOf }: Mishap, lenBytes: number): number {
  const sectors = lenBytes / SECTOR_BYTES;
  const keep = fault?.keepSectors ?? chanceOf(0) % sectors;
  return Math.min(keep, sectors) * SECTOR_BYTES;
}

/** Turns bits of what was read around, no bit twice. */
export function corrupt({ fault, chanceOf }: Mishap, bytes: Uint8Array): void {
  const turned = new Set<number>();
  const count = Math.min(fault?.bits ?? 0, bytes.length * 8);
  for (let which = 0; turned.size < count; which++) {
    const bit = chanceOf(which) % (bytes.length * 8);
    if (turned.has(bit)) continue;
    turned.add(bit);
    bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7));
  }
}

function concerns(
  { kind, operations, firstSector, lastSector }: Fault,
  operation: FaultOperation,
  lenBytes: number,
  offsetBytes: number,
  hasFua: boolean,
): boolean {
  if (!operations.includes(operation)) return false;
  if (kind === "lost-flush" && operation === "write" && !hasFua) return false;
  if (firstSector === undefined && lastSector === undefined) return true;
  const first = offsetBytes / SECTOR_BYTES;
  const last = first + lenBytes / SECTOR_BYTES - 1;
  // A flush has no sector.
  return last >= first && last >= (firstSector ?? 0) && first <= (lastSector ?? last);
}

function isChosen({ after, every, probability }: Fault, seed: number, count: number): boolean {
  if (count <= after || (count - after) % every !== 0) return false;
  return probability === 1 || chance(seed, count, BEFALLS) < probability * 2 ** 32;
}
