// `hexdump`: the bytes of a file, a disk or a pipe, in the two layouts that are asked for.

import { type Call, type Definition, textOf, withPath } from "../command.js";
import { parseBytes } from "../numbers.js";

const ROW_BYTES = 16;
const CHUNK_BYTES = 1024 * 1024;
/** Columns of a row of two-byte numbers: a short one is filled up with spaces. */
const ROW_COLUMNS = 47;

type Layout = (offset: number, row: Uint8Array) => string;

export const hexdump: Definition = {
  name: "hexdump",
  usage: "[-C] [-v] [-n LENGTH] [-s OFFSET] [FILE]…",
  help: `
Prints bytes as hexadecimal numbers; without a file those of stdin.

  -C  byte by byte, with the characters that they are
  -v  all rows, also those that are like the one before, which are a * otherwise
  -n  so many bytes
  -s  from this byte on`,
  options: {
    canonical: { type: "boolean", short: "C" },
    "no-squeezing": { type: "boolean", short: "v" },
    length: { type: "string", short: "n" },
    skip: { type: "string", short: "s" },
  },
  async run(call) {
    const { values, out } = call;
    const skip = parseBytes("-s", textOf(values.skip) ?? "0");
    const length = values.length === undefined ? undefined : parseBytes("-n", `${values.length}`);
    const isCanonical = values.canonical === true;
    const layout = isCanonical ? canonical : words;
    const end = (offset: number): string => offset.toString(16).padStart(isCanonical ? 8 : 7, "0");
    let offset = skip;
    let before: Uint8Array | undefined;
    let isSqueezed = false;
    for await (const row of rowsOf(bytesOf(call, skip, length ?? Number.POSITIVE_INFINITY))) {
      const isSame = before !== undefined && Buffer.compare(row, before) === 0;
      if (isSame && row.length === ROW_BYTES && !values["no-squeezing"]) {
        if (!isSqueezed) out("*\n");
        isSqueezed = true;
      } else {
        out(`${layout(offset, row)}\n`);
        isSqueezed = false;
      }
      before = row;
      offset += row.length;
    }
    if (before !== undefined) out(`${end(offset)}\n`);
  },
};

/** The bytes of all operands, one behind the other, without the first ones. */
async function* bytesOf(call: Call, skip: number, length: number): AsyncGenerator<Uint8Array> {
  const { fs, operands, stdin } = call;
  if (operands.length === 0 || operands[0] === "-") {
    yield stdin.subarray(skip, skip + length);
    return;
  }
  let left = skip;
  let wanted = length;
  for (const operand of operands) {
    const path = call.path(operand);
    const { size } = await withPath(operand, () => fs.stat(path));
    if (size > 0 && size <= left) {
      left -= size;
      continue;
    }
    const file = await withPath(operand, () => fs.open(path, "read"));
    try {
      // Without a position a pipe can be read, too.
      let position = left === 0 ? null : left;
      left = 0;
      while (wanted > 0 && !call.signal?.aborted) {
        const buffer = new Uint8Array(Math.min(CHUNK_BYTES, wanted));
        const { bytesRead } = await withPath(operand, () =>
          file.read(buffer, 0, buffer.length, position),
        );
        if (bytesRead === 0) break;
        if (position !== null) position += bytesRead;
        wanted -= bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
}

/** Rows of 16 bytes; the last may be shorter. */
async function* rowsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = bytes.length - (bytes.length % ROW_BYTES);
    for (let at = 0; at < whole; at += ROW_BYTES) yield bytes.subarray(at, at + ROW_BYTES);
    rest = bytes.subarray(whole);
  }
  if (rest.length > 0) yield rest;
}

const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

const canonical: Layout = (offset, row) => {
  const bytes = [...row].map(hex);
  const halves = [bytes.slice(0, 8).join(" "), bytes.slice(8).join(" ")];
  const numbers = halves.map((half) => half.padEnd(23)).join("  ");
  const text = [...row].map((byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
  );
  return `${offset.toString(16).padStart(8, "0")}  ${numbers}  |${text.join("")}|`;
};

/** Numbers of two bytes, the low one first. */
const words: Layout = (offset, row) => {
  const numbers = Array.from({ length: Math.ceil(row.length / 2) }, (_, index) => {
    const low = row[index * 2] ?? 0;
    return `${hex(row[index * 2 + 1] ?? 0)}${hex(low)}`;
  });
  return [offset.toString(16).padStart(7, "0"), ...numbers].join(" ").padEnd(ROW_COLUMNS);
};
