// The public names of `blockpt/testing`: a contents page, and nothing else.

export { BlockptError, type BlockptErrorCode } from "../errors.js";
export type { Attack, AttackOptions, AttackResult } from "./attack.js";
export { type AttackEndpointOptions, attackEndpoint } from "./attack-endpoint.js";
export {
  driverAttacks,
  HostileDriver,
  type HostileDriverOptions,
} from "./driver/hostile-driver.js";
export {
  type RawArguments,
  RawDriver,
  type RawDriverOptions,
  type RawMsixEntry,
  type RegisterName,
} from "./driver/raw-driver.js";
export { type RawCompletion, RawQueue, type RawQueueOptions } from "./driver/raw-queue.js";
