// Programs of the benchmark that want a process of their own: what they say, and when.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/**
 * Runs a program beside this file, which says one line of JSON; gives that, and the milliseconds until it was said.
 *
 * @param {string} name - of the file
 * @param {string[]} args
 * @param {string[]} [nodeOptions]
 */
export async function runProgram(name, args, nodeOptions = []) {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...nodeOptions, path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  const kill = () => child.kill();
  process.once("exit", kill);
  let text = "";
  let milliseconds = Number.NaN;
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
    milliseconds = performance.now() - startedAt;
  });
  const [code] = await ended;
  process.off("exit", kill);
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  return { said: JSON.parse(text), milliseconds };
}
