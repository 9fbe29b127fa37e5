// The registers as rows that know how often they have changed, so that a change can be seen.

import { readRegisters } from "blockpt/abi";
import { type DecodedRegister, decodeRegisters } from "../../view/registers.js";

/** A register, and how often it was seen to change. */
export interface RegisterRow extends DecodedRegister {
  readonly changes: number;
}

/** The rows of a BAR; those of before say what is new. */
export function registerRows(bar: DataView, before: readonly RegisterRow[]): RegisterRow[] {
  const registers = readRegisters(bar);
  const decoded = decodeRegisters({ ...registers, numSectors: Number(registers.numSectors) });
  const known = new Map(before.map((row) => [row.name, row]));
  return decoded.map((register) => {
    const earlier = known.get(register.name);
    if (earlier === undefined) return { ...register, changes: 0 };
    if (earlier.value === register.value && earlier.meaning === register.meaning) return earlier;
    return { ...register, changes: earlier.changes + 1 };
  });
}

/** Whether any byte is another one; takes over what there is. */
export function takeChanges(kept: Uint8Array, live: Uint8Array): boolean {
  let changed = false;
  for (let at = 0; at < kept.length; at++) {
    if (kept[at] === live[at]) continue;
    kept[at] = live[at] as number;
    changed = true;
  }
  return changed;
}
