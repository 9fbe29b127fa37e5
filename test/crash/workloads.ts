// The programs that are crashed: SQLite in each of its journal modes, ext4 with each size of blocks.

import { whyNotMounted } from "../nbd/mounted.js";
import { has, packageOf } from "../nbd/tools.js";
import { EXT4_TOOLS, recordExt4 } from "./ext4-recording.js";
import type { Recording } from "./recording.js";
import { JOURNAL_MODES, recordSqlite } from "./sqlite-recording.js";

/** How long a run is. */
const TRANSACTIONS = 40;
const LIVES = 3;
const THINGS = 40;

export interface Workload {
  readonly name: string;
  /** Why it cannot run here; undefined if it can. */
  whyNot(): string | undefined;
  /** Runs it once, and writes that down. */
  record(seed: number): Promise<Recorded>;
}

/** What was written down. */
export interface Recorded {
  readonly recordings: readonly Recording[];
  /** Removes what examinations need. */
  close(): Promise<void>;
}

const sqlite: readonly Workload[] = JOURNAL_MODES.map((journalMode) => ({
  name: `sqlite-${journalMode}`,
  whyNot: () => undefined,
  record: async (seed) => ({
    recordings: await recordSqlite({
      journalMode,
      seed,
      transactions: TRANSACTIONS,
      lives: LIVES,
    }),
    close: async () => {},
  }),
}));

const ext4: readonly Workload[] = ([1024, 4096] as const).map((blockBytes) => ({
  name: `ext4-${blockBytes}`,
  whyNot: whyNotExt4,
  record: async (seed) => {
    const recording = await recordExt4({ seed, things: THINGS, blockBytes });
    return { recordings: [recording], close: () => recording.close() };
  },
}));

function whyNotExt4(): string | undefined {
  const absent = EXT4_TOOLS.find((tool) => !has(tool));
  return absent === undefined
    ? whyNotMounted()
    : `no ${absent} here that works: Debian's package is ${packageOf(absent)}`;
}

export const WORKLOADS: readonly Workload[] = [...sqlite, ...ext4];
