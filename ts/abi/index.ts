/**
 * The protocol's bytes, for whoever writes a side of their own: a contents page, and nothing else.
 *
 * @module blockpt/abi
 */

export { BlockptError, type BlockptErrorCode } from "../errors.js";
export * from "./descriptor.js";
export * from "./layout.js";
export * from "./names.js";
export * from "./queue-layout.js";
export * from "./registers.js";
