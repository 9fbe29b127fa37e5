// One connection of a client for as long as the client lives: made, lost, and made again with a growing pause between
// attempts. It knows whether it is dirty (durability.ts).

import { setTimeout as sleep } from "node:timers/promises";
import { Command, CommandFlag, NbdError, TransmissionFlag } from "../protocol.js";
import type { NbdAddress } from "../uri.js";
import { type Connected, connectNbd } from "./connect.js";
import { type ConnectionEvents, NbdConnection } from "./connection.js";
import type { NbdExportFacts } from "./export-facts.js";
import { LOST, NbdRequest } from "./request.js";

/** The pause before the first attempt to connect again; it doubles from there on. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/** A request whose connection was lost so often is likely to be why. */
const MAX_ATTEMPTS = 5;

/** What cannot be missing later if it was there when the disc was opened. */
const ABILITIES = {
  SEND_FLUSH: TransmissionFlag.SEND_FLUSH,
  SEND_FUA: TransmissionFlag.SEND_FUA,
  SEND_TRIM: TransmissionFlag.SEND_TRIM,
  SEND_WRITE_ZEROES: TransmissionFlag.SEND_WRITE_ZEROES,
} as const;

/** What a link is to connect to. */
export interface LinkTarget {
  readonly address: NbdAddress;
  readonly connectTimeoutMs: number;
  /** What the export was when it was opened. */
  readonly served: NbdExportFacts;
  /** Whether it is only read. */
  readonly readOnly: boolean;
}

/** Who has the link. */
export interface LinkOwner {
  /** It can be sent requests. */
  up(): void;
  /** It cannot; these are to be sent anew, by any link. */
  down(error: Error, unanswered: NbdRequest[]): void;
  /** Another attempt to connect was in vain. */
  failed(error: Error): void;
  /** Whether it is dirty may have changed. */
  dirtied(): void;
  /** Acknowledged writes may be gone. */
  countLoss(): void;
  say(line: string): void;
}

export class NbdLink implements ConnectionEvents {
  readonly #target: LinkTarget;
  readonly #owner: LinkOwner;
  readonly #abort = new AbortController();
  #connection: NbdConnection | undefined;
  /** Changes acknowledged on this connection, and how many of these a flush has covered. */
  #acknowledged = 0;
  #flushed = 0;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(target: LinkTarget, owner: LinkOwner) {
    this.#target = target;
    this.#owner = owner;
    void this.#connect();
  }

  get isUp(): boolean {
    return this.#connection !== undefined;
  }

  get inFlight(): number {
    return this.#connection?.inFlight ?? 0;
  }

  /** Whether changes were acknowledged on it that no flush has covered. */
  get isDirty(): boolean {
    return this.#acknowledged !== this.#flushed;
  }

  /** Sends a request; only while it is up. */
  send(request: NbdRequest): void {
    this.#connection?.send(request);
  }

  /** Flushes what was acknowledged on this connection; done once that is covered, or counted as lost. */
  flush(): Promise<void> {
    const covered = this.#acknowledged;
    const connection = this.#connection;
    return new Promise((resolve) => {
      const ended = (outcome: number): void => {
        // Of a connection that was lost all is counted already, and on another one the numbers are others.
        if (outcome !== LOST && connection === this.#connection) {
          this.#flushed = Math.max(this.#flushed, covered);
          if (outcome !== 0) this.#owner.countLoss();
          this.#owner.dirtied();
        }
        resolve();
      };
      this.send(new NbdRequest(Command.FLUSH, 0, 0, 0, undefined, ended));
    });
  }

  close(error: Error): void {
    this.#abort.abort();
    this.#connection?.close(error);
  }

  answered(request: NbdRequest, error: number): void {
    this.#pauseMs = FIRST_PAUSE_MS;
    const isStable = (request.flags & CommandFlag.FUA) !== 0;
    if (error === 0 && request.isChange && !isStable) {
      // Before anybody hears of it.
      this.#acknowledged++;
      this.#owner.dirtied();
    }
    request.settle(error);
  }

  said(message: string): void {
    this.#owner.say(`the server says ${JSON.stringify(message)}`);
  }

  lost(error: Error, unanswered: NbdRequest[]): void {
    const wasDirty = this.isDirty;
    this.#connection = undefined;
    if (wasDirty) this.#owner.countLoss();
    this.#acknowledged = 0;
    this.#flushed = 0;
    this.#owner.dirtied();
    const again: NbdRequest[] = [];
    for (const request of unanswered) {
      if (request.command === Command.FLUSH && wasDirty) request.settle(LOST);
      else if (request.attempts < MAX_ATTEMPTS) again.push(request);
      else request.settle(NbdError.EIO);
    }
    this.#owner.down(error, again);
    if (!this.#abort.signal.aborted) void this.#reconnect();
  }

  /** Connects, however many attempts that takes. */
  async #connect(): Promise<void> {
    const { signal } = this.#abort;
    let connected = await this.#attempt();
    while (connected === undefined && !signal.aborted) {
      await this.#pause();
      connected = await this.#attempt();
    }
    if (connected === undefined) return;
    if (signal.aborted) return connected.wire.destroy(new Error("the client was closed"));
    this.#connection = new NbdConnection(connected.wire, connected.served, this);
    this.#connection.start();
    if (this.isUp) this.#owner.up();
  }

  async #attempt(): Promise<Connected | undefined> {
    const { address, connectTimeoutMs } = this.#target;
    const { signal } = this.#abort;
    try {
      const connected = await connectNbd(address, connectTimeoutMs, signal);
      const complaint = complaintOf(this.#target, connected.served);
      if (complaint !== undefined) {
        const error = new Error(`the export is not what it was: ${complaint}`);
        connected.wire.destroy(error);
        throw error;
      }
      return connected;
    } catch (error) {
      if (!signal.aborted) this.#owner.failed(error as Error);
      return undefined;
    }
  }

  async #reconnect(): Promise<void> {
    await this.#pause();
    await this.#connect();
  }

  async #pause(): Promise<void> {
    // Not all clients of a server at the same moment.
    const pauseMs = this.#pauseMs * (0.5 + Math.random() / 2);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    const { signal } = this.#abort;
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** Why an export cannot be gone on with; undefined if it can. */
function complaintOf({ served, readOnly }: LinkTarget, now: NbdExportFacts): string | undefined {
  if (now.sizeBytes < served.sizeBytes) {
    return `it has ${now.sizeBytes} bytes, and had ${served.sizeBytes}`;
  }
  if (!readOnly && (now.flags & TransmissionFlag.READ_ONLY) !== 0) return "it may only be read";
  if (now.minBlockBytes > served.minBlockBytes || now.maxPayloadBytes < served.maxPayloadBytes) {
    return "it takes requests of other sizes";
  }
  const missing = Object.entries(ABILITIES)
    .filter(([, flag]) => (served.flags & flag) !== 0 && (now.flags & flag) === 0)
    .map(([name]) => name);
  return missing.length === 0 ? undefined : `it has no ${missing.join(", ")} any more`;
}
