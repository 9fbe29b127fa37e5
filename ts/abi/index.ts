// `blockpt/abi`: the protocol's bytes, for whoever writes a side of his own.

export { BlockptError, type BlockptErrorCode } from "../errors.js";
export * from "./descriptor.js";
export * from "./layout.js";
export * from "./names.js";
export * from "./queue-layout.js";
export * from "./registers.js";
