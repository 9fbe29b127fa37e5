// The option --disc, NAME=PATH[,ro][,queues=N][,partition=P][,name=EXPORT_NAME][,fault=FAULT]..., and the discs of `blockpt serve`.

import { posix } from "node:path";
import {
  BlockptError,
  type DiscDocument,
  discKindOf,
  exportedName,
  parseFault,
  printFault,
} from "blockpt";
import { parseNbdUri } from "blockpt/nbd";
import { InvalidArgumentError } from "commander";
import { isEntryName } from "../config-file/schema.js";
import { PARTITION, parseDiscPath, type Setting } from "../disc-path.js";

/** A disc of the command line. */
export interface DiscOption {
  /** What its directory is called. */
  readonly name: string;
  /** What errors call it. */
  readonly label: string;
  readonly disc: DiscDocument;
}

/** How it is written, for help and messages. */
export const DISC_SYNTAX =
  "NAME=PATH[,ro][,queues=N][,partition=P][,name=EXPORT_NAME][,fault=FAULT]...";

const MOST_QUEUES = 255;

const SETTINGS: Readonly<Record<string, Setting<Partial<DiscDocument>>>> = {
  ro: {
    wanted: "ro",
    parse: (value) => (value === undefined ? { read_only: true } : undefined),
  },
  queues: {
    wanted: `queues=N with a number from 1 to ${MOST_QUEUES}`,
    parse: (value = "") => {
      const queues = Number(value);
      const isIn = /^\d+$/.test(value) && queues >= 1 && queues <= MOST_QUEUES;
      return isIn ? { max_number_of_queues: queues } : undefined;
    },
  },
  partition: PARTITION,
  name: {
    wanted: "name=EXPORT_NAME",
    parse: (value) => (value ? { export_name: value } : undefined),
  },
  fault: {
    wanted: "fault=KIND[=VALUE][:OPERATION...][:KEY=VALUE...]",
    parse: (value) => (value === undefined ? undefined : { fault: [faultOf(value)] }),
    join: (before, next) => ({ fault: [...(before.fault ?? []), ...(next.fault ?? [])] }),
  },
};

/** How a disc of `blockpt serve` is written. */
export const SERVED_DISC_SYNTAX = DISC_SYNTAX.replace("NAME=", "[NAME=]");

/** Parses the option; throws an `InvalidArgumentError` that says what would be accepted. */
export function parseDiscOption(text: string): DiscOption {
  const { path: first, settings } = parseDiscPath(text, SETTINGS);
  const [, name, path] = /^([^=]*)=(.*)$/s.exec(first) ?? [];
  if (name === undefined || path === undefined) {
    throw new InvalidArgumentError(`${DISC_SYNTAX} is wanted.`);
  }
  return { ...discOf(name, path, settings), label: `--disc ${name}` };
}

/** Parses a disc that may do without a name; throws as `parseDiscOption`. */
export function parseServedDisc(text: string): DiscOption {
  const { path: first, settings } = parseDiscPath(text, SETTINGS);
  const [, name = "", path = ""] = /^([^=]*)=(.*)$/s.exec(first) ?? [];
  // A = may also stand in a path: a name has no slash.
  if (isEntryName(name)) return discOf(name, path, settings);
  return discOf(lastPartOf(first) || "nbd", first, settings);
}

function lastPartOf(path: string): string {
  const kind = discKindOf(path);
  if (kind === "http") return exportedName(path);
  return posix.basename(kind === "nbd" ? parseNbdUri(path).exportName : path);
}

function faultOf(text: string): string {
  try {
    return printFault(parseFault(text));
  } catch (error) {
    if (!(error instanceof BlockptError)) throw error;
    throw new InvalidArgumentError(`${error.message}.`);
  }
}

function discOf(name: string, path: string, settings: Partial<DiscDocument>): DiscOption {
  if (!isEntryName(name)) {
    throw new InvalidArgumentError(`${JSON.stringify(name)} is no name of a disc.`);
  }
  if (path === "") {
    throw new InvalidArgumentError(
      `A path, memory:SIZE, an NBD URI or a URL is wanted behind ${name}=.`,
    );
  }
  return { name, label: name, disc: { disc_name: path, ...settings } };
}
