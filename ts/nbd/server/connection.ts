// One client, from its first byte to its last: the handshake, in bounded time, then the transmission.

import type { Socket } from "node:net";
import { Breach, shakeHands, type Terms } from "./handshake.js";
import { Disconnected } from "./handshake-stream.js";
import { Transmission } from "./transmission.js";

export interface ConnectionOptions {
  readonly terms: Terms;
  readonly handshakeTimeoutMs: number;
  /** Hears why a client was dropped. */
  readonly log: (line: string) => void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  #transmission: Transmission | undefined;
  /** Resolves when the client has gone, and the disk has nothing of it any more. */
  readonly done: Promise<void>;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.done = this.#serve();
  }

  /** Ends it when what the client has asked for is done. */
  end(): void {
    if (this.#transmission === undefined) this.#socket.destroy();
    else this.#transmission.end();
  }

  /** Ends it now. */
  destroy(): void {
    if (this.#transmission === undefined) this.#socket.destroy();
    else this.#transmission.destroy();
  }

  async #serve(): Promise<void> {
    const { terms, handshakeTimeoutMs, log } = this.#options;
    const stalled = setTimeout(() => {
      log(`a client was dropped: it did not end its handshake in ${handshakeTimeoutMs} ms`);
      this.#socket.destroy();
    }, handshakeTimeoutMs);
    try {
      const { socket, agreement } = await shakeHands(this.#socket, terms);
      clearTimeout(stalled);
      await new Promise<void>((end) => {
        const breach = (why: string): void => log(`a client was dropped: ${why}`);
        this.#transmission = new Transmission(socket, agreement, { breach, end });
      });
    } catch (error) {
      if (error instanceof Breach) log(`a client was dropped: ${error.message}`);
      else if (!(error instanceof Disconnected)) log(`a client was dropped: ${error}`);
      this.#socket.destroySoon();
    } finally {
      clearTimeout(stalled);
    }
  }
}
