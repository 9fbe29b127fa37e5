// What `blockpt run` is to make: the config file and the options of the command line, as one.

import { type ConfigDocument, discKindOf } from "blockpt";
import { absoluteDiscName, CONFIG_ERROR, type ConfigFile } from "../config-file/config-file.js";
import type { BusDocument } from "../config-file/schema.js";
import { CliError } from "../failure.js";
import { parseSize } from "../sizes.js";
import type { DiscOption } from "./disc-option.js";

/** What is made. */
export interface Plan {
  readonly bus: BusDocument;
  readonly controller: string;
  readonly document: ConfigDocument;
  /** Discs to attach besides what the document says: those of the command line, or all. */
  readonly attach: "all" | readonly string[];
  /** An error of what stands at keys of the document: with its place in the file, or its option. */
  errorAt(keys: readonly string[], code: string, message: string): CliError;
}

export interface PlanOptions {
  readonly file?: ConfigFile | undefined;
  readonly discs: readonly DiscOption[];
  readonly controller?: string | undefined;
  /** Host memory that is wanted besides the disks' own. */
  readonly hostMemoryBytes?: number | undefined;
}

const DEFAULT_CONTROLLER = "44100000.pcie";
const DEFAULT_FUNCTION = "func1";
const MIB = 1024 * 1024;
/** Room for a queue of each of 16 discs: pages that nobody touches cost nothing. */
const DEFAULT_BAR_BYTES = MIB / 2;
const DEFAULT_HOST_MEMORY_BYTES = 64 * MIB;
const DEFAULT_ENDPOINT_MEMORY_BYTES = 1024 * MIB;
/** Memory discs take whole pages of this size. */
const PAGE_BYTES = 65536;

/** Makes one of the file and the options; throws a `CliError` where they contradict each other. */
export function planOf(options: PlanOptions): Plan {
  const { file, discs, controller: wanted, hostMemoryBytes = 0 } = options;
  const { bus = {}, ...given } = file?.document ?? {};
  const errorAt: Plan["errorAt"] = (keys, code, message) => {
    const option = keys[2] === "discs" ? discs.find(({ name }) => name === keys[3]) : undefined;
    if (option) return new CliError({ code, message: `${option.label}: ${message}` });
    return file?.errorAt(keys, code, message) ?? new CliError({ code, message });
  };
  const refuse = (keys: readonly string[], message: string): CliError =>
    errorAt(keys, CONFIG_ERROR, message);

  const names = Object.keys(given.controllers ?? {});
  const other = names.find((name) => name !== (wanted ?? names[0]));
  if (other !== undefined) {
    const why = wanted === undefined ? "a bus has one controller" : `--controller says ${wanted}`;
    throw refuse(["controllers", other], why);
  }
  const controller = wanted ?? names[0] ?? DEFAULT_CONTROLLER;
  const functions = { ...given.functions };
  const bound = given.controllers?.[controller] ?? {};
  const known = Object.keys(functions);
  const isBinding = given.controllers === undefined || discs.length > 0;
  if (isBinding && bound.function === undefined && known.length > 1) {
    throw refuse(["functions"], `controllers has to say which of ${known.join(", ")} is bound`);
  }
  const only = known[0] ?? (discs.length > 0 ? DEFAULT_FUNCTION : undefined);
  const functionName = bound.function ?? (isBinding ? only : undefined);
  if (functionName !== undefined && discs.length > 0) {
    functions[functionName] = withDiscs(functions[functionName], discs, (name) =>
      refuse(["functions", functionName, "discs", name], "the config file has a disc of that name"),
    );
  }
  const document: ConfigDocument = { ...given, functions };
  if (functionName !== undefined) {
    document.controllers = { [controller]: { start: true, ...bound, function: functionName } };
  }
  const attach = given.remote_disks === undefined ? "all" : discs.map(({ name }) => name);
  return {
    bus: withDefaults(bus, document, hostMemoryBytes),
    controller,
    document,
    attach,
    errorAt,
  };
}

function withDiscs(
  pciFunction: NonNullable<ConfigDocument["functions"]>[string] = {},
  discs: readonly DiscOption[],
  errorOf: (name: string) => CliError,
) {
  const all = { ...pciFunction.discs };
  for (const { name, disc } of discs) {
    if (Object.hasOwn(all, name)) throw errorOf(name);
    all[name] = { ...disc, disc_name: absoluteDiscName(disc.disc_name, process.cwd()) };
  }
  return { ...pciFunction, discs: all };
}

/** Where nothing is said: room for all discs, those in memory, too. */
function withDefaults(
  bus: BusDocument,
  document: ConfigDocument,
  hostMemoryBytes: number,
): BusDocument {
  let memoryBytes = 0;
  for (const { discs = {} } of Object.values(document.functions ?? {})) {
    for (const { disc_name } of Object.values(discs)) {
      const name = document.dev?.[disc_name.replace(/^\/dev\//, "")] ?? disc_name;
      const bytes =
        discKindOf(name) === "memory" ? (parseSize(name.slice("memory:".length)) ?? 0) : 0;
      memoryBytes += Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    }
  }
  return {
    bar_bytes: DEFAULT_BAR_BYTES,
    host_memory_bytes: DEFAULT_HOST_MEMORY_BYTES + hostMemoryBytes,
    endpoint_memory_bytes: Math.max(DEFAULT_ENDPOINT_MEMORY_BYTES, memoryBytes),
    ...bus,
  };
}
