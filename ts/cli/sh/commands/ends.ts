// `head` and `tail`: just-bash's own take the 1 of `-c 1M` and leave the M, and read disks as a whole.

import { type Call, CommandFailure, type Definition, textOf, withPath } from "../command.js";
import { parseBytes } from "../numbers.js";

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 10;

/** How much of a file is wanted. */
interface Wanted {
  readonly unit: "bytes" | "lines";
  readonly count: number;
  /** Of `tail`: from there on, and not so many at the end. */
  readonly isStart: boolean;
}

type Print = (call: Call, operand: string, wanted: Wanted) => Promise<void>;

const OPTIONS: NonNullable<Definition["options"]> = {
  bytes: { type: "string", short: "c" },
  lines: { type: "string", short: "n" },
  quiet: { type: "boolean", short: "q" },
  verbose: { type: "boolean", short: "v" },
};

const HELP = `
  -n N  so many lines, not 10; also -N
  -c N  so many bytes; c, b, K, M, G or kB, MB, GB may stand behind the number
  -q    never names files
  -v    names each one`;

export const head: Definition = {
  name: "head",
  usage: "[-n LINES | -c BYTES] [-q] [-v] [FILE]…",
  help: `Prints the start of files, or of stdin.\n${HELP}`,
  options: OPTIONS,
  legacy: withLines,
  run: (call) => printEach(call, printHead),
};

export const tail: Definition = {
  name: "tail",
  usage: "[-n [+]LINES | -c [+]BYTES] [-q] [-v] [FILE]…",
  help: `Prints the end of files, or of stdin; with a + from that line or byte on.\n${HELP}`,
  options: OPTIONS,
  legacy: withLines,
  run: (call) => printEach(call, printTail),
};

/** `-5` is `-n5`. */
function withLines(arg: string): string {
  return arg.replace(/^-(?=\d+$)/, "-n");
}

async function printEach(call: Call, print: Print): Promise<number> {
  const { values, out, err } = call;
  const unit = values.bytes === undefined ? "lines" : "bytes";
  const text = textOf(values[unit]) ?? "10";
  const isStart = print === printTail && text.startsWith("+");
  const count = parseBytes(unit === "bytes" ? "-c" : "-n", isStart ? text.slice(1) : text);
  const operands = call.operands.length === 0 ? ["-"] : call.operands;
  const isNamed = values.verbose === true || (operands.length > 1 && values.quiet !== true);
  let exitCode = 0;
  let before = "";
  for (const operand of operands) {
    try {
      await withPath(operand, async () => {
        if (isNamed) await call.fs.stat(call.path(operand));
        if (isNamed) out(`${before}==> ${operand} <==\n`);
        await print(call, operand, { unit, count, isStart });
      });
      before = "\n";
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      err(`${print === printHead ? "head" : "tail"}: ${error.message}\n`);
      exitCode = 1;
    }
  }
  return exitCode;
}

const printHead: Print = async ({ fs, path, stdin, signal, out }, operand, { unit, count }) => {
  let left = count;
  /** Prints what is wanted of these. */
  const take = (bytes: Uint8Array): void => {
    const end = unit === "bytes" ? Math.min(left, bytes.length) : endOfLines(bytes, left);
    out(bytes.subarray(0, end));
    left -= unit === "bytes" ? end : linesIn(bytes.subarray(0, end));
  };
  if (operand === "-") return take(stdin);
  const file = await fs.open(path(operand), "read");
  try {
    while (left > 0 && !signal?.aborted) {
      const buffer = new Uint8Array(CHUNK_BYTES);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      take(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
};

const printTail: Print = async ({ fs, path, stdin, out }, operand, { unit, count, isStart }) => {
  const bytes = operand === "-" ? stdin : await fs.readFileBuffer(path(operand));
  if (isStart) {
    const before = Math.max(0, count - 1);
    return out(bytes.subarray(unit === "bytes" ? before : endOfLines(bytes, before)));
  }
  if (unit === "bytes") return out(bytes.subarray(Math.max(0, bytes.length - count)));
  // A last line may have no end.
  const lines = linesIn(bytes) + (bytes.length > 0 && bytes.at(-1) !== NEWLINE ? 1 : 0);
  out(bytes.subarray(endOfLines(bytes, Math.max(0, lines - count))));
};

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

/** Where so many lines end, or all there are. */
function endOfLines(bytes: Uint8Array, count: number): number {
  let end = 0;
  for (let line = 0; line < count; line++) {
    const at = bytes.indexOf(NEWLINE, end);
    if (at < 0) return bytes.length;
    end = at + 1;
  }
  return end;
}
