// What is said on the control socket: a line of JSON for a request, one for its answer.
//
//   {"request":"inspect"}                 {"ok":true,"result":{"pid":…,"endpoint":{…},…}}
//   {"request":"dump"}                    {"ok":true,"result":{"bus":{…},"functions":{…},…}}
//   {"request":"apply","document":{…}}    {"ok":true,"result":{"changed":["/sys/…"]}}
//                                         {"ok":false,"error":{"code":…,"message":…,"keys":[…]}}

import type { EndpointReport } from "blockpt";
import type { DiskInfo } from "../demo/root-complex-worker.js";

/** What can be asked for. */
export const REQUESTS = ["inspect", "dump", "apply"] as const;

export type Request =
  | { readonly request: "inspect" | "dump" }
  | { readonly request: "apply"; readonly document: unknown };

export type Response =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: ResponseError };

export interface ResponseError {
  readonly code: string;
  readonly message: string;
  /** Where in the document that was to be applied. */
  readonly keys?: readonly string[] | undefined;
}

/** Of `inspect`. */
export interface MachineReport {
  readonly pid: number;
  /** When it was made, in milliseconds of a clock of its own. */
  readonly atMs: number;
  readonly engine: string;
  readonly controller: string;
  /** Undefined while no function is bound. */
  readonly endpoint?: EndpointReport | undefined;
  readonly disks: readonly DiskInfo[];
}

/** The longest line of a request: twice the largest config file, as JSON. */
export const MOST_REQUEST_BYTES = 1024 * 1024;
/** The longest line of an answer. */
export const MOST_RESPONSE_BYTES = 64 * 1024 * 1024;

/** A line became too long. */
export class LineTooLong extends Error {}

/** The lines of a stream, without their ends; the last one may have none. */
export async function* linesOf(
  stream: AsyncIterable<Buffer>,
  mostBytes: number,
): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let rest = chunk;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      if (length + end > mostBytes) throw new LineTooLong();
      yield Buffer.concat([...parts, rest.subarray(0, end)]).toString();
      rest = rest.subarray(end + 1);
      parts = [];
      length = 0;
    }
    parts.push(rest);
    length += rest.length;
    if (length > mostBytes) throw new LineTooLong();
  }
  if (length > 0) yield Buffer.concat(parts).toString();
}
