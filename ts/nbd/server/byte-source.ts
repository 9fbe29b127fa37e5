// How a connection's bytes get into memory of ours, where the disk takes them from. Node reads a socket of its
// own making into a buffer of the caller's (`onread`), but has no such option for one that a server accepted: so
// its handle gets a new socket. Where that cannot be (TLS decrypts into buffers of Node's; a Node whose handles
// are of another kind) the bytes come as the events of a stream, and are copied.

import { Socket, type SocketConstructorOpts } from "node:net";
import { TLSSocket } from "node:tls";

/** Who gets the bytes. */
export interface ByteSink {
  /** Where the next ones go: at least one. */
  window(): Uint8Array;
  /** So many are there. False holds the next ones up, until `resume`. */
  received(bytes: number): boolean;
}

/** What Node has behind a socket, as far as it is used here. */
interface Handle {
  reading: boolean;
  readStop(): void;
  useUserBuffer?: unknown;
}

interface SocketInside {
  _handle?: Handle | null;
}

const SPILL_BYTES = 4096;

/** Has a socket's bytes go to a sink, from `resume` on. */
export class ByteSource {
  /** The socket from now on: the one that was given may be of no more use. */
  readonly socket: Socket;
  readonly #sink: ByteSink;
  /** What was read already, and is to be copied. */
  #rest: Uint8Array | undefined;
  /** Node asks for a buffer before it knows whether it reads: while the sink has none it gets this one. */
  readonly #spill = new Uint8Array(SPILL_BYTES);
  #isSpilled = false;
  #isWanted = false;

  constructor(socket: Socket, sink: ByteSink) {
    this.#sink = sink;
    socket.removeAllListeners();
    this.#rest = (socket.read() as Uint8Array | null) ?? undefined;
    const inside = socket as unknown as SocketInside;
    const handle = inside._handle ?? undefined;
    const isTls = socket instanceof TLSSocket;
    if (!isTls && handle !== undefined && typeof handle.useUserBuffer === "function") {
      handle.readStop();
      handle.reading = false;
      inside._handle = null;
      socket.destroy();
      const onread = {
        buffer: (): Uint8Array => {
          this.#isSpilled = !this.#isWanted;
          return this.#isSpilled ? this.#spill : sink.window();
        },
        callback: (bytes: number): boolean => this.#read(bytes),
      };
      const options = { handle, onread, allowHalfOpen: true, manualStart: true };
      this.socket = new Socket(options as SocketConstructorOpts);
    } else {
      this.socket = socket;
      socket.on("data", (chunk: Uint8Array) => {
        this.#rest = chunk;
        if (!this.#pour()) socket.pause();
      });
      socket.pause();
    }
  }

  /** More bytes are wanted. */
  resume(): void {
    if (this.#pour()) this.socket.resume();
  }

  #read(bytes: number): boolean {
    if (this.#isSpilled) {
      this.#rest = this.#spill.subarray(0, bytes);
      return this.#pour();
    }
    this.#isWanted = this.#sink.received(bytes);
    return this.#isWanted;
  }

  /** Copies what was read; true if more is wanted. */
  #pour(): boolean {
    this.#isWanted = false;
    while (this.#rest !== undefined) {
      const rest = this.#rest;
      const window = this.#sink.window();
      const bytes = Math.min(rest.length, window.length);
      window.set(rest.subarray(0, bytes));
      this.#rest = bytes === rest.length ? undefined : rest.subarray(bytes);
      if (!this.#sink.received(bytes)) return false;
    }
    this.#isWanted = true;
    return true;
  }
}
