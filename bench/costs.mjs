// What things cost besides requests: waking who sleeps, the memory of a queue, the start, the IOMMU. Sections of the
// benchmark, each with what is aimed at in its notes.

import { iommu } from "./costs/iommu.mjs";
import { size } from "./costs/size.mjs";
import { start } from "./costs/start.mjs";
import { wake } from "./costs/wake.mjs";

/** @type {import("./rounds.mjs").Section[]} */
export const costs = [wake, size, start, iommu];
