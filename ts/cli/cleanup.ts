// What is to be undone when the command ends, in whatever way it ends: threads,
// temporary files, a hidden cursor.

export class Cleanup {
  readonly #undos = new Set<() => unknown>();
  #run: Promise<void> | undefined;

  /** Whether the end has begun: what fails from here on fails because of it. */
  get started(): boolean {
    return this.#run !== undefined;
  }

  /** Adds what undoes something; gives what takes it off the list again. */
  add(undo: () => unknown): () => void {
    this.#undos.add(undo);
    return () => this.#undos.delete(undo);
  }

  /** Undoes everything, the latest first. One that fails does not keep the others from it. */
  run(): Promise<void> {
    this.#run ??= this.#undoAll();
    return this.#run;
  }

  get #latest(): (() => unknown) | undefined {
    return [...this.#undos].at(-1);
  }

  async #undoAll(): Promise<void> {
    // Also what is made meanwhile.
    for (let undo = this.#latest; undo !== undefined; undo = this.#latest) {
      this.#undos.delete(undo);
      try {
        await undo();
      } catch (error) {
        process.stderr.write(`blockpt: while cleaning up: ${String(error)}\n`);
      }
    }
  }
}
