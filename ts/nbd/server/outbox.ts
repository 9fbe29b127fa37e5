// What a client is sent. Room for an answer is taken when its request is taken up, so a client that reads no
// answers has no more requests taken up; data is read by the disk straight into its place behind the header.
// Answers that are ready lie side by side more often than not, and go to the socket as one.

import type { Socket } from "node:net";
import { type Span, SpanRing } from "./span-ring.js";

/**
 * So many bytes are sent at once, and less at the end of the turn: a system call costs as much as some requests, and
 * a client goes on with the first answers while the disk is at the next.
 */
const SEND_BYTES = 32 * 1024;

export class Outbox {
  /** All of its memory. */
  readonly view: DataView;
  readonly #ring: SpanRing;
  readonly #socket: Socket;
  /** Hears that room was given back. */
  readonly #onRoom: () => void;
  #ready: Span[] = [];
  #readyBytes = 0;
  /** Whether the turn's end sends what is ready. */
  #isDue = false;
  /** Spans that the socket has. */
  #sending = 0;

  constructor(memory: Uint8Array, socket: Socket, onRoom: () => void) {
    this.#ring = new SpanRing(memory);
    this.view = new DataView(memory.buffer, memory.byteOffset, memory.length);
    this.#socket = socket;
    this.#onRoom = onRoom;
  }

  /** Whether nothing waits for the socket to take it. */
  get isEmpty(): boolean {
    return this.#ready.length === 0 && this.#sending === 0;
  }

  /** Room for an answer; undefined if there is none now. */
  claim(bytes: number): Span | undefined {
    return this.#ring.claim(bytes);
  }

  /** A part of an answer, in bytes from its start. */
  data(span: Span, from: number, to: number): Uint8Array {
    return this.#ring.view(span, from, to);
  }

  /** Where in the memory, and in the view of it, an answer starts. */
  placeOf(span: Span): number {
    return span.start % this.#ring.memory.length;
  }

  /** The first bytes of an answer are ready. */
  post(span: Span, bytes: number): void {
    span.bytes = bytes;
    this.#ready.push(span);
    this.#readyBytes += bytes;
    if (this.#readyBytes >= SEND_BYTES) {
      this.#send();
    } else if (!this.#isDue) {
      this.#isDue = true;
      setImmediate(this.#endTurn);
    }
  }

  /** Sends an answer that has no room of its own, behind those that are ready. */
  postAlone(bytes: Uint8Array): void {
    this.#send();
    this.#socket.write(bytes);
  }

  /** Gives room back without an answer. */
  drop(span: Span): void {
    this.#ring.release(span);
  }

  readonly #endTurn = (): void => {
    this.#isDue = false;
    if (this.#ready.length > 0) this.#send();
  };

  #send(): void {
    const spans = this.#ready;
    this.#ready = [];
    this.#readyBytes = 0;
    this.#sending += spans.length;
    const sent = (): void => this.#sent(spans);
    if (this.#socket.destroyed) {
      sent();
      return;
    }
    this.#socket.cork();
    for (let first = 0; first < spans.length; ) {
      const { start } = spans[first] as Span;
      let end = start;
      let next = first;
      do {
        end += (spans[next++] as Span).bytes;
      } while (spans[next]?.start === end && end % this.#ring.memory.length !== 0);
      const at = start % this.#ring.memory.length;
      const run = this.#ring.memory.subarray(at, at + end - start);
      this.#socket.write(run, next === spans.length ? sent : undefined);
      first = next;
    }
    this.#socket.uncork();
  }

  /** The socket has taken, or given up, what it was given. */
  #sent(spans: readonly Span[]): void {
    this.#sending -= spans.length;
    for (const span of spans) this.drop(span);
    this.#onRoom();
  }
}
