// What callgrind counts of a program: runs it, and reads what came out.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * The instructions that a program executes of its own inside of a function, and of what that calls. What lies in
 * other objects does not count, the copies of the C library above all: which of its several it takes is a
 * matter of the processor.
 *
 * @param {string} program - its path
 * @param {string[]} args
 * @param {string} inside - the function's name, in callgrind's patterns
 */
export function countInstructions(program, args, inside) {
  const directory = mkdtempSync(join(tmpdir(), "blockpt-instructions-"));
  const out = join(directory, "callgrind.out");
  try {
    const options = [
      ...["--tool=callgrind", "--collect-atstart=no", `--toggle-collect=${inside}`],
      ...["--compress-strings=no", "--compress-pos=no", `--callgrind-out-file=${out}`],
    ];
    execFileSync("valgrind", [...options, program, ...args], { stdio: "pipe" });
    return instructionsOf(readFileSync(out, "utf8"), program);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * The sum of an object's own costs. A line of two numbers is a cost, and belongs to the object that was named
 * last; the one behind `calls=` is what a call cost in all, which its callee's lines have already.
 *
 * @param {string} text - callgrind's output, names and positions in full
 * @param {string} object
 */
function instructionsOf(text, object) {
  let current = "";
  let isCall = false;
  let sum = 0;
  for (const line of text.split("\n")) {
    const [, cost] = /^\d+ (\d+)$/.exec(line) ?? [];
    if (line.startsWith("ob=")) current = line.slice(3);
    else if (cost !== undefined && !isCall && current === object) sum += Number(cost);
    isCall = line.startsWith("calls=");
  }
  return sum;
}
