// What `blockpt demo --json` prints. Part of the command line's interface.

import type { EngineKind } from "blockpt";
import type { Failure } from "../failure.js";
import type { CopyResult } from "./copy.js";
import type { DiscSpec, FunctionSpec } from "./endpoint-worker.js";
import type { Image } from "./image.js";
import type { Measurement } from "./measure.js";
import type { DiskInfo } from "./root-complex-worker.js";

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly passed: boolean;
  /** What was seen, for people. */
  readonly detail: string;
  /** What the library said to it. */
  readonly note?: string;
}

/** A copy beside what it is a copy of. */
export interface CopyReport extends CopyResult {
  readonly disk: string;
  /** Of the image file, read by this process without blockpt. */
  readonly imageSha256: string;
  readonly equal: boolean;
  /** Where the copy first differs from the image. */
  readonly firstDifferenceBytes: number | undefined;
}

/** An engine that could not be used, and why. */
export interface EngineFailure extends Failure {
  readonly engine: EngineKind;
}

export interface Throughput {
  readonly measurements: readonly (Measurement & { readonly engine: EngineKind })[];
  readonly notMeasured: readonly EngineFailure[];
}

export interface DemoReport {
  readonly version: string;
  /** Whether every check passed. */
  readonly ok: boolean;
  /** The engine that everything but the throughput of the other one ran on. */
  readonly engine: EngineKind;
  readonly image: Image;
  readonly function: FunctionSpec;
  readonly exports: readonly DiscSpec[];
  readonly pci: { readonly address: string; readonly lspci: string };
  readonly devices: readonly string[];
  readonly disks: readonly DiskInfo[];
  /** What the root complex's driver logged. */
  readonly log: readonly string[];
  readonly copy: CopyReport;
  readonly checks: readonly Check[];
  /** Left out if a check failed. */
  readonly throughput: Throughput | undefined;
}
