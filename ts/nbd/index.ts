/**
 * Attached disks for NBD clients: a contents page, and nothing else.
 *
 * @module blockpt/nbd
 */

export { BlockptError, type BlockptErrorCode } from "../errors.js";
export type { NbdDisk, NbdExport } from "./server/export.js";
export { NbdServer, type NbdServerOptions, type NbdTlsOptions } from "./server/server.js";
export { formatNbdUri, isNbdUri, type NbdAddress, parseNbdUri } from "./uri.js";
