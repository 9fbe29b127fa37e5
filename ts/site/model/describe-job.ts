// A job of the comparison in a line.

import { formatSize } from "../../view/size.js";
import type { ComparisonJob } from "./comparison.js";

export function describeJob({ mode, blockBytes, depth }: ComparisonJob): string {
  const how =
    mode === "synchronous" ? (depth === 1 ? "blocking calls" : "blocking lists") : "promises";
  return `${formatSize(blockBytes)}, depth ${depth}, ${how}`;
}
