// The errors of the system by number and in words: Node's, of this machine.

import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";

/** The number of an error, below 0; undefined for what is none. */
export function errnoOf(code: string): number | undefined {
  const number = constants.errno[code as keyof typeof constants.errno];
  return number === undefined ? undefined : -number;
}

/** An error in words. */
export function errorText(errno: number): string | undefined {
  return getSystemErrorMap().get(errno)?.[1];
}
