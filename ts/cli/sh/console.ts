// The machine's console, where commands print and the kernel speaks: on our stdout and stderr as it comes, or
// gathered for one line of JSON a statement.

/** Paths that a statement's output is written to. */
export const STDOUT = "/dev/.blockpt-stdout";
export const STDERR = "/dev/.blockpt-stderr";

/** What a statement has printed. */
export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

export class Console {
  readonly #json: boolean;
  #stdout: Uint8Array[] = [];
  #stderr: Uint8Array[] = [];

  constructor(json: boolean) {
    this.#json = json;
  }

  out(bytes: Uint8Array | string): void {
    if (this.#json) this.#stdout.push(Buffer.from(bytes));
    else process.stdout.write(bytes);
  }

  err(bytes: Uint8Array | string): void {
    if (this.#json) this.#stderr.push(Buffer.from(bytes));
    else process.stderr.write(bytes);
  }

  /** What a command says while it runs, such as how far it is: nothing that a program reads. */
  progress(text: string): void {
    if (!this.#json) process.stderr.write(text);
  }

  /** A statement has ended: where its output was gathered, it is printed as one document. */
  ended(command: string, exitCode: number): void {
    if (!this.#json) return;
    const text = (parts: readonly Uint8Array[]): string => Buffer.concat(parts).toString();
    const stdout = text(this.#stdout);
    const stderr = text(this.#stderr);
    this.#stdout = [];
    this.#stderr = [];
    process.stdout.write(`${JSON.stringify({ command, stdout, stderr, exitCode })}\n`);
  }
}
