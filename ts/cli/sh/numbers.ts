// Numbers of bytes as `dd` and `hexdump` take them.

import { CommandFailure } from "./command.js";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  c: 1,
  w: 2,
  b: 512,
  k: 1024,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
};

/** `4K`, `512`, `0x200`. */
export function parseBytes(what: string, text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)([A-Za-z]*)$/i.exec(text);
  const unit = match === null ? undefined : UNITS[match[2] ?? ""];
  const value = unit === undefined ? Number.NaN : Number(match?.[1]) * unit;
  if (Number.isSafeInteger(value)) return value;
  const units = "c, b, K, M, G, T, and kB, MB, GB, TB for powers of 1000";
  throw new CommandFailure(
    `invalid number '${text}' for ${what}: a whole number, with one of ${units} or nothing after it, is wanted`,
  );
}
