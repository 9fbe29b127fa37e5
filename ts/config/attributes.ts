// How the values of attributes are parsed and printed: as the kernel does it.

import { Refusal } from "./config-error.js";
import type { AttributeNode, MaybePromise } from "./node.js";

/** The text form of a value. */
export interface Format<T> {
  /** @throws {@link Refusal} `EINVAL`, `ERANGE` */
  parse(text: string): T;
  print(value: T): string;
}

/** An attribute of a value that is kept elsewhere. */
export function attribute<T>(
  format: Format<T>,
  get: () => MaybePromise<T>,
  set: (value: T) => MaybePromise<void>,
): AttributeNode {
  return {
    kind: "attribute",
    read: async () => `${format.print(await get())}\n`,
    write: (text) => set(format.parse(text)),
  };
}

/** The kernel's `kstrtobool`: it looks at the first letter, and after an `o` at the second. */
export const bool: Format<boolean> = {
  parse(text) {
    const value = BOOLEANS.find(([beginning]) => beginning.test(text));
    if (value !== undefined) return value[1];
    throw new Refusal("EINVAL", `${JSON.stringify(text)} is neither: 1, y, t, on or 0, n, f, off`);
  },
  print: (value) => (value ? "1" : "0"),
};

const BOOLEANS: readonly (readonly [RegExp, boolean])[] = [
  [/^([yt1]|on)/i, true],
  [/^([nf0]|of)/i, false],
];

/** The kernel's `kstrtouint` with base 0: hexadecimal after `0x`, octal after `0`, one newline at the end. */
export function unsigned(
  least: number,
  most: number,
  print: (value: number) => string,
): Format<number> {
  const range = `a number from ${print(least)} to ${print(most)} is wanted`;
  return {
    parse(text) {
      const match = /^\+?(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9][0-9]*))\n?$/i.exec(text);
      const said = JSON.stringify(text);
      if (match === null) throw new Refusal("EINVAL", `${said} is no number: ${range}`);
      const [, hex, octal, decimal] = match;
      const value =
        hex !== undefined
          ? Number.parseInt(hex, 16)
          : octal !== undefined
            ? Number.parseInt(octal, 8)
            : Number(decimal);
      if (value > most) throw new Refusal("ERANGE", `${said} is too large: ${range}`);
      if (value < least) throw new Refusal("EINVAL", `${said} is too small: ${range}`);
      return value;
    },
    print,
  };
}

/** As `0x%04x`. */
export const hex4 = (value: number): string => `0x${value.toString(16).padStart(4, "0")}`;

/** As `%d`. */
export const decimal = (value: number): string => String(value);

/** A line of text; a newline at the end is the shell's. */
export const line: Format<string> = {
  parse(text) {
    const value = text.endsWith("\n") ? text.slice(0, -1) : text;
    if (!/\p{Cc}/u.test(value)) return value;
    throw new Refusal("EINVAL", `${JSON.stringify(text)} is no line of text`);
  },
  print: (value) => value,
};

/** Words, one a line; they are taken with any white space between. */
export const lines: Format<string> = {
  parse: (text) => text.trim(),
  print: (value) => value.replaceAll(" ", "\n"),
};
