/**
 * What drives, attacks and checks a side: a contents page, and nothing else.
 *
 * @module blockpt/testing
 */

export { BlockptError, type BlockptErrorCode } from "../errors.js";
export type { Attack, AttackOptions, AttackResult } from "./attack.js";
export { type AttackEndpointOptions, attackEndpoint } from "./attack-endpoint.js";
export { type AttackRootComplexOptions, attackRootComplex } from "./attack-root-complex.js";
export type { Amount } from "./conformance/amount.js";
export {
  type ClauseReport,
  type ConformanceOptions,
  checkConformance,
} from "./conformance/conformance.js";
export { type VectorOfTraceOptions, vectorOfTrace } from "./conformance/trace-vector.js";
export type * from "./conformance/vector.js";
export { CONFORMANCE_VECTORS } from "./conformance/vectors/index.js";
export { DeviceRings, type DeviceRingsLayout, type RawRequest } from "./device/device-rings.js";
export {
  deviceAttacks,
  HostileDevice,
  type HostileDeviceOptions,
} from "./device/hostile-device.js";
export { type Lies, RawDevice, type RawDeviceOptions, type RawDisc } from "./device/raw-device.js";
export type { AttackedDisk, AttackedRootComplex } from "./device/stage.js";
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
} from "./driver/raw-driver.js";
export { type RawCompletion, RawQueue, type RawQueueOptions } from "./driver/raw-queue.js";
export { RawRegisters, type RegisterName } from "./raw-registers.js";
