// Writes by redirections, such as `echo 1 > start`. An error thrown by such a write would end just-bash's
// execution, and not the command; so it is kept here, and told by a command that stands behind the
// redirected one: see `transform.ts`.

import { sentence, type Told, tell } from "./system-error.js";

/** A write that failed. */
interface Failure {
  readonly path: string;
  /** Whether the file was not even opened. */
  readonly atOpen: boolean;
  readonly told: Told;
}

export class Redirections {
  readonly #open = new Set<string>();
  #failure: Failure | undefined;

  /** A redirection opens its file before the command runs. */
  async open(path: string, task: () => Promise<void>): Promise<void> {
    this.#open.add(path);
    await this.#keepFailure(path, true, task);
  }

  /** A write; by a redirection if that has opened the path, by a command such as `tee` otherwise. */
  async write(path: string, task: () => Promise<void>): Promise<void> {
    if (!this.#open.has(path)) return task();
    if (this.#failure?.path !== path) await this.#keepFailure(path, false, task);
  }

  /** The line for what failed since the last time. */
  take(command: string | undefined): string | undefined {
    this.#open.clear();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure === undefined) return undefined;
    const what = failure.atOpen
      ? failure.path
      : `${command === undefined ? "" : `${command}: `}write error`;
    return `bash: ${what}: ${sentence(failure.told)}\n`;
  }

  async #keepFailure(path: string, atOpen: boolean, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#failure ??= { path, atOpen, told: tell(error) };
    }
  }
}
