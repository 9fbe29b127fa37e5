// Sizes as people read them.

/** A size as `lsblk` prints it: one decimal where it is not whole, and one letter. */
export function formatSize(bytes: number): string {
  const letters = "BKMGTPE";
  let power = 0;
  while (power < letters.length - 1 && bytes >= 1024 ** (power + 1)) power++;
  const tenths = Math.round((bytes / 1024 ** power) * 10);
  return `${tenths % 10 === 0 ? tenths / 10 : (tenths / 10).toFixed(1)}${letters[power]}`;
}
