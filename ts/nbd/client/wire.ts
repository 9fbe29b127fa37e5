// The bytes of a connection to a server, in both directions.
//
//   socket ──► staging, 64 KiB ──► whoever reads: exactly so many bytes in the handshake, replies afterwards
//         └──► the memory of the request itself, for a large payload: nothing of ours copies it
//
// A buffer is lent to the socket before the bytes come, and it writes into that one and no other. What was lent is
// written no more once the socket is destroyed, and that takes effect at once.

import type { Socket } from "node:net";

/** Who takes what comes after the handshake. */
export interface WireReader {
  /** Takes what is staged, as far as it is complete. */
  consume(): void;
  /** The connection is gone, or was destroyed. */
  lost(error: Error): void;
}

/** How a socket is opened: the bytes that come go to where `lend` says, or arrive as events. */
export type OpenSocket = (onread: OnRead) => Socket;

/** As `node:net` has it. */
export interface OnRead {
  buffer: () => Uint8Array;
  callback: (lenBytes: number) => boolean;
}

const STAGING_BYTES = 64 * 1024;
/** There is always room for this much more: everything but payloads is shorter. */
const ROOM_BYTES = 16 * 1024;
/** A payload of which so much is still to come does not go through the staging buffer. */
const DIRECT_BYTES = 16 * 1024;

/** A read of the handshake that waits for its bytes. */
interface Pending {
  readonly lenBytes: number;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class Wire {
  /** What has come: from `from` to `to`. */
  readonly staging = Buffer.alloc(STAGING_BYTES);
  from = 0;
  to = 0;
  /** At most so much is taken into the staging buffer at once. */
  appetiteBytes = STAGING_BYTES;
  #socket: Socket;
  #lent: Uint8Array = this.staging;
  /** Where the payload goes that is to come. */
  #due: Uint8Array | undefined;
  #reader: WireReader | undefined;
  #pending: Pending | undefined;
  #error: Error | undefined;

  constructor(open: OpenSocket) {
    this.#socket = open({
      buffer: () => this.#lend(),
      callback: (lenBytes) => this.#took(lenBytes),
    });
    this.#watch(this.#socket);
  }

  /** Bytes that are staged. */
  get available(): number {
    return this.to - this.from;
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** The same connection from here on as what is made of its socket, with TLS. */
  upgrade(socket: Socket): void {
    this.#socket.removeAllListeners("data");
    this.#socket = socket;
    this.#watch(socket);
    this.listen();
  }

  /** Takes what comes as events: where a socket cannot write to what it is lent. */
  listen(): void {
    this.#socket.on("data", (data: Buffer) => {
      for (let at = 0; at < data.length && this.#error === undefined; ) {
        const lent = this.#lend();
        const lenBytes = Math.min(lent.length, data.length - at);
        lent.set(data.subarray(at, at + lenBytes));
        at += lenBytes;
        this.#took(lenBytes);
      }
    });
  }

  /** The next bytes of the handshake, exactly so many: a copy. */
  read(lenBytes: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#pending = { lenBytes, resolve, reject };
      if (this.#error === undefined) this.#serveRead();
      else reject(this.#error);
    });
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The handshake is over. */
  start(reader: WireReader): void {
    this.#reader = reader;
    if (this.#error !== undefined) reader.lost(this.#error);
    else if (this.available > 0) reader.consume();
  }

  /** The next bytes are a payload, and go there; true if all of it was there already. */
  receive(target: Uint8Array): boolean {
    if (target.length > 0) this.#due = target;
    this.#fillFromStaging();
    return this.#due === undefined;
  }

  /** Ends the connection at once: nothing that was lent is written any more, nothing of what was sent is read. */
  destroy(error: Error): void {
    this.#lose(error);
  }

  /** Lets what was sent go out, and ends the connection; what comes is not read. */
  end(error: Error): void {
    const socket = this.#socket;
    this.#error = error;
    this.#reader = undefined;
    socket.unref();
    socket.destroySoon();
  }

  #watch(socket: Socket): void {
    // 'end' comes of a server that says no more; it may never close.
    socket.on("end", () => this.#lose(new Error("the server ended the connection")));
    socket.on("close", () => this.#lose(new Error("the connection is closed")));
    socket.on("error", (error) => this.#lose(error));
  }

  #lose(error: Error): void {
    this.#socket.destroy();
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#due = undefined;
    this.#pending?.reject(error);
    this.#pending = undefined;
    this.#reader?.lost(error);
  }

  /** Where the next bytes go. */
  #lend(): Uint8Array {
    const isEmpty = this.from === this.to;
    if (this.#due !== undefined && this.#due.length >= DIRECT_BYTES && isEmpty) {
      this.#lent = this.#due;
      return this.#lent;
    }
    if (isEmpty) {
      this.from = 0;
      this.to = 0;
    } else if (STAGING_BYTES - this.to < ROOM_BYTES) {
      this.staging.copyWithin(0, this.from, this.to);
      this.to -= this.from;
      this.from = 0;
    }
    const end = Math.min(this.to + this.appetiteBytes, STAGING_BYTES);
    this.#lent = new Uint8Array(
      this.staging.buffer,
      this.staging.byteOffset + this.to,
      end - this.to,
    );
    return this.#lent;
  }

  /** So much has come into what was lent. */
  #took(lenBytes: number): boolean {
    if (this.#error !== undefined) return false;
    if (this.#lent === this.#due) {
      this.#due = lenBytes === this.#due.length ? undefined : this.#due.subarray(lenBytes);
    } else {
      this.to += lenBytes;
      this.#fillFromStaging();
    }
    if (this.#due !== undefined) return true;
    if (this.#pending !== undefined) this.#serveRead();
    else this.#reader?.consume();
    return true;
  }

  #fillFromStaging(): void {
    const due = this.#due;
    if (due === undefined || this.from === this.to) return;
    const lenBytes = Math.min(due.length, this.to - this.from);
    due.set(this.staging.subarray(this.from, this.from + lenBytes));
    this.from += lenBytes;
    this.#due = lenBytes === due.length ? undefined : due.subarray(lenBytes);
  }

  #serveRead(): void {
    if (this.#pending === undefined || this.available < this.#pending.lenBytes) return;
    const { lenBytes, resolve } = this.#pending;
    this.#pending = undefined;
    const bytes = Buffer.from(this.staging.subarray(this.from, this.from + lenBytes));
    this.from += lenBytes;
    resolve(bytes);
  }
}
