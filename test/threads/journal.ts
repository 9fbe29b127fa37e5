// Writes to a disk that dies now and then, and what is known of each block: which versions may be
// on the image.

import type { RemoteDisk } from "blockpt";
import { expect } from "vitest";

const BLOCK = 4096;

/** Keeps `depth` requests in flight until it is stopped or the disk fails; then says what must be on the image. */
export class Journal {
  /** Requests that were made, and that have ended. */
  made = 0;
  ended = 0;
  /** Requests that failed, by their code. */
  readonly failures = new Map<string, number>();
  /** Of each block: the version that its last completed write left, and later ones that failed, or were not answered. */
  readonly #written: number[];
  readonly #perhaps: Set<number>[];
  /** Of each block: the version that was completed when a flush was asked for that then succeeded. */
  readonly #flushed: number[];
  readonly #busy = new Set<number>();
  readonly #disk: RemoteDisk;
  #version = 0;
  #running = false;

  constructor(disk: RemoteDisk) {
    const blocks = disk.sizeBytes / BLOCK;
    this.#disk = disk;
    this.#written = new Array(blocks).fill(0);
    this.#flushed = new Array(blocks).fill(0);
    this.#perhaps = Array.from({ length: blocks }, () => new Set());
  }

  /** Writes, and flushes, until `stop`, or a request fails; resolves when every request has ended. */
  async run(depth: number): Promise<void> {
    this.#running = true;
    const lanes = Array.from({ length: depth }, async () => {
      while (this.#running) await (Math.random() < 0.05 ? this.#flush() : this.#write());
    });
    await Promise.all(lanes);
    expect(this.ended).toBe(this.made);
    expect(this.#disk.inFlight).toBe(0);
  }

  stop(): void {
    this.#running = false;
  }

  /** Checks an image: each block is whole, and in a version that it may be in. */
  check(image: Uint8Array): void {
    for (const [block, written] of this.#written.entries()) {
      const words = new Uint32Array(image.buffer, image.byteOffset + block * BLOCK, BLOCK / 4);
      const version = words[0] as number;
      const allowed = [written, ...(this.#perhaps[block] as Set<number>)];
      const about = `block ${block}, flushed in version ${this.#flushed[block]}`;
      expect(allowed, about).toContain(version);
      expect(version, about).toBeGreaterThanOrEqual(this.#flushed[block] as number);
      // A write that failed half-way may be torn; one that was acknowledged is not.
      if (version === written && !words.every((word) => word === version)) {
        expect(this.#perhaps[block]?.size, `${about}, is torn`).toBeGreaterThan(0);
      }
    }
  }

  async #write(): Promise<void> {
    const block = Math.floor(Math.random() * this.#written.length);
    if (this.#busy.has(block)) return Promise.resolve();
    this.#busy.add(block);
    const version = ++this.#version;
    const data = new Uint8Array(new Uint32Array(BLOCK / 4).fill(version).buffer);
    (this.#perhaps[block] as Set<number>).add(version);
    if (await this.#ask(() => this.#disk.write(data, block * BLOCK))) {
      this.#written[block] = version;
      (this.#perhaps[block] as Set<number>).clear();
    }
    this.#busy.delete(block);
  }

  async #flush(): Promise<void> {
    const completed = [...this.#written];
    if (!(await this.#ask(() => this.#disk.flush()))) return;
    for (const [block, version] of completed.entries()) {
      this.#flushed[block] = Math.max(version, this.#flushed[block] as number);
    }
  }

  async #ask(request: () => Promise<void>): Promise<boolean> {
    this.made++;
    try {
      await request();
      return true;
    } catch (error) {
      const { code } = error as { code: string };
      this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
      this.#running = false;
      return false;
    } finally {
      this.ended++;
    }
  }
}
