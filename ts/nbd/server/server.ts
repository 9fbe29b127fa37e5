// The NBD server: a place where clients connect, and the disks that they find there.

import { createServer, type Server, type Socket } from "node:net";
import { createSecureContext, createServer as createTlsServer } from "node:tls";
import { BlockptError, checkInteger } from "../../errors.js";
import { MAX_STRING_BYTES } from "../protocol.js";
import { formatNbdUri, type NbdAddress, parseNbdUri } from "../uri.js";
import { Connection } from "./connection.js";
import type { NbdExport } from "./export.js";
import type { Terms } from "./handshake.js";
import { Disconnected } from "./handshake-stream.js";

/** The server's side of TLS: texts are PEM. */
export interface NbdTlsOptions {
  /** The server's certificate, and those between it and the authority's. */
  readonly cert: string | Uint8Array;
  /** The certificate's private key. */
  readonly key: string | Uint8Array;
  /** The authority whose certificates clients have to have. Without it clients need none. */
  readonly ca?: string | Uint8Array | undefined;
}

/** How a server is made. */
export interface NbdServerOptions {
  /**
   * Where it listens: an NBD URI without an export's name. `nbd://HOST:PORT` (port 0: any that is free) or
   * `nbd+unix:///?socket=PATH`; with `nbds` clients have to use TLS. Default `nbd://localhost:10809`, which only this
   * machine reaches; `nbd://0.0.0.0` and `nbd://[::]` are reached by others.
   */
  readonly uri?: string | undefined;
  /** What it offers, looked at anew for each client: an array may be changed. The empty name means the only one. */
  readonly exports: Iterable<NbdExport>;
  /** Certificates. With an `nbd` URI clients may use TLS then, and need not. */
  readonly tls?: NbdTlsOptions | undefined;
  /** Most clients at once, 1 to 65536; more are turned away. Each has 2 MiB of memory at most. Default 128. */
  readonly maxConnections?: number | undefined;
  /** A client that has not chosen an export after this is dropped, in milliseconds. Default 10000. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Hears, in words, of clients that were turned away or dropped. */
  readonly log?: ((line: string) => void) | undefined;
}

/** After this those who do not take their answers are left without them. */
const CLOSE_GRACE_MS = 5000;
/** A connection that is silent is probed after this. */
const KEEP_ALIVE_MS = 60_000;

/**
 * Serves disks to NBD clients: QEMU, nbdcopy, fio, the Linux kernel. Reads and writes go between the sockets and a
 * `RemoteDisk`'s host memory without a copy; each client has many requests in flight, answered as they
 * end; a client that is slow, idle or means ill has its own 2 MiB of memory and no more.
 *
 * A flush is for everything that any client has written. The protocol cannot tell a client that is connected of
 * a new size: who connects after a resize has it.
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
 * import { NbdServer } from "blockpt/nbd";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("ram0");
 *
 * const exports = [{ name: "ram0", disk }];
 * const server = await NbdServer.listen({ uri: "nbd://localhost:0", exports });
 * console.log(server.uri("ram0").startsWith("nbd://localhost:")); // true
 * // Now `nbdinfo`, `qemu-img info` and their like take that URI.
 *
 * await server.close();
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export class NbdServer {
  readonly #server: Server;
  readonly #address: NbdAddress;
  readonly #connections = new Set<Connection>();
  #isEnding = false;

  private constructor(server: Server, address: NbdAddress) {
    this.#server = server;
    this.#address = address;
  }

  /**
   * Starts to listen.
   *
   * @throws {@link BlockptError} (as a rejection) `ERR_BLOCKPT_INVALID_ARGUMENT` for a URI that is none, or has a name in it,
   * for `nbds` without `tls`, and for numbers out of range; `ERR_BLOCKPT_NAME` for an export's name of more than
   * 4096 bytes; `ERR_BLOCKPT_LISTEN` if it cannot listen there, or with those certificates
   */
  static async listen(options: NbdServerOptions): Promise<NbdServer> {
    const { uri = "nbd://localhost", exports, tls, maxConnections = 128 } = options;
    const { handshakeTimeoutMs = 10_000, log = () => {} } = options;
    checkInteger("maxConnections", maxConnections, 1, 65536);
    checkInteger("handshakeTimeoutMs", handshakeTimeoutMs, 1, 2 ** 31 - 1);
    const wanted = parseNbdUri(uri);
    checkAddress(uri, wanted, tls);
    for (const { name } of exports) checkName(name);
    const startTls = tls === undefined ? undefined : tlsStarter(tls);

    const listener = createServer({ allowHalfOpen: true });
    const address = await bind(listener, wanted, uri);
    const server = new NbdServer(listener, address);
    const terms: Terms = {
      exports: () => [...exports],
      startTls,
      requiresTls: address.tls,
      isEnding: () => server.#isEnding,
    };
    listener.on("error", (error) => log(`a client could not be accepted: ${error.message}`));
    listener.on("connection", (socket) => {
      if (server.#connections.size >= maxConnections) {
        log(`a client was turned away: there are ${maxConnections} already`);
        socket.destroy();
        return;
      }
      socket.setNoDelay(true);
      // A client that is gone without a word is noticed.
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      const connection = new Connection(socket, { terms, handshakeTimeoutMs, log });
      server.#connections.add(connection);
      void connection.done.then(() => server.#connections.delete(connection));
    });
    return server;
  }

  /** Where clients find an export: with the port that it listens on. */
  uri(exportName = ""): string {
    return formatNbdUri({ ...this.#address, exportName });
  }

  /** How many clients are connected, or have requests that the disk has not ended. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Stops listening, and ends the connections, each when what its client has asked for is answered, or after five
   * seconds. The disks stay attached, and have nothing of it any more.
   */
  async close(): Promise<void> {
    this.#isEnding = true;
    this.#server.close();
    const ended = [...this.#connections].map((connection) => {
      connection.end();
      return connection.done;
    });
    const late = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, CLOSE_GRACE_MS);
    await Promise.all(ended);
    clearTimeout(late);
  }
}

function checkAddress(uri: string, address: NbdAddress, tls: NbdTlsOptions | undefined): void {
  const why =
    address.exportName !== ""
      ? "where a server listens has no export's name in it"
      : address.tls && tls === undefined
        ? "TLS needs a certificate and its key: tls"
        : undefined;
  if (why === undefined) return;
  throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", `${JSON.stringify(uri)}: ${why}`);
}

function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes <= MAX_STRING_BYTES) return;
  const why = `the name of an export has ${bytes} bytes, at most ${MAX_STRING_BYTES} may be`;
  throw new BlockptError("ERR_BLOCKPT_NAME", why);
}

/** Listens; gives the address with the port that it got. */
function bind(server: Server, address: NbdAddress, uri: string): Promise<NbdAddress> {
  const { host, port, socketPath } = address;
  // Of the two addresses that it may be, the one that every client tries.
  const place =
    socketPath === undefined
      ? { host: host === "localhost" ? "127.0.0.1" : host, port }
      : { path: socketPath };
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(
        new BlockptError("ERR_BLOCKPT_LISTEN", `cannot listen at ${uri}: ${cause.message}`, {
          cause,
        }),
      );
    });
    server.listen(place, () => {
      const bound = server.address();
      resolve(
        typeof bound === "object" && bound !== null ? { ...address, port: bound.port } : address,
      );
    });
  });
}

/** Checks the certificates, and gives what begins TLS on a socket. */
function tlsStarter({ cert, key, ca }: NbdTlsOptions): (socket: Socket) => Promise<Socket> {
  const options = {
    cert: textOf(cert),
    key: textOf(key),
    ...(ca === undefined ? {} : { ca: textOf(ca), requestCert: true, rejectUnauthorized: true }),
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    const why = `TLS cannot be had with these certificates: ${(cause as Error).message}`;
    throw new BlockptError("ERR_BLOCKPT_LISTEN", why, { cause });
  }
  return (socket) =>
    new Promise((resolve, reject) => {
      // A server of its own says which client it is that is secure.
      const server = createTlsServer({ ...options, allowHalfOpen: true });
      server.once("secureConnection", resolve);
      server.once("tlsClientError", () => reject(new Disconnected()));
      server.emit("connection", socket);
    });
}

function textOf(pem: string | Uint8Array): string {
  return typeof pem === "string" ? pem : Buffer.from(pem).toString();
}
