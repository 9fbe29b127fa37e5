// The machine's console, where commands print and the kernel speaks: on our stdout and stderr as it comes, or
// gathered for one document of JSON a statement.

/** Paths that a statement's output is written to. */
export const STDOUT = "/dev/.blockpt-stdout";
export const STDERR = "/dev/.blockpt-stderr";
/** A path that who opens it waits for the event loop. */
export const TURN = "/dev/.blockpt-turn";

const NEWLINE = 10;

export class Console {
  readonly #json: boolean;
  #stdout: Uint8Array[] = [];
  #stderr: Uint8Array[] = [];
  #isInLine = false;

  constructor(json: boolean) {
    this.#json = json;
  }

  out(bytes: Uint8Array | string): void {
    if (this.#json) this.#stdout.push(Buffer.from(bytes));
    else this.#write(process.stdout, bytes);
  }

  err(bytes: Uint8Array | string): void {
    if (this.#json) this.#stderr.push(Buffer.from(bytes));
    else this.#write(process.stderr, bytes);
  }

  /** What a command says while it runs, such as how far it is: nothing that a program reads. */
  progress(text: string): void {
    if (!this.#json) process.stderr.write(text);
  }

  /** Has what comes next begin a line. */
  endLine(): void {
    if (this.#isInLine) this.out("\n");
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

  #write(stream: NodeJS.WriteStream, bytes: Uint8Array | string): void {
    if (bytes.length === 0) return;
    const last = bytes.at(-1);
    this.#isInLine = last !== "\n" && last !== NEWLINE;
    stream.write(bytes);
  }
}
