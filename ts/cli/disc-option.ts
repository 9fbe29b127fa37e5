// A disc on the command line: a path, and behind commas what is to be done with it, as
// `disk.img,partition=2`. A comma of the path is written twice.

import { InvalidArgumentError } from "commander";

/** A disc as it was written. */
export interface DiscOption {
  readonly path: string;
  /** What stood behind the path; of a key without a value the empty text. */
  readonly settings: ReadonlyMap<string, string>;
}

/** Takes the text apart; what is wrong with it is a mistake of whoever wrote it. */
export function parseDiscOption(text: string, allowedKeys: readonly string[]): DiscOption {
  // No argument of a process has a NUL in it.
  const [path = "", ...rest] = text
    .replaceAll(",,", "\0")
    .split(",")
    .map((part) => part.replaceAll("\0", ","));
  if (path === "") throw new InvalidArgumentError("The path of a file or block device is wanted.");
  const settings = new Map<string, string>();
  for (const part of rest) {
    const [key = "", ...value] = part.split("=");
    if (!allowedKeys.includes(key)) {
      const wanted = allowedKeys.join(", ");
      throw new InvalidArgumentError(
        `Behind the path comes one of ${wanted}, not '${key}'; write a comma of the path twice.`,
      );
    }
    if (settings.has(key)) throw new InvalidArgumentError(`${key} stands there twice.`);
    settings.set(key, value.join("="));
  }
  return { path, settings };
}
