// From an NBD address to a connection that has shaken hands, or to why there is none.

import type { ConnectionOptions } from "node:tls";
import { BlockptError } from "../../errors.js";
import { formatNbdUri, type NbdAddress } from "../uri.js";
import type { NbdExportFacts } from "./export-facts.js";
import { shakeHands } from "./handshake.js";
import { Wire } from "./wire.js";

/** A peer that is gone without a word is noticed after this and some ten seconds. */
const KEEP_ALIVE_MS = 5000;

/** What a URI may say of TLS, as libnbd has it. */
const TLS_PARAMETERS = ["tls-certificates", "tls-hostname", "tls-verify-peer"];

/** A connection whose handshake is done. */
export interface Connected {
  readonly wire: Wire;
  readonly served: NbdExportFacts;
}

/** Refuses an address that says what cannot be heeded. */
export function checkNbdAddress(address: NbdAddress): void {
  const { tls, parameters } = address;
  for (const [name, value] of Object.entries(parameters)) {
    const complaint = !TLS_PARAMETERS.includes(name)
      ? `${TLS_PARAMETERS.join(", ")} are what is known`
      : !tls
        ? "it goes with nbds:// and nbds+unix://"
        : name === "tls-verify-peer" && verifies(value) === undefined
          ? "1 or 0 is wanted"
          : value === ""
            ? "it is empty"
            : undefined;
    if (complaint === undefined) continue;
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `${formatNbdUri(address)}: ${name}=${value}: ${complaint}`,
    );
  }
}

/** Connects, and shakes hands, all of it within the time. */
export async function connectNbd(
  address: NbdAddress,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Connected> {
  signal.throwIfAborted();
  const { connect } = await import("node:net");
  const { tls, host, port, socketPath } = address;
  const where =
    socketPath === undefined ? { host: host ?? "localhost", port } : { path: socketPath };
  // TLS takes the socket over, and has no use for memory that it was lent.
  const wire = new Wire((onread) => connect(tls ? where : { ...where, onread }));
  if (tls) wire.listen();
  const { socket } = wire;
  socket.setNoDelay(true);
  if (socketPath === undefined) socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const giveUp = (): void => wire.destroy(new Error("the client was closed"));
  const timer = setTimeout(
    () => wire.destroy(new Error(`the server has not shaken hands within ${timeoutMs} ms`)),
    timeoutMs,
  );
  signal.addEventListener("abort", giveUp);
  try {
    const startTls = tls ? () => secure(wire, address) : undefined;
    return { wire, served: await shakeHands(wire, address.exportName, startTls) };
  } catch (error) {
    wire.destroy(error as Error);
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

/** Speaks TLS from here on. */
async function secure(wire: Wire, address: NbdAddress): Promise<void> {
  const { connect } = await import("node:tls");
  const options = await tlsOptions(address);
  const socket = connect({ ...options, socket: wire.socket });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the server ended the connection as TLS began")));
    wire.socket.once("close", () => reject(new Error("the connection ended as TLS began")));
  });
  wire.upgrade(socket);
}

async function tlsOptions({ host, parameters }: NbdAddress): Promise<ConnectionOptions> {
  const servername = parameters["tls-hostname"] ?? host ?? "localhost";
  const { isIP } = await import("node:net");
  const options: ConnectionOptions = {
    // An address is none that may stand in a greeting of TLS; it is compared nevertheless.
    ...(isIP(servername) === 0 ? { servername } : { host: servername }),
    rejectUnauthorized: verifies(parameters["tls-verify-peer"] ?? "1") ?? true,
  };
  const folder = parameters["tls-certificates"];
  if (folder === undefined) return options;
  const { readFile } = await import("node:fs/promises");
  options.ca = await readFile(`${folder}/ca-cert.pem`);
  const isAbsent = (error: NodeJS.ErrnoException): undefined => {
    if (error.code !== "ENOENT") throw error;
    return undefined;
  };
  const [cert, key] = await Promise.all(
    ["client-cert.pem", "client-key.pem"].map((name) =>
      readFile(`${folder}/${name}`).catch(isAbsent),
    ),
  );
  return cert === undefined || key === undefined ? options : { ...options, cert, key };
}

/** What `tls-verify-peer` says. */
function verifies(text: string): boolean | undefined {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  return /^(0|false|no|off)$/i.test(text) ? false : undefined;
}
