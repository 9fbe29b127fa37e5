// A disc that is another machine's: an export of an NBD server.

import { Feature, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError, checkInteger } from "../errors.js";
import { NbdClient } from "../nbd/client/client.js";
import { checkNbdAddress, connectNbd } from "../nbd/client/connect.js";
import { takeLeave } from "../nbd/client/connection.js";
import { createDurability } from "../nbd/client/durability.js";
import type { NbdExportFacts } from "../nbd/client/export-facts.js";
import { TransmissionFlag } from "../nbd/protocol.js";
import { type NbdAddress, parseNbdUri } from "../nbd/uri.js";
import { checkDiscSize, type Disc, type NbdDiscHandle } from "./disc.js";
import { wholeBlocks } from "./whole-blocks.js";

/** How an export of an NBD server is opened. */
export interface NbdDiscOptions {
  /** Refuse writes. Default false; an export that may only be read is so in any case. */
  readOnly?: boolean | undefined;
  /** Connections a queue, 1 to 16, if the server bears several of one client. Default 1. */
  connections?: number | undefined;
  /** How long connecting and shaking hands may take, 1 to 60,000 ms. Default 5000. */
  connectTimeoutMs?: number | undefined;
  /**
   * How long requests wait for a connection that was lost to be made anew, 0 to 25,000 ms, before they are answered
   * OFFLINE. Default 10,000. The root complex's own time-out is 30 s.
   */
  outageMs?: number | undefined;
}

const MAX_CONNECTIONS = 16;
const MAX_CONNECT_TIMEOUT_MS = 60_000;
const MAX_OUTAGE_MS = 25_000;

/** What the flags of an export mean for its disc. */
const FEATURES: readonly (readonly [flag: number, feature: number])[] = [
  [TransmissionFlag.SEND_FLUSH, Feature.FLUSH],
  [TransmissionFlag.SEND_FUA, Feature.FUA],
  [TransmissionFlag.SEND_TRIM, Feature.DISCARD],
  [TransmissionFlag.SEND_WRITE_ZEROES, Feature.WRITE_ZEROES],
];

/** What to do about it, by the code of the error. */
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there: is the server running?",
  ENOENT:
    "there is no such file: is the server running, and are the certificates where the URI says?",
  EACCES: "this user may not use that socket",
  ENOTFOUND: "no host of that name is known",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "tls-certificates=DIR names the folder of its ca-cert.pem",
  SELF_SIGNED_CERT_IN_CHAIN: "tls-certificates=DIR names the folder of its ca-cert.pem",
  DEPTH_ZERO_SELF_SIGNED_CERT: "tls-certificates=DIR names the folder of its ca-cert.pem",
  ERR_TLS_CERT_ALTNAME_INVALID: "tls-hostname=NAME says which name its certificate has",
};

/**
 * An export of an NBD server as a disc: of qemu-nbd, nbdkit or whatever else speaks the protocol. Each
 * queue has a connection of its own, made where the queue is served; a server has to bear connections that come and go,
 * as `qemu-nbd --persistent` does. With a server that does not bear several of one client there is one queue.
 *
 * A connection that is lost is made again, and what was not answered is sent again. If writes were acknowledged on
 * it that were not flushed since, the next flush of each queue fails with `IOERR`, as the server may have lost them.
 *
 * Its blocks are the server's smallest ones, or 512 bytes where these are smaller; what is behind the
 * last whole block of the export is not part of the disc. It flushes, discards and writes zeros if the server
 * does. After a discard the bytes there are any.
 *
 * @example
 * ```ts
 * import { NbdDisc } from "blockpt";
 *
 * const error = await NbdDisc.open("nbd+unix:///disk?socket=nobody.sock").catch((error) => error);
 * console.log(error.code); // ERR_BLOCKPT_DISC_OPEN
 * ```
 */
export class NbdDisc implements Disc {
  readonly readOnly: boolean;
  readonly logicalBlockBytes: number;
  readonly features: number;
  readonly busRange: BusRange | undefined = undefined;
  readonly asynchronous = true;
  readonly maxQueues: number | undefined;
  readonly #address: NbdAddress;
  readonly #closed = new AbortController();
  #handle: NbdDiscHandle;
  /** Its connections in this thread: there at once in that of a queue, else when they are first needed. */
  #client: NbdClient | undefined;
  /** The whole bus. */
  #view: Uint8Array | undefined;

  private constructor(handle: NbdDiscHandle) {
    const { uri, readOnly, served } = handle;
    this.#handle = handle;
    this.#address = parseNbdUri(uri);
    this.readOnly = readOnly;
    this.logicalBlockBytes = blockBytesOf(served);
    this.features = FEATURES.reduce(
      (features, [flag, feature]) => ((served.flags & flag) === 0 ? features : features | feature),
      Feature.RESIZE as number,
    );
    this.maxQueues = bearsSeveral(served) ? undefined : 1;
  }

  /**
   * Opens an export. Its size is what it is now.
   *
   * @param uri - `nbd://HOST[:PORT]/EXPORT` or `nbd+unix:///EXPORT?socket=PATH`, and with TLS `nbds://` and
   * `nbds+unix://`; with these `tls-certificates=DIR` names the folder of `ca-cert.pem`, `client-cert.pem` and
   * `client-key.pem` in place of the system's authorities, `tls-hostname=NAME` the name that the server's
   * certificate has, and `tls-verify-peer=0` takes any
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no such URI, or an option out of
   * its range; `ERR_BLOCKPT_DISC_OPEN` if the server cannot be reached, has no such export, or refuses;
   * `ERR_BLOCKPT_DISC_SIZE` if the export is smaller than a block
   */
  static async open(uri: string, options: NbdDiscOptions = {}): Promise<NbdDisc> {
    const {
      readOnly = false,
      connections = 1,
      connectTimeoutMs = 5000,
      outageMs = 10_000,
    } = options;
    checkInteger("connections", connections, 1, MAX_CONNECTIONS);
    checkInteger("connectTimeoutMs", connectTimeoutMs, 1, MAX_CONNECT_TIMEOUT_MS);
    checkInteger("outageMs", outageMs, 0, MAX_OUTAGE_MS);
    const address = parseNbdUri(uri);
    checkNbdAddress(address);
    const served = await ask(uri, address, connectTimeoutMs, new AbortController().signal);
    checkDiscSize(uri, usableBytesOf(served));
    const handle: NbdDiscHandle = {
      kind: "nbd",
      uri,
      readOnly: readOnly || (served.flags & TransmissionFlag.READ_ONLY) !== 0,
      connections: bearsSeveral(served) ? connections : 1,
      connectTimeoutMs,
      outageMs,
      served,
      durability: createDurability(),
    };
    return new NbdDisc(handle);
  }

  /** @internal In the thread of a queue: connects. */
  static adopt(handle: NbdDiscHandle): NbdDisc {
    const disc = new NbdDisc(handle);
    disc.#connected();
    return disc;
  }

  get sizeBytes(): number {
    return usableBytesOf(this.#handle.served);
  }

  get handle(): NbdDiscHandle {
    return this.#handle;
  }

  /** A server is in no bus: any endpoint can export it. */
  isOn(): boolean {
    return true;
  }

  async readBytes(lenBytes: number, offsetBytes: number): Promise<Uint8Array> {
    const { start, end, wanted } = wholeBlocks(this, lenBytes, offsetBytes);
    const bytes = new Uint8Array(end - start);
    // Of its own: some servers bear one connection, and a queue is to have that.
    const client = this.#client ?? this.#connect(undefined);
    const blkStatus = await client.read(bytes, start);
    if (client !== this.#client) await client.leave();
    if (blkStatus === 0) return wanted(bytes);
    const why = `${lenBytes} bytes at ${offsetBytes} of ${this.#handle.uri} cannot be read`;
    throw new BlockptError("ERR_BLOCKPT_IO", why, { blkStatus });
  }

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#connected().read(this.#bytes(bus, address, lenBytes), offsetBytes);
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#connected().write(this.#bytes(bus, address, lenBytes), offsetBytes, false);
  }

  writeThroughFrom(
    bus: Bus,
    address: number,
    lenBytes: number,
    offsetBytes: number,
  ): Promise<number> {
    return this.#connected().write(this.#bytes(bus, address, lenBytes), offsetBytes, true);
  }

  flush(): Promise<number> {
    return this.#connected().flush();
  }

  writeZeroes(lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#connected().writeZeroes(lenBytes, offsetBytes);
  }

  discard(lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#connected().trim(lenBytes, offsetBytes);
  }

  /** Takes the size that the server says now, for which it needs another connection. It cannot be given one. */
  async resize(sizeBytes?: number | undefined): Promise<void> {
    const { uri, served, connectTimeoutMs } = this.#handle;
    if (sizeBytes !== undefined && sizeBytes !== this.sizeBytes) {
      throw new BlockptError(
        "ERR_BLOCKPT_DISC_SIZE",
        "the size of a disc on an NBD server is the server's",
      );
    }
    let now: NbdExportFacts;
    try {
      now = await ask(uri, this.#address, connectTimeoutMs, this.#closed.signal);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", `its size cannot be told: ${why}`, { cause });
    }
    const after = { ...served, sizeBytes: now.sizeBytes };
    checkDiscSize(uri, usableBytesOf(after));
    this.#handle = { ...this.#handle, served: after };
  }

  async leave(): Promise<void> {
    await this.#client?.leave();
  }

  close(): void {
    this.#closed.abort();
    void this.leave();
  }

  #connected(): NbdClient {
    this.#client ??= this.#connect(this.#handle.durability);
    return this.#client;
  }

  /** @param durability - undefined for a client that only reads */
  #connect(durability: SharedArrayBuffer | undefined): NbdClient {
    const { uri, connections, ...handle } = this.#handle;
    return new NbdClient({
      ...handle,
      address: this.#address,
      connections: durability === undefined ? 1 : connections,
      durability,
      log: (line) => console.error(`blockpt: ${uri}: ${line}`),
    });
  }

  #bytes(bus: Bus, address: number, lenBytes: number): Uint8Array {
    this.#view ??= new Uint8Array(bus.buffer);
    return this.#view.subarray(address, address + lenBytes);
  }
}

/** What the server says of an export. */
async function ask(
  uri: string,
  address: NbdAddress,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<NbdExportFacts> {
  try {
    const { wire, served } = await connectNbd(address, timeoutMs, signal);
    takeLeave(wire, new Error("nothing more was to be asked"));
    return served;
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    const hint = HINTS[code];
    throw new BlockptError(
      "ERR_BLOCKPT_DISC_OPEN",
      `${uri} cannot be opened: ${message}${hint === undefined ? "" : `; ${hint}`}`,
      { cause },
    );
  }
}

function bearsSeveral({ flags }: NbdExportFacts): boolean {
  return (flags & TransmissionFlag.CAN_MULTI_CONN) !== 0;
}

function blockBytesOf({ minBlockBytes }: NbdExportFacts): number {
  return Math.max(SECTOR_BYTES, minBlockBytes);
}

/** The whole blocks. */
function usableBytesOf(served: NbdExportFacts): number {
  return served.sizeBytes - (served.sizeBytes % blockBytesOf(served));
}
