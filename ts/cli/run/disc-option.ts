// The option --disc: NAME=PATH[,ro][,queues=N][,partition=P][,name=EXPORT_NAME].
//
// A comma in a path or a name is written twice, as QEMU does it.

import type { DiscDocument } from "blockpt";
import { isEntryName } from "../config-file/schema.js";
import { eitherOf, nearest } from "../nearest.js";

/** A disc of the command line. */
export interface DiscOption {
  /** What its directory is called. */
  readonly name: string;
  readonly disc: DiscDocument;
}

/** How it is written, for help and messages. */
export const DISC_SYNTAX = "NAME=PATH[,ro][,queues=N][,partition=P][,name=EXPORT_NAME]";

const OPTIONS = ["ro", "queues", "partition", "name"];
const MOST_QUEUES = 255;

/** Parses the option; throws an `Error` whose message says what would be accepted. */
export function parseDiscOption(text: string): DiscOption {
  const [first = "", ...options] = splitAtCommas(text);
  const [, name, path] = /^([^=]*)=(.*)$/s.exec(first) ?? [];
  if (name === undefined || path === undefined) throw new Error(`${DISC_SYNTAX} is wanted`);
  if (!isEntryName(name)) throw new Error(`${JSON.stringify(name)} is no name of a disc`);
  if (path === "")
    throw new Error(`no path stands behind ${name}=: a path or memory:SIZE is wanted`);
  const disc: DiscDocument = { disc_name: path };
  const seen = new Set<string>();
  for (const option of options) {
    const key = option.replace(/=.*$/s, "");
    const value = option.slice(key.length + 1);
    if (seen.has(key)) throw new Error(`${key} is there twice`);
    seen.add(key);
    setOption(disc, { option, key, value });
  }
  return { name, disc };
}

function setOption(
  disc: DiscDocument,
  { option, key, value }: { option: string; key: string; value: string },
): void {
  if (option === "ro") disc.read_only = true;
  else if (key === "queues") disc.max_number_of_queues = queuesOf(value);
  else if (key === "partition") disc.partition = partitionOf(value);
  else if (key === "name" && value !== "") disc.export_name = value;
  else {
    const meant = eitherOf(nearest(key, OPTIONS));
    const hint = OPTIONS.includes(key) ? DISC_SYNTAX : `${meant} may stand there`;
    throw new Error(
      `${JSON.stringify(option)} is no option of a disc: ${hint}; a comma in a path is written ,,`,
    );
  }
}

function queuesOf(value: string): number {
  const queues = Number(value);
  if (/^\d+$/.test(value) && queues >= 1 && queues <= MOST_QUEUES) return queues;
  throw new Error(`queues=${value}: a number from 1 to ${MOST_QUEUES} is wanted`);
}

function partitionOf(value: string): number | string {
  if (/^[1-9]\d*$/.test(value)) return Number(value);
  if (/^[0-9a-f]+(-[0-9a-f]+)+$/i.test(value)) return value;
  throw new Error(`partition=${value}: a number from 1 on, or a UUID, is wanted`);
}

/** Splits where one comma stands; two are a comma. */
function splitAtCommas(text: string): string[] {
  const parts = [""];
  for (const [token] of text.matchAll(/,,|,|[^,]+/g)) {
    if (token === ",") parts.push("");
    else parts[parts.length - 1] += token === ",," ? "," : token;
  }
  return parts;
}
