// The programs that peers are made of: whether they are here, which version, and where to get them.

import { execFileSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

const PATIENCE_MS = 5000;
/** How each says its version, and what Debian's package is called. */
const TOOLS = {
  fio: { option: "--version", debian: "fio" },
  nbdkit: { option: "--version", debian: "nbdkit" },
  "nbd-server": { option: "-V", debian: "nbd-server" },
  "qemu-nbd": { option: "--version", debian: "qemu-utils" },
  "qemu-storage-daemon": { option: "--version", debian: "qemu-utils" },
};

/** @typedef {keyof typeof TOOLS} Tool */

/**
 * What is here.
 *
 * @typedef {object} Tools
 * @property {Record<string, string>} versions
 * @property {(needs: Needs) => string | undefined} lacks - why something cannot run here
 */

/**
 * What a peer runs on.
 *
 * @typedef {object} Needs
 * @property {Tool[]} tools
 * @property {string} [engine] - of fio's
 */

/** @returns {Tools} */
export function findTools() {
  /** @type {Record<string, string>} */
  const versions = {};
  for (const [tool, { option }] of Object.entries(TOOLS)) {
    if (isOnPath(tool)) versions[tool] = versionOf(output(tool, option));
  }
  const engines = versions.fio === undefined ? [] : output("fio", "--enghelp").split(/\s+/);
  return {
    versions,
    lacks({ tools, engine }) {
      const absent = tools.filter((tool) => versions[tool] === undefined);
      if (absent.length > 0) {
        const packages = new Set(absent.map((tool) => TOOLS[tool].debian));
        const are = absent.length === 1 ? "is" : "are";
        return `${absent.join(" and ")} ${are} not on the PATH: apt-get install ${[...packages].join(" ")}`;
      }
      return engine === undefined || engines.includes(engine)
        ? undefined
        : `this fio was built without its engine ${engine}`;
    },
  };
}

/** @param {string} tool */
function isOnPath(tool) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .some((folder) => isExecutable(join(folder, tool)));
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * What a tool prints; one that fails to is still tried, and its row says what is wrong.
 *
 * @param {string} tool
 * @param {string} option
 */
function output(tool, option) {
  try {
    const stdio = /** @type {const} */ (["ignore", "pipe", "ignore"]);
    return execFileSync(tool, [option], { encoding: "utf8", stdio, timeout: PATIENCE_MS });
  } catch {
    return "";
  }
}

/** @param {string} text */
function versionOf(text) {
  return /\d+\.\d[\w.+-]*/.exec(text)?.[0] ?? "unknown";
}
