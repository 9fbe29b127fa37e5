// `blockpt/abi`: the protocol's bytes, for whoever writes a side of his own.

export * from "./descriptor.js";
export * from "./layout.js";
export * from "./queue-layout.js";
export * from "./registers.js";
