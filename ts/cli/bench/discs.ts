// The discs that jobs run on: what their names say, and how they are made.

import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, type Disc, FileDisc, MemoryDisc, NullDisc } from "blockpt";
import type { Cleanup } from "../cleanup.js";
import { CliError } from "../failure.js";
import { parseSize } from "../sizes.js";

const MIB = 1024 * 1024;
/**
 * The largest file that is written in full, and so in the page cache. Larger ones are sparse. Their holes come into the
 * page cache as they are read, as pages of zeros, each a page of its own: at random no more of them than there are
 * places in a job, 64 MiB of 4 KiB requests, which the warm-up reads.
 */
const MOST_FILLED_BYTES = 1024 * MIB;

/** A kind of disc, by what stands before the colon. */
export type DiscKind = "memory" | "null" | "file" | "path";

/** What a disc's name says: `memory:64M`, `null:1T`, `file:64M` or a path. */
export function discOf(name: string): { kind: DiscKind; sizeBytes: number } {
  const [, kind = "path", size = ""] = /^(memory|null|file):(.*)$/.exec(name) ?? [];
  const sizeBytes = kind === "path" ? 0 : parseSize(size);
  if (sizeBytes === undefined) {
    const message = `${name} has no size: memory:64M, null:1G, file:64M or a path is wanted`;
    throw new CliError({ code: "ERR_BENCH_DISC", message });
  }
  return { kind: kind as DiscKind, sizeBytes };
}

/** The files of discs, those that are made for the benchmark and those that were there. */
export class DiscFiles {
  readonly #cleanup: Cleanup;
  readonly #made = new Map<string, string>();

  /** @param cleanup - takes the files away that are made */
  constructor(cleanup: Cleanup) {
    this.#cleanup = cleanup;
  }

  /**
   * The path of a disc in a file.
   *
   * @param number - of several discs of that name
   */
  pathOf(name: string, number: number): string {
    const { kind, sizeBytes } = discOf(name);
    if (kind !== "file") return name;
    const key = `${name}, ${number}`;
    const there = this.#made.get(key);
    if (there !== undefined) return there;
    const path = join(tmpdir(), `blockpt-bench-${process.pid}-${this.#made.size}.img`);
    this.#cleanup.add(() => rmSync(path, { force: true }));
    makeFile(path, sizeBytes);
    this.#made.set(key, path);
    return path;
  }
}

/** Opens a disc, the first of its name or a further one. */
export async function openDisc(
  bus: Bus,
  name: string,
  number: number,
  files: DiscFiles,
): Promise<Disc> {
  const { kind, sizeBytes } = discOf(name);
  if (kind === "null") return NullDisc.create(sizeBytes);
  if (kind === "memory") {
    const disc = MemoryDisc.create(bus, sizeBytes);
    fill(new Uint32Array(bus.buffer, disc.busRange.offset, sizeBytes / 4));
    return disc;
  }
  return FileDisc.open(files.pathOf(name, number));
}

function makeFile(path: string, sizeBytes: number): void {
  const fd = openSync(path, "w");
  try {
    ftruncateSync(fd, sizeBytes);
    if (sizeBytes > MOST_FILLED_BYTES) return;
    const words = new Uint32Array(MIB / 4);
    let state: number | undefined;
    for (let at = 0; at < sizeBytes; at += words.byteLength) {
      state = fill(words, state);
      writeSync(fd, words, 0, Math.min(words.byteLength, sizeBytes - at), at);
    }
  } finally {
    closeSync(fd);
  }
}

/** Fills memory so that no page of it is zero: no host keeps one page for all of them. Gives where to go on from. */
function fill(words: Uint32Array, from = 1): number {
  let state = from;
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[index] = state;
  }
  return state;
}
