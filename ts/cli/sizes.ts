// Sizes as people write them: bytes, or K, M, G and T in powers of 1024, as in `memory:64M`.

const SIZE = /^(\d+)(?:b|([kmgt])(?:i?b)?)?$/i;
const UNITS: Readonly<Record<string, number>> = {
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** What accepts sizes, for messages. */
export const SIZE_WANTED = "a size in bytes, or as 64K, 64M, 1G or 1T,";

/** The bytes of a size; undefined for a text that is none. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ""] = SIZE.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size, exactly: with a unit where it is a whole number of them. */
export function printSize(bytes: number): string {
  for (const unit of ["t", "g", "m", "k"]) {
    const unitBytes = UNITS[unit] as number;
    if (bytes > 0 && bytes % unitBytes === 0) return `${bytes / unitBytes}${unit.toUpperCase()}`;
  }
  return String(bytes);
}
