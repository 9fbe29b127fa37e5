// What a file system promised of each of its files, and when: the states that a file went through, each begun and
// acknowledged at a position of the disc. Says whether what is there after a crash is one that may be.

import { bounds, type Step } from "./recording.js";

/** A state of a file. */
export interface FileState extends Step {
  /** Its contents; undefined if it is not there. */
  readonly bytes: Uint8Array | undefined;
  /** Whether it came from the state before by appending to that, so that any part may be there of what was appended. */
  readonly isAppended: boolean;
}

const ABSENT: FileState = {
  bytes: undefined,
  isAppended: false,
  begunAt: -1,
  acknowledgedAt: -1,
};

export class FilePromises {
  readonly #files = new Map<string, FileState[]>();

  /** The names of the files of which there are promises. */
  get names(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** A file goes into another state by `change`, which resolves once that is acknowledged. */
  async make(
    name: string,
    position: () => number,
    state: Pick<FileState, "bytes" | "isAppended">,
    change: () => Promise<void>,
  ): Promise<void> {
    const states = this.#files.get(name) ?? [ABSENT];
    this.#files.set(name, states);
    const begunAt = position();
    const index = states.push({ ...state, begunAt, acknowledgedAt: undefined }) - 1;
    await change();
    states[index] = { ...state, begunAt, acknowledgedAt: position() };
  }

  /** What is wrong with a file after a crash at that position; undefined if nothing is. */
  complaint(name: string, found: Uint8Array | undefined, at: number): string | undefined {
    const states = this.#files.get(name) as FileState[];
    const { least, most } = bounds(states, at);
    const isOne = states
      .slice(least - 1, most)
      .some((state, index) => isState(state, index > 0, states[least - 2 + index], found));
    if (isOne) return undefined;
    const what = found === undefined ? "is not there" : `has ${found.length} bytes of its own`;
    return `${name} ${what}: its state ${least - 1} was acknowledged, ${most - 1} was begun`;
  }
}

/** @param mayBePart - whether the state was not acknowledged */
function isState(
  { bytes, isAppended }: FileState,
  mayBePart: boolean,
  before: FileState | undefined,
  found: Uint8Array | undefined,
): boolean {
  if (bytes === undefined || found === undefined) return bytes === found;
  if (!mayBePart || !isAppended) return Buffer.compare(bytes, found) === 0;
  const acknowledged = before?.bytes?.length ?? 0;
  // ext4 may say how long a file is before its blocks are written, which then read as zeros; never as anything else.
  return (
    found.length >= acknowledged &&
    found.length <= bytes.length &&
    found.every((byte, at) => byte === bytes[at] || (byte === 0 && at >= acknowledged))
  );
}
