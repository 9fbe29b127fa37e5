// The kernel's log: what both drivers said, as `dmesg` shows it.

/** A line of the kernel's log. */
export interface LogLine {
  /** Seconds since the tree was made. */
  readonly seconds: number;
  /** What was said. */
  readonly text: string;
}

/** The ring buffer of a small kernel. */
const MAX_LINES = 4096;

export class KernelLog {
  readonly #startedAt = performance.now();
  readonly #lines: LogLine[] = [];
  readonly #console: (line: string) => void;

  /** @param console - hears each line, too */
  constructor(console: (line: string) => void) {
    this.#console = console;
  }

  readonly add = (text: string): void => {
    if (this.#lines.length === MAX_LINES) this.#lines.shift();
    this.#lines.push({ seconds: (performance.now() - this.#startedAt) / 1000, text });
    this.#console(text);
  };

  get lines(): readonly LogLine[] {
    return this.#lines;
  }
}
