// The memory of one connection, all of it: what comes, what goes, and what is looked at.
//
//   ┌─────────┬──────────┬────────────────────────────┐
//   │ intake  │ scanner  │ outbox                     │   2 MiB
//   └─────────┴──────────┴────────────────────────────┘

import { BlockptError } from "../../errors.js";
import type { NbdDisk } from "./export.js";
import { SCAN_BYTES } from "./scanner.js";

const KIB = 1024;
export const CONNECTION_BYTES = 2048 * KIB;
const INTAKE_BYTES = 512 * KIB;
/** How often a disk is asked whether it is done with memory that it kept. */
const RETRY_MS = 100;

export class ConnectionMemory {
  readonly intake: Uint8Array;
  readonly scanner: Uint8Array;
  readonly outbox: Uint8Array;
  readonly #disk: NbdDisk;
  /** Where the disk reads and writes in place; undefined if it has no such memory left, and what it does is copied. */
  readonly #buffer: Uint8Array | undefined;

  constructor(disk: NbdDisk) {
    this.#disk = disk;
    this.#buffer = allocate(disk);
    const all = this.#buffer ?? new Uint8Array(CONNECTION_BYTES);
    this.intake = all.subarray(0, INTAKE_BYTES);
    this.scanner = all.subarray(INTAKE_BYTES, INTAKE_BYTES + SCAN_BYTES);
    this.outbox = all.subarray(INTAKE_BYTES + SCAN_BYTES);
  }

  /** Whether the disk may still read or write a part of it, after the end of a request. */
  isUsed(part: Uint8Array): boolean {
    return this.#buffer !== undefined && this.#disk.isUsing?.(part) === true;
  }

  /** Gives it back, as soon as the disk is done with it. */
  giveBack(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    try {
      this.#disk.free?.(buffer);
    } catch (error) {
      // Any other says that it is not the disk's any more.
      if (!(error instanceof BlockptError && error.code === "ERR_BLOCKPT_BUSY")) return;
      setTimeout(() => this.giveBack(), RETRY_MS).unref();
    }
  }
}

function allocate(disk: NbdDisk): Uint8Array | undefined {
  try {
    const buffer = disk.allocate?.(CONNECTION_BYTES);
    // The client's next bytes go there, whether the disk is attached then or not.
    if (buffer !== undefined) disk.keep?.(buffer);
    return buffer;
  } catch (error) {
    if (error instanceof BlockptError && error.code === "ERR_BLOCKPT_NO_SPACE") return undefined;
    throw error;
  }
}
