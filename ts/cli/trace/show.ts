// `blockpt trace show`: a line a record.

import type { Cleanup } from "../cleanup.js";
import { createScreen } from "../screen.js";
import { type FilterOptions, isWanted, openTraceFile } from "./read.js";
import { Words } from "./words.js";

export interface ShowOptions extends FilterOptions {
  readonly tail?: number;
  readonly json?: true;
}

/** Lines that are written at once. */
const BATCH = 1024;

export async function showTrace(
  path: string,
  options: ShowOptions,
  cleanup: Cleanup,
): Promise<void> {
  const contents = openTraceFile(path);
  const { colors } = createScreen(false, cleanup);
  const words = new Words(colors);
  const { tail = Number.POSITIVE_INFINITY, json = false } = options;
  let lines: string[] = json ? [] : [Words.head];
  for (const record of contents.inOrder()) {
    const line = json ? undefined : words.lineOf(record);
    if (!isWanted(record, options)) continue;
    lines.push(line ?? JSON.stringify(record));
    if (tail === Number.POSITIVE_INFINITY) {
      if (lines.length >= BATCH) await write(lines.splice(0));
    } else if (lines.length >= 2 * tail + BATCH) {
      lines = lines.slice(-tail);
    }
  }
  await write(tail === Number.POSITIVE_INFINITY ? lines : lines.slice(-tail));
}

/** Waits for whoever reads: a trace is larger than what a pipe holds. */
async function write(lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  await new Promise<void>((resolve) => {
    process.stdout.write(`${lines.join("\n")}\n`, () => resolve());
  });
}
