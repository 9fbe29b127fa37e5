// NBD URIs, as https://github.com/NetworkBlockDevice/nbd/blob/master/doc/uri.md has them:
//
//   nbd://HOST[:PORT]/EXPORT          nbd+unix:///EXPORT?socket=PATH
//   nbds://HOST[:PORT]/EXPORT         nbds+unix:///EXPORT?socket=PATH      with TLS

import { BlockptError } from "../errors.js";
import { NBD_PORT } from "./protocol.js";

/** Where an NBD server is, and which of its exports is meant. */
export interface NbdAddress {
  /** Whether TLS is wanted. */
  readonly tls: boolean;
  /** A host name or an address of TCP; undefined for a Unix socket. */
  readonly host: string | undefined;
  /** The port of TCP, 0 to 65535. */
  readonly port: number;
  /** The path of a Unix socket; undefined for TCP. */
  readonly socketPath: string | undefined;
  /** The export's name; empty for the server's default. */
  readonly exportName: string;
  /** What else stands behind the `?`, such as `tls-certificates`. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** More do not fit into a socket's address, and are cut off without a word by some systems. */
const MOST_SOCKET_PATH_BYTES = 107;

const SCHEMES: Readonly<Record<string, { tls: boolean; unix: boolean }>> = {
  "nbd:": { tls: false, unix: false },
  "nbds:": { tls: true, unix: false },
  "nbd+unix:": { tls: false, unix: true },
  "nbds+unix:": { tls: true, unix: true },
};

/** Whether a text is meant as an NBD URI, be it right or wrong. */
export function isNbdUri(text: string): boolean {
  return /^nbds?(\+[a-z]+)?:/i.test(text);
}

/**
 * Takes an NBD URI apart.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for one that is none
 *
 * @example
 * ```ts
 * import { parseNbdUri } from "blockpt/nbd";
 *
 * const { socketPath, exportName } = parseNbdUri("nbd+unix:///ram0?socket=/run/nbd.sock");
 * console.log(socketPath, exportName); // /run/nbd.sock ram0
 * ```
 */
export function parseNbdUri(uri: string): NbdAddress {
  const url = urlOf(uri);
  const scheme = url === undefined ? undefined : SCHEMES[url.protocol];
  if (url === undefined || scheme === undefined) {
    throw refused(uri, "nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH is wanted");
  }
  const { socket, ...parameters } = Object.fromEntries(url.searchParams) as Record<string, string>;
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    throw refused(uri, "it has a user or a # in it");
  }
  if (scheme.unix && (url.host !== "" || !socket)) {
    throw refused(uri, "it has to name a socket: nbd+unix:///EXPORT?socket=PATH");
  }
  const socketBytes = new TextEncoder().encode(socket).length;
  if (socketBytes > MOST_SOCKET_PATH_BYTES) {
    const why = `the path of its socket has ${socketBytes} bytes`;
    throw refused(
      uri,
      `${why}, at most ${MOST_SOCKET_PATH_BYTES} may be: a relative one may be shorter`,
    );
  }
  if (!scheme.unix && socket !== undefined) {
    throw refused(uri, "a socket goes with nbd+unix:///EXPORT?socket=PATH");
  }
  const host = decoded(uri, url.hostname).replace(/^\[(.*)\]$/, "$1");
  return {
    tls: scheme.tls,
    host: scheme.unix ? undefined : host || "localhost",
    port: url.port === "" ? NBD_PORT : Number(url.port),
    socketPath: socket,
    exportName: decoded(uri, url.pathname.replace(/^\//, "")),
    parameters,
  };
}

/** Puts an NBD URI together. */
export function formatNbdUri(address: NbdAddress): string {
  const { tls, host, port, socketPath, exportName, parameters } = address;
  const scheme = `nbd${tls ? "s" : ""}${socketPath === undefined ? "" : "+unix"}`;
  const name = host?.includes(":") ? `[${host}]` : (host ?? "");
  const authority = socketPath !== undefined ? "" : `${name}${port === NBD_PORT ? "" : `:${port}`}`;
  const query = Object.entries({
    ...(socketPath === undefined ? {} : { socket: socketPath }),
    ...parameters,
  }).map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2F", "/")}`);
  const path = encodeURIComponent(exportName).replaceAll("%2F", "/");
  return `${scheme}://${authority}/${path}${query.length === 0 ? "" : `?${query.join("&")}`}`;
}

function urlOf(uri: string): URL | undefined {
  try {
    return new URL(uri);
  } catch {
    return undefined;
  }
}

function decoded(uri: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(uri, "a % in it is not followed by two hexadecimal digits");
  }
}

function refused(uri: string, why: string): BlockptError {
  return new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", `${JSON.stringify(uri)}: ${why}`);
}
