// What the commands that measure have in common: filters, progress, and how they end.

/**
 * Says which rows are wanted: those that a filter is a part of, in any case, as `id: name`. An id means that section or
 * group, and not what else it is a part of. No filters choose everything.
 *
 * @param {string[]} filters
 * @param {string[]} ids
 * @returns {(id: string, name: string) => boolean}
 */
export function chooser(filters, ids) {
  const wanted = filters.map((filter) => filter.toLowerCase());
  return (id, name) => {
    const text = `${id}: ${name}`.toLowerCase();
    const matches = (/** @type {string} */ filter) =>
      ids.includes(filter) ? filter === id : text.includes(filter);
    return wanted.length === 0 || wanted.some(matches);
  };
}

/** @param {string} text - replaces the line before; a terminal alone shows it */
export function showProgress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/**
 * Leaves nothing behind where a signal ends the process.
 *
 * @param {import("../ts/cli/cleanup.js").Cleanup} cleanup
 */
export function endOnSignals(cleanup) {
  for (const [signal, code] of /** @type {const} */ ([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])) {
    process.once(signal, () => void cleanup.run().finally(() => process.exit(code)));
  }
}

/** Something that whoever runs this can do something about. */
export class Complaint extends Error {}

/** @param {unknown} error - that ends the command */
export function complain(error) {
  const missing =
    error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
  if (missing) console.error(`${error.message}\nIs it built? Run \`npm run build\` first.`);
  else console.error(error instanceof Complaint ? error.message : error);
  process.exitCode = 1;
}
