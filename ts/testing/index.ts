// The public names of `blockpt/testing`: a contents page, and nothing else.

export { BlockptError, type BlockptErrorCode } from "../errors.js";
export type { Amount } from "./conformance/amount.js";
export {
  type ClauseReport,
  type ConformanceOptions,
  checkConformance,
} from "./conformance/conformance.js";
export type * from "./conformance/vector.js";
export { CONFORMANCE_VECTORS } from "./conformance/vectors/index.js";
export {
  type RawArguments,
  RawDriver,
  type RawDriverOptions,
  type RawMsixEntry,
  type RegisterName,
} from "./raw-driver.js";
export { type RawCompletion, RawQueue, type RawQueueOptions } from "./raw-queue.js";
