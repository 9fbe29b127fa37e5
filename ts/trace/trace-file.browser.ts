// In place of trace files: a browser has none.

import { absent } from "../platform/absent.browser.js";

const INSTEAD = "Trace.records() has what was recorded";

export class TraceFile {
  static create(path: string): never {
    throw absent(`the trace file ${path}`, INSTEAD);
  }
}

export function readTraceFile(path: string): never {
  throw absent(`the trace file ${path}`, INSTEAD);
}
