// A request: what is handed to a driver, one for each tag, made once and used again.
//
//   free ──take──► held ──queueRq──► started ──device──► free
//                   ▲ RESOURCE │        └─timeout, detach─► ended ──device, reset──► free
//                   └──────────┘
//
// Its users hear of it on the way out of `started`, once. An ended request is still the
// device's: its buffer stays mapped and its tag taken until the device gives it back.

import { Operation, SECTOR_BYTES } from "../abi/layout.js";
import { Bio } from "./bio.js";
import type { HardwareQueue } from "./hardware-queue.js";

/** @internal Where a request is in its life. */
export const RequestState = { free: 0, held: 1, started: 2, ended: 3 } as const;

const SECTOR_SHIFT = Math.log2(SECTOR_BYTES);
const NOBODY = new Bio();

/** A part of a bio in a request. */
export interface Segment {
  /** Whose data it is. */
  bio: Bio;
  /** Where the part starts in the bio, in bytes. */
  offset: number;
  /** Bytes. */
  length: number;
}

/** A request, as a driver gets it. */
export class Request {
  /** Which hardware queue. */
  readonly hwQueue: number;
  /** Which of that queue's requests. */
  readonly tag: number;
  /** One of `Operation`. */
  opf = 0;
  /** Descriptor flags: 0, or `DescriptorFlag.FUA` on a write. */
  flags = 0;
  /** First sector. */
  startSector = 0;
  /** Bytes; 0 for a flush. */
  lenBytes = 0;
  /** The parts it is made of, in order; the first `segmentCount` count. */
  readonly segments: Segment[] = [];
  /** How many segments there are. */
  segmentCount = 0;

  /** @internal */
  state: number = RequestState.free;
  /** @internal The sector behind its last one. */
  endSector = 0;
  /** @internal The sweep before which it was started. */
  sweep = 0;
  /** @internal Whose it is while it is not free. */
  queue: HardwareQueue | undefined;

  /** @internal */
  constructor(hwQueue: number, tag: number) {
    this.hwQueue = hwQueue;
    this.tag = tag;
  }

  /**
   * The device is done with the request. True if this was its end; false if it had ended before, as
   * by its time-out: then its tag and its buffer come back, and nobody hears of the status.
   *
   * @param status - one of `BlkStatus`, of `blockpt/abi`
   */
  complete(status: number): boolean {
    if (this.state === RequestState.ended) this.queue?.reclaim(this);
    if (this.state !== RequestState.started) return false;
    (this.queue as HardwareQueue).complete(this, status);
    return true;
  }

  /** @internal Starts anew with a part of a bio. */
  begin(bio: Bio, offset: number, length: number): void {
    this.opf = bio.opf;
    this.flags = bio.flags;
    this.startSector = offset === 0 ? bio.startSector : bio.startSector + offset / SECTOR_BYTES;
    this.endSector = this.startSector;
    this.lenBytes = 0;
    this.segmentCount = 0;
    this.state = RequestState.held;
    this.append(bio, offset, length);
  }

  /** @internal */
  append(bio: Bio, offset: number, length: number): void {
    const segment = this.segments[this.segmentCount];
    if (segment === undefined) {
      this.segments.push({ bio, offset, length });
    } else {
      segment.bio = bio;
      segment.offset = offset;
      segment.length = length;
    }
    this.segmentCount++;
    this.lenBytes += length;
    this.endSector += length >>> SECTOR_SHIFT;
  }

  /** @internal Is nobody's from here on, and keeps nobody's buffer. */
  clear(): void {
    for (let index = 0; index < this.segmentCount; index++) {
      (this.segments[index] as Segment).bio = NOBODY;
    }
    this.segmentCount = 0;
    this.state = RequestState.free;
  }

  /** @internal Whether a bio starts where this one ends, and is of its kind. */
  isFollowedBy(bio: Bio): boolean {
    return (
      this.opf === bio.opf &&
      this.flags === bio.flags &&
      this.opf !== Operation.FLUSH &&
      this.endSector === bio.startSector
    );
  }
}
