// A socket as the handshake reads and writes it: so many bytes at a time, in turn.

import type { Socket } from "node:net";

/** The client has gone, or been dropped: there is nobody to answer. */
export class Disconnected extends Error {}

/** Skipped at once. */
const SKIP_BYTES = 16384;

export class HandshakeStream {
  readonly socket: Socket;
  #wake = (): void => {};

  constructor(socket: Socket) {
    this.socket = socket;
    // What is wrong with it is found by who waits for it.
    socket.on("error", () => {});
    // Once and for all: a socket that has bytes left tells every new listener so at once.
    for (const event of ["readable", "end", "close"]) socket.on(event, () => this.#wake());
  }

  /** The next bytes; throws `Disconnected` if they do not come. */
  async take(bytes: number): Promise<Buffer> {
    const { socket } = this;
    if (bytes === 0) return Buffer.alloc(0);
    for (;;) {
      const chunk = socket.read(bytes) as Buffer | null;
      if (chunk?.length === bytes) return chunk;
      if (chunk !== null || socket.readableEnded || socket.destroyed) throw new Disconnected();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Reads bytes that nobody wants. */
  async skip(bytes: number): Promise<void> {
    for (let rest = bytes; rest > 0; rest -= Math.min(rest, SKIP_BYTES)) {
      await this.take(Math.min(rest, SKIP_BYTES));
    }
  }

  /** Resolves when the socket has taken it: who reads no answers gets no more of them. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(new Disconnected()) : resolve()));
    });
  }
}
