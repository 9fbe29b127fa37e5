// All vectors, in the order of the protocol's sections.

import type { ConformanceVector } from "../vector.js";
import { DESCRIPTORS } from "./descriptors.js";
import { EXTENSION } from "./extension.js";
import { IDENTITY } from "./identity.js";
import { INTERRUPTS } from "./interrupts.js";
import { QUEUES } from "./queues.js";
import { RINGS } from "./rings.js";

/**
 * What the protocol asks of an endpoint, clause by clause; data alone, of which `JSON.stringify` makes something for
 * programs in other languages.
 */
export const CONFORMANCE_VECTORS: readonly ConformanceVector[] = [
  ...IDENTITY,
  ...QUEUES,
  ...DESCRIPTORS,
  ...RINGS,
  ...INTERRUPTS,
  ...EXTENSION,
].sort((one, other) => Number(one.section) - Number(other.section));
