// `blockpt conformance`: an endpoint against the protocol, clause by clause.

import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Bus, type BusOptions, createBus, Endpoint, MemoryDisc, readTraceFile } from "blockpt";
import {
  type ClauseReport,
  CONFORMANCE_VECTORS,
  type ConformanceVector,
  checkConformance,
  vectorOfTrace,
} from "blockpt/testing";
import { type Command, InvalidArgumentError } from "commander";
import type { CommandContext } from "./demo.js";
import { engineOption } from "./engine-option.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { CliError, failureOf } from "./failure.js";
import { createScreen, type Screen } from "./screen.js";

interface ConformanceCliOptions {
  readonly endpoint?: string;
  readonly engine?: BusOptions["engine"];
  readonly section?: readonly string[];
  readonly trace?: readonly string[];
  readonly list?: true;
  readonly json?: true;
}

/** What a module of --endpoint exports. */
interface EndpointModule {
  readonly startEndpoint?: (bus: Bus) => unknown;
}

const MIB = 1024 * 1024;
/** Of what --trace takes. */
const RECORDED = "recorded";
const SECTIONS = [...new Set(CONFORMANCE_VECTORS.map(({ section }) => section)), RECORDED];
const MOST_CLAUSE = 36;

const HELP = `
A module of --endpoint exports a function that starts an endpoint on a bus, and may give what ends it:

  export async function startEndpoint(bus) {
    …
    return { close() { … } };
  }

What it exports is written to. A disc of 1 MiB or more that may be written is needed; clauses about a
second one, one that may only be read, several queues, or operations that are not offered are skipped
where there is no such thing. Without --endpoint the library's own is checked.

--trace takes what was recorded as one clause more: commands and requests are given as they were, and
their statuses have to be what they were. The trace's discs are the endpoint's, in the order of its list.

Examples:
  $ blockpt conformance                             the library's endpoint
  $ blockpt conformance --endpoint ./my-endpoint.js
  $ blockpt conformance --section 3 --section 5
  $ blockpt conformance --trace session.trace --section recorded --endpoint ./my-endpoint.js
  $ blockpt conformance --json | jq '.clauses[] | select(.outcome == "failed")'
  $ blockpt conformance --list --json > vectors.json
                                                    what is checked, for a program of yours
`;

export function addConformanceCommand(program: Command, context: CommandContext): void {
  program
    .command("conformance")
    .description("check an endpoint against the protocol, clause by clause")
    .option("--endpoint <module>", "a module that starts the endpoint (default: the library's own)")
    .option("--section <number>", `only this section: ${SECTIONS.join(", ")}`, collectSections)
    .option("--trace <file>", "a recorded session as one clause more; may be given again", collect)
    .addOption(engineOption())
    .option("--list", "print what is checked, and check nothing")
    .option("--json", "print one JSON document, and nothing else, on stdout")
    .addHelpText("after", HELP + EXIT_CODES_HELP)
    .action((options: ConformanceCliOptions) => conformance(options, context));
}

async function conformance(
  options: ConformanceCliOptions,
  { cleanup }: CommandContext,
): Promise<void> {
  const { section: sections = SECTIONS, json = false, engine } = options;
  const recorded = (options.trace ?? []).map((path) =>
    vectorOfTrace(readTraceFile(path), { name: basename(path) }),
  );
  const vectors = [...CONFORMANCE_VECTORS, ...recorded].filter(({ section }) =>
    sections.includes(section),
  );
  if (vectors.length === 0) {
    const message = "--section recorded is about what --trace FILE takes, and none is given";
    throw new CliError({ code: "ERR_CONFORMANCE", message });
  }
  const screen = createScreen(json, cleanup);
  if (options.list) return list(vectors, screen, json);
  const bus = await createBus({ engine });
  const close = await start(bus, options.endpoint);
  const closed = cleanup.add(close);
  const steps = screen.steps(vectors.length);
  let done = 0;
  const onClause = ({ clause }: ClauseReport): void =>
    steps.update(++done, clause.slice(0, MOST_CLAUSE));
  const clauses = await checkConformance(bus, { vectors, onClause }).finally(steps.stop);
  closed();
  await close();
  if (json)
    process.stdout.write(`${JSON.stringify({ engine: bus.engine.kind, clauses }, null, 2)}\n`);
  else show(clauses, screen);
  const failed = clauses.filter(({ outcome }) => outcome === "failed").length;
  if (failed === 0) return;
  const message = `${failed} of ${clauses.length} clauses are not kept`;
  throw new CliError({ code: "ERR_CONFORMANCE", message });
}

/** Starts the endpoint; gives what ends it. */
async function start(bus: Bus, path: string | undefined): Promise<() => Promise<void>> {
  if (path !== undefined) return startModule(bus, path);
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 2 * MIB), { queues: 2 });
  await endpoint.exportDisc("ram1", MemoryDisc.create(bus, MIB));
  await endpoint.exportDisc("rom0", MemoryDisc.create(bus, MIB), { readOnly: true });
  await endpoint.start();
  return () => endpoint.close();
}

async function startModule(bus: Bus, path: string): Promise<() => Promise<void>> {
  let module: EndpointModule;
  try {
    module = (await import(pathToFileURL(resolve(path)).href)) as EndpointModule;
  } catch (error) {
    const message = `--endpoint ${path} cannot be loaded: ${failureOf(error).message}`;
    throw new CliError({ code: "ERR_ENDPOINT_MODULE", message });
  }
  if (typeof module.startEndpoint !== "function") {
    const message = `--endpoint ${path} has to export a function startEndpoint(bus)`;
    throw new CliError({ code: "ERR_ENDPOINT_MODULE", message });
  }
  const started = (await module.startEndpoint(bus)) as { close?: () => unknown } | undefined;
  return async () => {
    await started?.close?.();
  };
}

function list(vectors: readonly ConformanceVector[], screen: Screen, json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify({ vectors }, null, 2)}\n`);
  eachSection(vectors, screen, ({ clause }) => screen.line(`  ${clause}`));
}

function show(clauses: readonly ClauseReport[], screen: Screen): void {
  const { dim, green, red } = screen.colors;
  eachSection(clauses, screen, ({ outcome, clause, why, step }) => {
    if (outcome === "skipped") screen.line(`  ${dim("skipped")} ${clause} ${dim(`(${why})`)}`);
    else if (outcome === "passed") screen.line(`  ${green("ok     ")} ${clause}`);
    else screen.line(`  ${red("FAILED ")} ${clause}\n          step ${step}: ${why}`);
  });
  const count = (outcome: string): number =>
    clauses.filter((each) => each.outcome === outcome).length;
  screen.line(
    `\n${count("passed")} clauses kept, ${count("failed")} not, ${count("skipped")} skipped`,
  );
}

function eachSection<T extends { readonly section: string }>(
  all: readonly T[],
  screen: Screen,
  line: (each: T) => void,
): void {
  for (const section of SECTIONS) {
    const those = all.filter((each) => each.section === section);
    if (those.length > 0) screen.heading(section === RECORDED ? "Recorded" : `Section ${section}`);
    for (const each of those) line(each);
  }
}

function collect(path: string, before: readonly string[] = []): string[] {
  return [...before, path];
}

function collectSections(text: string, before: readonly string[] = []): string[] {
  if (SECTIONS.includes(text)) return [...before, text];
  throw new InvalidArgumentError(`The sections with clauses are ${SECTIONS.join(", ")}.`);
}
