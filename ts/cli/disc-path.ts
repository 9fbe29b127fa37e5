// A disc on the command line: its path, and behind commas what is to be done with it, as
// `disk.img,ro,partition=2`. A comma in a path or a value is written twice, as QEMU does it.

import { InvalidArgumentError } from "commander";
import { eitherOf, nearest } from "./nearest.js";

/** One of the things that may stand behind a path. */
export interface Setting<T> {
  /** What is accepted, for messages. */
  readonly wanted: string;
  /** What it means; undefined for what is not accepted. Without a `=` it has no value. */
  readonly parse: (value: string | undefined) => T | undefined;
  /** Of one that may stand there several times: what they mean together. */
  join?(before: T, next: T): T;
}

/** Means the same wherever a disc is named. */
export const PARTITION: Setting<{ readonly partition?: number | string }> = {
  wanted: "partition=P with a number from 1 on, or a UUID,",
  parse: (value = "") => {
    if (/^[1-9]\d*$/.test(value)) return { partition: Number(value) };
    return /^[0-9a-f]+(-[0-9a-f]+)+$/i.test(value) ? { partition: value } : undefined;
  },
};

/**
 * Takes it apart.
 *
 * @param known - what may stand behind the path, by key
 * @throws InvalidArgumentError that says what would be accepted
 */
export function parseDiscPath<T extends object>(
  text: string,
  known: Readonly<Record<string, Setting<T>>>,
): { readonly path: string; readonly settings: T } {
  const [path = "", ...parts] = splitAtCommas(text);
  const seen = new Set<string>();
  let settings = {} as T;
  for (const part of parts) {
    const [key = "", ...value] = part.split("=");
    if (!Object.hasOwn(known, key)) throw unknownError(part, nearest(key, Object.keys(known)));
    const { wanted, parse, join } = known[key] as Setting<T>;
    const isRepeated = seen.has(key);
    if (isRepeated && !join) throw new InvalidArgumentError(`${key} stands there twice.`);
    seen.add(key);
    const meaning = parse(value.length === 0 ? undefined : value.join("="));
    if (meaning === undefined) {
      throw new InvalidArgumentError(`${wanted} is wanted, not ${JSON.stringify(part)}.`);
    }
    settings = { ...settings, ...(isRepeated ? join?.(settings, meaning) : meaning) };
  }
  return { path, settings };
}

function unknownError(part: string, meant: readonly string[]): InvalidArgumentError {
  return new InvalidArgumentError(
    `${JSON.stringify(part)} is no option of a disc: ${eitherOf(meant)} may stand there; ` +
      "a comma in a path is written ,,",
  );
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
