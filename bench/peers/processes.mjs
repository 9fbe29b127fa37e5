// Processes of others, as /proc shows them: what they used, and their end.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Linux counts processor time for programs in these, whatever the kernel's own are. */
const TICKS_A_SECOND = 100;
const PATIENCE_MS = 5000;
const LOOK_MS = 5;

/**
 * The fields of /proc/PID/stat behind the name, which may have anything in it; undefined where there is none.
 *
 * @param {number | "self"} pid
 */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [state, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [user, system, childrenUser, childrenSystem] = rest.slice(10, 14).map(Number);
    return {
      state,
      seconds: (user + system) / TICKS_A_SECOND,
      childrenSeconds: (childrenUser + childrenSystem) / TICKS_A_SECOND,
    };
  } catch {
    return undefined;
  }
}

/**
 * Processor seconds of a process, and of its children that ended; no number where the system does not tell.
 *
 * @param {number} pid
 */
export function processorSeconds(pid) {
  const stat = statOf(pid);
  return stat === undefined ? Number.NaN : stat.seconds + stat.childrenSeconds;
}

/** Processor seconds of those of this process's children that ended. */
export function childrenSeconds() {
  return statOf("self")?.childrenSeconds ?? Number.NaN;
}

/**
 * Waits until a process has no children, whose use counts when they have ended.
 *
 * @param {number} pid
 */
export async function whenChildless(pid) {
  await until(() => {
    try {
      return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim() === "";
    } catch {
      return true;
    }
  });
}

/**
 * Ends a process, and gives when it has ended.
 *
 * @param {number} pid
 */
export async function endProcess(pid) {
  for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
    if (!isAlive(pid)) return;
    process.kill(pid, signal);
    await until(() => !isAlive(pid));
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    // What nobody waits for stays a zombie, and is at its end.
    return statOf(pid)?.state !== "Z";
  } catch {
    return false;
  }
}

/**
 * Whether something became true in time.
 *
 * @param {() => boolean | Promise<boolean>} condition
 */
export async function until(condition) {
  const endAt = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > endAt) return false;
    await sleep(LOOK_MS);
  }
  return true;
}

/** @param {string} text - what a program said before it failed */
export function lastLine(text) {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}
