// What a replay found, against what was recorded.

import type { TraceCompletion, TraceDescriptor } from "blockpt";
import { BlkStatus, nameOf } from "blockpt/abi";
import { requestOf } from "./words.js";

export interface Difference {
  /** When it was recorded. */
  readonly timeUs: number;
  /** What was asked. */
  readonly what: string;
  readonly recorded: string;
  readonly replayed: string;
}

export class Outcome {
  readonly differences: Difference[] = [];
  commands = 0;
  requests = 0;
  /** Of which one of the two ends is not known. */
  notCompared = 0;

  compare(timeUs: number, what: string, recorded: string, replayed: string): void {
    if (recorded !== replayed) this.differences.push({ timeUs, what, recorded, replayed });
  }

  /** @param status - undefined where no answer came */
  compareRequest(
    request: TraceDescriptor,
    end: TraceCompletion | undefined,
    status: number | undefined,
  ): void {
    this.requests++;
    if (end?.blkStatus === undefined) {
      this.notCompared++;
      return;
    }
    const what = `${request.disc} queue ${request.queue}: ${requestOf(request)}`;
    this.compare(request.timeUs, what, end.status, statusName(status));
  }
}

function statusName(status: number | undefined): string {
  if (status === undefined) return "no answer";
  return nameOf(BlkStatus, status) ?? `0x${status.toString(16)}`;
}
