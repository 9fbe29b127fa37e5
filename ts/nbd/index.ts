// The public names of `blockpt/nbd`: a contents page, and nothing else.

export { formatNbdUri, isNbdUri, type NbdAddress, parseNbdUri } from "./uri.js";
