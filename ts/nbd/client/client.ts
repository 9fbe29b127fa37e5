// The client of an NBD server: reads, writes and flushes over one or several connections, which come and go.
//
//   operation ──► requests of at most the server's largest payload ──► the link with the least in flight
//                     ▲                                                    │ lost
//                     └─────────────── what was not answered ◄─────────────┘
//
// While there is no link requests wait, for so long as is agreed on; then they and those that come are answered LOST,
// until there is one again.
//
// What was not answered when a connection was lost is sent again. That is right: whoever asked was never told that it
// had ended, so it may happen now, and to write, to zero or to discard twice is the same as once, as nobody may touch
// these bytes before the answer. One danger is left: a server's process that still holds the first copy, and
// executes it after the second and after what was written there later. The old connection is destroyed before the new one
// is made, and servers give up what they have of a connection that is gone. Flushes: durability.ts.

import { BlkStatus } from "../../abi/layout.js";
import { Command, CommandFlag, NbdError, TransmissionFlag } from "../protocol.js";
import { Durability } from "./durability.js";
import { type LinkOwner, type LinkTarget, NbdLink } from "./link.js";
import { LOST, NbdRequest } from "./request.js";

/** What a client is to be like. */
export interface NbdClientOptions extends LinkTarget {
  /** How many connections; more than one only if the server bears them. */
  readonly connections: number;
  /** How long requests wait for a connection. */
  readonly outageMs: number;
  /** What all clients of the disc share; undefined for one that does not write. */
  readonly durability: SharedArrayBuffer | undefined;
  /** Hears of connections that are lost, and of what servers say of errors. */
  readonly log: (line: string) => void;
}

/** A leave waits so long for a last flush. */
const LAST_FLUSH_MS = 1500;

export class NbdClient implements LinkOwner {
  readonly #options: NbdClientOptions;
  readonly #links: readonly NbdLink[];
  readonly #durability: Durability | undefined;
  /** What no link could take. */
  #waiting: NbdRequest[] = [];
  #outage: NodeJS.Timeout | undefined;
  /** Nobody waits for a connection any more. */
  #isDown = false;
  #wasUp = false;
  #isTroubled = false;
  #lastLine = "";
  #isLeaving = false;
  #leaving: Promise<void> | undefined;

  constructor(options: NbdClientOptions) {
    this.#options = options;
    const { durability, served, readOnly } = options;
    const canFlush = (served.flags & TransmissionFlag.SEND_FLUSH) !== 0;
    if (durability !== undefined && canFlush && !readOnly) {
      this.#durability = new Durability(durability, () => this.#flushOwn());
    }
    this.#links = Array.from({ length: options.connections }, () => new NbdLink(options, this));
  }

  /** Reads; gives one of `BlkStatus`. */
  read(target: Uint8Array, offsetBytes: number): Promise<number> {
    return this.#transfer(Command.READ, 0, target, offsetBytes);
  }

  /** Writes; with `isStable` what was written is on stable storage at the end. */
  write(source: Uint8Array, offsetBytes: number, isStable: boolean): Promise<number> {
    return this.#transfer(Command.WRITE, isStable ? CommandFlag.FUA : 0, source, offsetBytes);
  }

  /** Fills with zeros. The server may free what it takes for them, as it may with a discard. */
  writeZeroes(lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#ask(Command.WRITE_ZEROES, 0, offsetBytes, lenBytes, undefined);
  }

  /** What is there is not needed any more. */
  trim(lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#ask(Command.TRIM, 0, offsetBytes, lenBytes, undefined);
  }

  /** What any client of the disc had answered before is on stable storage after this. */
  async flush(): Promise<number> {
    const durability = this.#durability;
    if (durability === undefined) return this.#ask(Command.FLUSH, 0, 0, 0, undefined);
    const { told } = durability;
    const isClean = !this.#links.some((link) => link.isDirty);
    const [outcome] = await Promise.all([
      isClean ? this.#ask(Command.FLUSH, 0, 0, 0, undefined) : this.#flushOwn(),
      durability.flushOthers(),
    ]);
    return durability.tellLoss(told) ? BlkStatus.IOERR : (outcome ?? BlkStatus.OK);
  }

  /**
   * Ends: what is not answered is so, with an error, and no buffer is touched when this has ended. If nothing is in
   * flight what was acknowledged is flushed before.
   */
  leave(): Promise<void> {
    this.#isLeaving = true;
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  up(): void {
    clearTimeout(this.#outage);
    this.#outage = undefined;
    this.#isDown = false;
    this.#wasUp = true;
    if (this.#isTroubled) this.say("connected again");
    this.#isTroubled = false;
    for (const request of this.#waiting.splice(0)) this.#dispatch(request);
  }

  down(error: Error, unanswered: NbdRequest[]): void {
    if (!this.#isLeaving) {
      this.#isTroubled = true;
      this.say(`${error.message}; ${unanswered.length} requests wait for another connection`);
    }
    for (const request of unanswered) this.#dispatch(request);
  }

  failed(error: Error): void {
    this.#isTroubled = true;
    this.say(`cannot be connected to: ${error.message}`);
  }

  dirtied(): void {
    this.#durability?.setDirty(this.#links.some((link) => link.isDirty));
  }

  countLoss(): void {
    this.#durability?.countLoss();
  }

  say(line: string): void {
    // A server that says the same again and again is heard once.
    if (line !== this.#lastLine) this.#options.log(line);
    this.#lastLine = line;
  }

  async #transfer(
    command: number,
    flags: number,
    bytes: Uint8Array,
    offsetBytes: number,
  ): Promise<number> {
    const { maxPayloadBytes } = this.#options.served;
    if (bytes.length <= maxPayloadBytes) {
      return this.#ask(command, flags, offsetBytes, bytes.length, bytes);
    }
    const parts: Promise<number>[] = [];
    for (let at = 0; at < bytes.length; at += maxPayloadBytes) {
      const part = bytes.subarray(at, at + maxPayloadBytes);
      parts.push(this.#ask(command, flags, offsetBytes + at, part.length, part));
    }
    const statuses = await Promise.all(parts);
    return statuses.find((status) => status !== BlkStatus.OK) ?? BlkStatus.OK;
  }

  #ask(
    command: number,
    flags: number,
    offsetBytes: number,
    lenBytes: number,
    bytes: Uint8Array | undefined,
  ): Promise<number> {
    return new Promise((resolve) => {
      const settle = (outcome: number): void => resolve(statusOf(outcome));
      this.#dispatch(new NbdRequest(command, flags, offsetBytes, lenBytes, bytes, settle));
    });
  }

  #dispatch(request: NbdRequest): void {
    const link = this.#isLeaving ? undefined : this.#idlest();
    if (link !== undefined) link.send(request);
    else if (this.#isLeaving || this.#isDown) request.settle(LOST);
    else {
      this.#waiting.push(request);
      this.#outage ??= setTimeout(this.#giveUp, this.#patienceMs);
    }
  }

  /** The first connection is none that was lost: it has the time that connecting may take. */
  get #patienceMs(): number {
    const { outageMs, connectTimeoutMs } = this.#options;
    return this.#wasUp ? outageMs : Math.max(outageMs, connectTimeoutMs);
  }

  #idlest(): NbdLink | undefined {
    let idlest: NbdLink | undefined;
    for (const link of this.#links) {
      if (link.isUp && (idlest === undefined || link.inFlight < idlest.inFlight)) idlest = link;
    }
    return idlest;
  }

  readonly #giveUp = (): void => {
    this.#isDown = true;
    const waiting = this.#waiting.splice(0);
    this.say(`no connection for ${this.#patienceMs} ms: ${waiting.length} requests are given up`);
    for (const request of waiting) request.settle(LOST);
  };

  /** Flushes the connections of this client that are dirty. */
  async #flushOwn(): Promise<undefined> {
    await Promise.all(this.#links.filter((link) => link.isDirty).map((link) => link.flush()));
  }

  async #leave(): Promise<void> {
    const error = new Error("the client was closed");
    clearTimeout(this.#outage);
    const waiting = this.#waiting.splice(0);
    for (const request of waiting) request.settle(LOST);
    const isIdle = this.#links.every((link) => link.inFlight === 0);
    if (isIdle && this.#links.some((link) => link.isDirty)) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LAST_FLUSH_MS);
      });
      await Promise.race([this.#flushOwn(), late]);
      clearTimeout(timer);
    }
    for (const link of this.#links) link.close(error);
    this.#durability?.close();
  }
}

/** The status that answers what the server said. */
function statusOf(outcome: number): number {
  switch (outcome) {
    case 0:
      return BlkStatus.OK;
    case LOST:
    case NbdError.ESHUTDOWN:
      return BlkStatus.OFFLINE;
    case NbdError.ENOSPC:
      return BlkStatus.NOSPC;
    case NbdError.EPERM:
      return BlkStatus.PROTECTION;
    case NbdError.ENOTSUP:
      return BlkStatus.NOTSUPP;
    case NbdError.EINVAL:
      return BlkStatus.INVAL;
    case NbdError.ENOMEM:
      return BlkStatus.RESOURCE;
    default:
      return BlkStatus.IOERR;
  }
}
