// The public names of `blockpt/nbd`: a contents page, and nothing else.

export type { NbdDisk, NbdExport } from "./server/export.js";
export { NbdServer, type NbdServerOptions, type NbdTlsOptions } from "./server/server.js";
export { formatNbdUri, isNbdUri, type NbdAddress, parseNbdUri } from "./uri.js";
