// `blockpt trace replay`: one side of a trace once more, and what came out otherwise.

import { type EngineChoice, traceScript } from "blockpt";
import type { Cleanup } from "../cleanup.js";
import { CliError } from "../failure.js";
import { createScreen } from "../screen.js";
import type { Outcome } from "./outcome.js";
import type { Timing } from "./pace.js";
import { openTraceFile } from "./read.js";
import { replayEndpoint } from "./replay-endpoint.js";
import { replayRootComplex } from "./replay-root-complex.js";

export interface ReplayCommandOptions {
  readonly side: "root-complex" | "endpoint";
  readonly disc?: ReadonlyMap<string, string>;
  readonly timing: Timing;
  readonly seed: number;
  readonly engine?: EngineChoice;
  readonly json?: true;
}

/** Differences that are told one by one. */
const MOST_SHOWN = 20;

export async function replayTrace(
  path: string,
  options: ReplayCommandOptions,
  cleanup: Cleanup,
): Promise<void> {
  const contents = openTraceFile(path);
  const script = traceScript(contents);
  if (script.discs.length === 0) {
    throw new CliError({
      code: "ERR_TRACE_REPLAY",
      message: `${path} has no GET_DEVICES that was answered: there is nothing to replay`,
    });
  }
  if (script.lost > 0) {
    const why = "what depends on them may come out otherwise";
    process.stderr.write(`blockpt: ${path} lacks ${script.lost} records that were lost: ${why}\n`);
  }
  const { side, timing, seed, engine, disc: discs = new Map<string, string>() } = options;
  const wanted = { timing, seed, engine, discs };
  const outcome =
    side === "root-complex"
      ? await replayRootComplex(contents.header, script, wanted, cleanup)
      : await replayEndpoint(script, wanted, cleanup);
  if (options.json) {
    const { commands, requests, notCompared, differences } = outcome;
    const report = { side, commands, requests, notCompared, differences };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    const screen = createScreen(false, cleanup);
    for (const line of linesOf(outcome)) screen.line(line);
  }
  const { length } = outcome.differences;
  if (length === 0) return;
  const what = length === 1 ? "1 answer differs" : `${length} answers differ`;
  throw new CliError({ code: "ERR_TRACE_DIFFERS", message: `${what} from what ${path} has` });
}

function linesOf({ commands, requests, notCompared, differences }: Outcome): string[] {
  const shown = differences.slice(0, MOST_SHOWN).map(({ timeUs, what, recorded, replayed }) => {
    return `${(timeUs / 1e6).toFixed(6)}  ${what}: was ${recorded}, is ${replayed}`;
  });
  const more = differences.length - shown.length;
  return [
    `replayed ${commands} commands and ${requests} requests: ${differences.length} differences`,
    ...(notCompared === 0 ? [] : [`${notCompared} requests have no status to compare`]),
    ...shown,
    ...(more === 0 ? [] : [`and ${more} more`]),
  ];
}
