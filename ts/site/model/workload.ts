// What a workload is to be like, and what of it makes no sense.

import type { Api, Pattern } from "../../workload/pattern.js";

/** How requests are made. */
export const MODES = ["promises", "page", "synchronous"] as const;
export type Mode = (typeof MODES)[number];

export const MODE_WORDS: Readonly<Record<Mode, string>> = {
  promises: "Promises, in a worker",
  page: "Promises, in this page",
  synchronous: "Synchronous, in a worker",
};

export interface WorkloadSettings {
  readonly mode: Mode;
  readonly isRandom: boolean;
  readonly readPercent: number;
  readonly blockBytes: number;
  readonly depth: number;
  readonly queues: number;
}

/** What loads are opened with. */
export interface LoadPlan {
  readonly api: Api;
  readonly pattern: Pattern;
  readonly readPercent: number;
  readonly blockBytes: number;
  readonly depth: number;
  readonly queues: number;
}

export const BLOCK_SIZES = [512, 4096, 16384, 65536, 131072, 524288, 1048576];
export const DEPTHS = [1, 2, 4, 8, 16, 32, 64, 128];

/** The API that a mode means: calls that block wait for each other, so more at once are lists that block. */
export function apiOf(mode: Mode, depth: number): Api {
  if (mode !== "synchronous") return "promise";
  return depth === 1 ? "sync" : "batch";
}

export function planOf(settings: WorkloadSettings): LoadPlan {
  const { mode, isRandom, readPercent, blockBytes, depth } = settings;
  return {
    api: apiOf(mode, depth),
    pattern: isRandom ? "randrw" : "rw",
    readPercent,
    blockBytes,
    depth,
    queues: mode === "page" ? 1 : settings.queues,
  };
}

/** What the disk that is attached allows. */
export interface DiskBounds {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Queues besides the page's own. */
  readonly workerQueues: number;
  readonly numDescriptors: number;
  readonly hostMemoryBytes: number;
}

/** Why a workload is not possible; undefined if it is. */
export function objection(settings: WorkloadSettings, disk: DiskBounds): string | undefined {
  const { queues, blockBytes, depth } = planOf(settings);
  if (disk.readOnly && settings.readPercent < 100) {
    return "The disk is read-only: set reads to 100 %.";
  }
  if (settings.mode !== "page" && queues > disk.workerQueues) {
    const has =
      disk.workerQueues === 0
        ? "no queue"
        : `${disk.workerQueues} queue${disk.workerQueues === 1 ? "" : "s"}`;
    return `The disk has ${has} for workers: export it with more.`;
  }
  if (depth > disk.numDescriptors - 1) {
    return `A queue of ${disk.numDescriptors} descriptors has at most ${disk.numDescriptors - 1} in flight.`;
  }
  if (disk.sizeBytes < blockBytes * queues) return "The disk is smaller than a block a queue.";
  if (2 * queues * depth * blockBytes > disk.hostMemoryBytes) {
    return "Block size times depth times queues is more than host memory holds.";
  }
  return undefined;
}
