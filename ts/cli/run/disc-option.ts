// The option --disc: NAME=PATH[,ro][,queues=N][,partition=P][,name=EXPORT_NAME].

import type { DiscDocument } from "blockpt";
import { InvalidArgumentError } from "commander";
import { isEntryName } from "../config-file/schema.js";
import { PARTITION, parseDiscPath, type Setting } from "../disc-path.js";

/** A disc of the command line. */
export interface DiscOption {
  /** What its directory is called. */
  readonly name: string;
  readonly disc: DiscDocument;
}

/** How it is written, for help and messages. */
export const DISC_SYNTAX = "NAME=PATH[,ro][,queues=N][,partition=P][,name=EXPORT_NAME]";

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
};

/** Parses the option; throws an `InvalidArgumentError` that says what would be accepted. */
export function parseDiscOption(text: string): DiscOption {
  const { path: first, settings } = parseDiscPath(text, SETTINGS);
  const [, name, path] = /^([^=]*)=(.*)$/s.exec(first) ?? [];
  if (name === undefined || path === undefined) {
    throw new InvalidArgumentError(`${DISC_SYNTAX} is wanted.`);
  }
  if (!isEntryName(name)) {
    throw new InvalidArgumentError(`${JSON.stringify(name)} is no name of a disc.`);
  }
  if (path === "") {
    throw new InvalidArgumentError(`A path, memory:SIZE or an NBD URI is wanted behind ${name}=.`);
  }
  return { name, disc: { disc_name: path, ...settings } };
}
