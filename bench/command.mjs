// What the commands that measure have in common: filters, progress, and how they end.

/**
 * @param {string[]} filters - parts of `id: name`, in any case; none choose everything
 * @param {string} id
 * @param {string} name
 */
export function isChosen(filters, id, name) {
  const text = `${id}: ${name}`.toLowerCase();
  return filters.length === 0 || filters.some((filter) => text.includes(filter.toLowerCase()));
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

/** @param {unknown} error - that ends the command */
export function complain(error) {
  const missing =
    error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
  console.error(missing ? `${error.message}\nIs it built? Run \`npm run build\` first.` : error);
  process.exitCode = 1;
}
