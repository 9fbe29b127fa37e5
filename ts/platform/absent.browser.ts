// What a browser has not.

import { BlockptError } from "../errors.js";

/** What asks for it is told what there is instead. */
export function absent(what: string, instead: string): BlockptError {
  return new BlockptError(
    "ERR_BLOCKPT_NOT_SUPPORTED",
    `${what}: a browser has no such thing; ${instead}`,
  );
}
