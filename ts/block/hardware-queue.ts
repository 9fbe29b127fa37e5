// One hardware queue of a disk: makes requests of bios, merges what is adjacent, hands the
// requests to the driver, gives up those that take too long, and ends each exactly once.
//
// The newest request is held back until the next one is made or its submitter's turn ends
// (`unplug`): what follows it on the disk joins it, and the driver knows which one is the last.

import { BlkStatus, Operation } from "../abi/layout.js";
import { nameOf } from "../abi/names.js";
import { BlockptError, type BlockptErrorCode, throwUncaught } from "../errors.js";
import type { Bio } from "./bio.js";
import type { Operations } from "./operations.js";
import { type Request, RequestState } from "./request.js";
import type { TagSet } from "./tag-set.js";

/** @internal What a hardware queue is told by its disk. */
export interface HardwareQueueParts {
  readonly index: number;
  readonly tags: TagSet;
  readonly operations: Operations;
  /** Bytes of the blocks that it is read and written in. */
  readonly logicalBlockBytes: number;
  /** Most bytes of one request. */
  readonly maxLenBytes: number;
  /** After this a request is given up. */
  readonly timeoutMs: number;
  /** Has `unplug` called at the end of the submitter's turn. */
  readonly unplugLater: () => void;
  /** What to do about a driver that has no room for a request. */
  readonly roomHint: string;
}

/** @internal How many sweeps fit into the time after which a request is given up. */
export const SWEEPS = 8;
/** Of so many looks the last one may block. */
const LOOKS = 64;
/** Longest block of a call that waits, before it looks for what is overdue. */
const WAIT_MS = 100;
/**
 * Most bytes of a read or write that was merged. Longer ones save nothing more, and the device answers the first of several
 * while it works on the next: of a turn that became one request it and its submitter would wait for each other.
 */
const MERGED_BYTES = 64 * 1024;
/** What a request is cut to multiples of, when there is no room for all of it; larger blocks stay whole. */
const CUT_BYTES = 4096;

const NAMES = new Map<number, string>([
  [Operation.READ, "read"],
  [Operation.WRITE, "write"],
  [Operation.FLUSH, "flush"],
  [Operation.DISCARD, "discard"],
  [Operation.WRITE_ZEROES, "write of zeroes"],
]);

/** @internal */
export class HardwareQueue {
  readonly #parts: HardwareQueueParts;
  readonly #tags: TagSet;
  readonly #operations: Operations;
  readonly #index: number;
  readonly #maxLenBytes: number;
  readonly #mergedBytes: number;
  readonly #cutBytes: number;
  #held: Request | undefined;
  /** Handed over, and not taken for want of room. */
  readonly #requeued: Request[] = [];
  /** Bios that wait for a tag. */
  #firstWaiting: Bio | undefined;
  #lastWaiting: Bio | undefined;
  #waiting = 0;
  /** Requests that have not ended, and those of them that the device has. */
  #pending = 0;
  #started = 0;
  /** Requests that have ended, and that the device has still. */
  #lost = 0;
  /** Within the driver's `queueRq`, or on the way out of it. */
  #handing = false;
  #uncommitted = false;
  #advancing = false;
  #retrying = false;
  #failure: BlockptError | undefined;
  #sweep = 0;
  #sweptAt = performance.now();

  constructor(parts: HardwareQueueParts) {
    this.#parts = parts;
    this.#tags = parts.tags;
    this.#operations = parts.operations;
    this.#index = parts.index;
    this.#maxLenBytes = parts.maxLenBytes;
    this.#mergedBytes = Math.min(MERGED_BYTES, parts.maxLenBytes);
    this.#cutBytes = Math.max(CUT_BYTES, parts.logicalBlockBytes);
  }

  /** Requests, and bios that wait to become some, that have not ended. */
  get inFlight(): number {
    return this.#pending + this.#waiting;
  }

  /** Why everything is refused, if it is. */
  get failure(): BlockptError | undefined {
    return this.#failure;
  }

  submit(bio: Bio): void {
    bio.submitted = 0;
    bio.parts = 0;
    bio.error = undefined;
    bio.hasEnded = false;
    if (this.#failure !== undefined) {
      bio.giveUp(this.#failure);
      return;
    }
    // From within the driver each end would hand over the next request, deeper and deeper.
    if (this.#handing || this.#firstWaiting !== undefined || !this.#makeRequests(bio)) {
      this.#wait(bio);
      this.#giveUpWaiting();
    }
    this.#parts.unplugLater();
  }

  /** The submitter's turn is over: the device is told of all that was submitted. */
  unplug(): void {
    if (this.#firstWaiting !== undefined && this.#tags.available(this.#index) > 0) this.#advance();
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      this.#dispatch(held, true);
    }
    this.#commit();
  }

  /** Whether a request or a bio that the driver does not have yet is for a byte of a buffer. */
  isWaitingFor(buffer: Uint8Array): boolean {
    const requests = this.#held === undefined ? this.#requeued : [this.#held, ...this.#requeued];
    for (const { segments, segmentCount } of requests) {
      if (segments.slice(0, segmentCount).some(({ bio }) => overlap(bio.buffer, buffer)))
        return true;
    }
    for (let bio = this.#firstWaiting; bio !== undefined; bio = bio.next) {
      if (overlap(bio.buffer, buffer)) return true;
    }
    return false;
  }

  /** Blocks until a bio has ended. */
  waitFor(bio: Bio): void {
    for (let looks = 1; !bio.hasEnded; looks++) {
      this.unplug();
      if (looks % LOOKS !== 0) {
        this.#operations.poll(this.#index, 0);
      } else if (this.#operations.poll(this.#index, WAIT_MS) === 0) {
        const isDue = performance.now() - this.#sweptAt > this.#parts.timeoutMs / SWEEPS;
        if (isDue) this.sweep();
      }
    }
  }

  /** The device has done a request that it had. */
  complete(request: Request, status: number): void {
    // Neither `find` nor `reclaim` sees it from here on.
    request.state = RequestState.held;
    this.#started--;
    this.#pending--;
    const ended = this.#finish(request, status);
    const failed = ended === BlkStatus.OK ? undefined : errorOf(request, "ERR_BLOCKPT_IO", ended);
    endSegments(request, failed);
    this.#release(request);
  }

  /** The device is done with a request that was given up. */
  reclaim(request: Request): void {
    request.state = RequestState.held;
    this.#finish(request, BlkStatus.TIMEOUT);
    this.#lost--;
    this.#release(request);
  }

  /** Ends everything with an error, and refuses what comes, until `resume`. What the device has stays its own. */
  fail(failure: BlockptError): void {
    this.#failure = failure;
    for (const request of this.#tags.requests(this.#index)) {
      if (request.state === RequestState.started) this.#abandon(request, failure);
    }
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#refuse(held, failure);
    for (const request of this.#requeued.splice(0)) this.#refuse(request, failure);
    for (let bio = this.#shiftWaiting(); bio !== undefined; bio = this.#shiftWaiting()) {
      bio.giveUp(failure);
    }
  }

  /** The device has left the queue: nothing is its own any more. */
  reclaimAll(): void {
    for (const request of this.#tags.requests(this.#index)) {
      if (request.state === RequestState.ended) this.reclaim(request);
    }
  }

  /** Accepts bios again after `fail`. */
  resume(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#uncommitted = false;
  }

  /** Gives up requests that are too old; to be called eight times in the time that one may take. */
  sweep(): void {
    const now = performance.now();
    // A call that waits sweeps, too, and the timer's turn comes late after it.
    if (now - this.#sweptAt < this.#parts.timeoutMs / SWEEPS / 2) return;
    this.#sweptAt = now;
    this.#sweep++;
    if (this.#started > 0) this.#giveUpOverdue();
    // Nothing that ends may be left to make room.
    this.#retry();
    this.#giveUpWaiting();
  }

  #giveUpOverdue(): void {
    for (const request of this.#tags.requests(this.#index)) {
      if (!this.#isOverdue(request)) continue;
      if (!this.#operations.timeout(request)) request.sweep = this.#sweep;
      // The driver may have found its end, and the tag be another request's already.
      else if (this.#isOverdue(request)) {
        this.#abandon(request, errorOf(request, "ERR_BLOCKPT_TIMEOUT", BlkStatus.TIMEOUT));
      }
    }
  }

  #isOverdue(request: Request): boolean {
    return request.state === RequestState.started && this.#sweep - request.sweep > SWEEPS;
  }

  /** Makes requests of what is left of a bio; false if the tags are used up before its end. */
  #makeRequests(bio: Bio): boolean {
    do {
      if (this.#failure !== undefined) {
        // The driver found it out when it was handed the first of it.
        bio.giveUp(this.#failure);
        return true;
      }
      const held = this.#held;
      if (held !== undefined && this.#mayJoin(held, bio)) {
        bio.parts++;
        bio.submitted = bio.lenBytes;
        held.append(bio, 0, bio.lenBytes);
        return true;
      }
      const request = this.#tags.take(this.#index);
      if (request === undefined) return false;
      const offset = bio.submitted;
      const length = Math.min(bio.lenBytes - offset, this.#maxLenBytes);
      bio.parts++;
      bio.submitted = offset + length;
      request.queue = this;
      request.begin(bio, offset, length);
      this.#pending++;
      // Held first: what is dispatched may end at once, and its user submit the next one.
      this.#held = request;
      if (held !== undefined) this.#dispatch(held, false);
    } while (bio.submitted < bio.lenBytes);
    return true;
  }

  #mayJoin(held: Request, bio: Bio): boolean {
    if (bio.submitted !== 0 || !held.isFollowedBy(bio)) return false;
    const { buffer } = bio;
    const most = buffer === undefined ? this.#maxLenBytes : this.#mergedBytes;
    if (held.lenBytes + bio.lenBytes > most) return false;
    return buffer === undefined || (this.#operations.mayMerge?.(held, buffer) ?? true);
  }

  #dispatch(request: Request, isLast: boolean): void {
    if (this.#requeued.length === 0 && this.#hand(request, isLast)) return;
    this.#requeued.push(request);
    if (this.#started === 0) this.#retry();
  }

  /** Hands a request to the driver; false if there is no room for it now. */
  #hand(request: Request, isLast: boolean): boolean {
    const wasHanding = this.#handing;
    this.#handing = true;
    const isDone = this.#offer(request, isLast);
    this.#handing = wasHanding;
    return isDone;
  }

  #offer(request: Request, isLast: boolean): boolean {
    request.state = RequestState.started;
    request.sweep = this.#sweep;
    this.#started++;
    const status = this.#queueRq(request, isLast);
    if (status === BlkStatus.OK) {
      this.#uncommitted = !isLast;
      return true;
    }
    if (request.state !== RequestState.started) {
      // The driver failed the queue meanwhile, and has none of it.
      if (request.state === RequestState.ended) {
        this.#lost--;
        this.#tags.release(request);
      }
      return true;
    }
    request.state = RequestState.held;
    this.#started--;
    if (status === BlkStatus.RESOURCE) return false;
    this.#refuse(request, errorOf(request, "ERR_BLOCKPT_IO", status));
    return true;
  }

  /** A driver that throws has a bug, which its program hears of; the request ends all the same. */
  #queueRq(request: Request, isLast: boolean): number {
    try {
      return this.#operations.queueRq(request, isLast);
    } catch (error) {
      throwUncaught(error);
      return BlkStatus.IOERR;
    }
  }

  #finish(request: Request, status: number): number {
    try {
      this.#operations.complete(request, status);
      return status;
    } catch (error) {
      throwUncaught(error);
      return BlkStatus.IOERR;
    }
  }

  #commit(): void {
    if (!this.#uncommitted || this.#failure !== undefined) return;
    this.#uncommitted = false;
    this.#operations.commitRqs(this.#index);
  }

  /** There may be room, or a tag, for what waits. */
  #advance(): void {
    if (this.#failure !== undefined) return;
    if (this.#handing) {
      this.#parts.unplugLater();
      return;
    }
    this.#retry();
    if (this.#advancing || this.#firstWaiting === undefined) return;
    this.#advancing = true;
    // What is submitted at their ends waits for the next turn.
    const last = this.#lastWaiting;
    for (let bio = this.#shiftWaiting(); bio !== undefined; bio = this.#shiftWaiting()) {
      if (!this.#makeRequests(bio)) {
        this.#unshiftWaiting(bio);
        break;
      }
      if (bio === last) break;
    }
    this.#advancing = false;
    this.#parts.unplugLater();
  }

  #retry(): void {
    if (this.#retrying || this.#requeued.length === 0) return;
    this.#retrying = true;
    for (let next = this.#requeued.shift(); next !== undefined; next = this.#requeued.shift()) {
      if (this.#hand(next, false)) continue;
      if (this.#started > 0) {
        this.#requeued.unshift(next);
        break;
      }
      // Nothing of ours will make room: half of it may fit.
      const rest = this.#cut(next);
      if (rest === undefined) this.#refuse(next, this.#noRoom(next));
      else this.#requeued.unshift(next, rest);
    }
    this.#retrying = false;
    this.#commit();
  }

  /** Cuts a request in half; gives the second, or undefined if it cannot be cut. */
  #cut(request: Request): Request | undefined {
    const unit = this.#cutBytes;
    const keep = Math.floor(Math.ceil(request.lenBytes / unit) / 2) * unit;
    const rest = keep === 0 ? undefined : this.#tags.take(this.#index);
    if (rest === undefined) return undefined;
    const segments = request.segments.slice(0, request.segmentCount).map((each) => ({ ...each }));
    rest.queue = this;
    this.#pending++;
    request.segmentCount = 0;
    rest.segmentCount = 0;
    let position = 0;
    for (const { bio, offset, length } of segments) {
      const first = Math.max(0, Math.min(length, keep - position));
      position += length;
      if (first > 0 && first < length) bio.parts++;
      if (first > 0) addTo(request, bio, offset, first);
      if (first < length) addTo(rest, bio, offset + first, length - first);
    }
    return rest;
  }

  /** Ends a request that the device has, and keeps it for the device. */
  #abandon(request: Request, error: BlockptError): void {
    const bios = request.segments.slice(0, request.segmentCount).map((segment) => segment.bio);
    request.state = RequestState.ended;
    this.#started--;
    this.#pending--;
    this.#lost++;
    // The device may give it back, and its tag be used anew, while its users are told.
    for (const bio of bios) {
      bio.error ??= error;
      bio.endPart();
    }
  }

  /** Ends a request that the device does not have. */
  #refuse(request: Request, error: BlockptError): void {
    this.#pending--;
    endSegments(request, error);
    this.#release(request);
  }

  /** Its tag is free again, for what waits. */
  #release(request: Request): void {
    this.#tags.release(request);
    if (this.#requeued.length > 0 || this.#firstWaiting !== undefined) this.#advance();
  }

  #wait(bio: Bio): void {
    bio.next = undefined;
    if (this.#lastWaiting === undefined) this.#firstWaiting = bio;
    else this.#lastWaiting.next = bio;
    this.#lastWaiting = bio;
    this.#waiting++;
  }

  #unshiftWaiting(bio: Bio): void {
    bio.next = this.#firstWaiting;
    this.#firstWaiting = bio;
    this.#lastWaiting ??= bio;
    this.#waiting++;
  }

  #shiftWaiting(): Bio | undefined {
    const bio = this.#firstWaiting;
    if (bio === undefined) return undefined;
    this.#firstWaiting = bio.next;
    if (bio.next === undefined) this.#lastWaiting = undefined;
    // Else one that is kept would keep all that ever waited behind it.
    bio.next = undefined;
    this.#waiting--;
    return bio;
  }

  /** Bios that wait for tags none of which will come back: their requests were all given up. */
  #giveUpWaiting(): void {
    if (this.#lost < this.#tags.depth || this.#firstWaiting === undefined) return;
    // One may have come back late, when nobody looked.
    if (this.#operations.poll(this.#index, 0) > 0) return;
    for (let bio = this.#shiftWaiting(); bio !== undefined; bio = this.#shiftWaiting()) {
      bio.giveUp(
        new BlockptError(
          "ERR_BLOCKPT_TIMEOUT",
          "every tag is held by a request that the device did not answer in time",
        ),
      );
    }
  }

  #noRoom(request: Request): BlockptError {
    return new BlockptError(
      "ERR_BLOCKPT_NO_SPACE",
      `${describe(request)}: there is no room for it; ${this.#parts.roomHint}`,
    );
  }
}

function overlap(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return (
    one?.buffer === other.buffer &&
    one.byteOffset < other.byteOffset + other.length &&
    other.byteOffset < one.byteOffset + one.length
  );
}

function addTo(request: Request, bio: Bio, offset: number, length: number): void {
  if (request.segmentCount === 0) request.begin(bio, offset, length);
  else request.append(bio, offset, length);
}

/** Tells the users of a request of its end. Its tag is not free before: they may submit the next one. */
function endSegments(request: Request, error: BlockptError | undefined): void {
  for (let index = 0; index < request.segmentCount; index++) {
    const { bio } = request.segments[index] as { bio: Bio };
    if (error !== undefined) bio.error ??= error;
    bio.endPart();
  }
}

function errorOf(request: Request, code: BlockptErrorCode, status: number): BlockptError {
  const what =
    code === "ERR_BLOCKPT_TIMEOUT"
      ? "no answer in time"
      : `the device answered ${nameOf(BlkStatus, status) ?? "an unknown status"} (${status})`;
  return new BlockptError(code, `${describe(request)}: ${what}`, { blkStatus: status });
}

function describe(request: Request): string {
  const name = NAMES.get(request.opf) ?? `operation ${request.opf}`;
  if (request.lenBytes === 0) return name;
  return `${name} of ${request.lenBytes} bytes at sector ${request.startSector}`;
}
