// A disc image on an HTTP server, read by ranges.

import { BlockptError, checkInteger } from "../errors.js";
import { checkDiscSize, type HttpDiscHandle } from "./disc.js";
import { HttpSource } from "./http/http-source.js";
import { RangeClient, type ServedImage } from "./http/range-client.js";
import { paddedBytes } from "./padding.js";
import { factsOf, messageOf, SourceDisc } from "./source-disc.js";

const MAX_BYTES = 2 ** 32;
/** The longest time of a timer. */
const MAX_MS = 2 ** 31 - 1;

/** How a disc on an HTTP server is read. */
export interface HttpDiscOptions {
  /** What each request carries besides, as `authorization`. Default: nothing. */
  headers?: Readonly<Record<string, string>> | undefined;
  /**
   * How far is read ahead of who reads on where he ended, in bytes, at most half of `cacheBytes`; 0 for not at all.
   * Default 512 KiB.
   */
  readAheadBytes?: number | undefined;
  /** How much of what was read each queue keeps, in bytes. Default 16 MiB. */
  cacheBytes?: number | undefined;
  /** How long nothing may come of a response before it is given up, in milliseconds, from 1 on. Default 10000. */
  timeoutMs?: number | undefined;
  /**
   * How long a read is tried again, from its first failure on, before it is answered `IOERR`, in milliseconds. Default 10000.
   */
  outageMs?: number | undefined;
  /**
   * Whether to take a server that sends neither `ETag` nor `Last-Modified`: then nobody notices that the image was changed, unless its size
   * was. Default false.
   */
  unversioned?: boolean | undefined;
}

/**
 * An image on an HTTP server as a disc that may only be read. If the image ends within a sector, the rest of that sector is
 * zeros.
 *
 * The server has to answer requests for a range, by 206 and `Content-Range`, not compressed, and to send an `ETag` or
 * `Last-Modified`. To pages of another origin it also has to send `Access-Control-Allow-Origin` and
 * `Access-Control-Expose-Headers: Content-Range, ETag`.
 *
 * Each queue reads blocks of 64 KiB, neighbours in one request, six requests at once, and keeps those that it read last. When a connection fails, or the
 * server answers 408, 425, 429 or 5xx, it tries again after 100 ms, then after longer pauses to 2 s, or when `Retry-After` says, for `outageMs`; then the
 * read fails with `IOERR`, as it does at once for other answers. An image that was changed since it was opened is never mixed with what it was: from the
 * response on that shows it all reads of that queue fail.
 *
 * @example
 * ```ts
 * import { HttpDisc } from "blockpt";
 *
 * const error = await HttpDisc.open("http://127.0.0.1:9/disk.img").catch((error) => error);
 * console.log(error.code); // ERR_BLOCKPT_DISC_OPEN
 * ```
 */
export class HttpDisc extends SourceDisc {
  readonly handle: HttpDiscHandle;

  private constructor(handle: HttpDiscHandle) {
    const source = new HttpSource(handle, handle, handle);
    super(source, { ...factsOf(handle.url, source, true), isDirect: true });
    this.handle = handle;
  }

  /**
   * Asks the server for the image. This is not tried again.
   *
   * @param url - `http:` or `https:`; in a browser also one that is relative to the page's
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no such URL, or an option out of its range;
   * `ERR_BLOCKPT_DISC_OPEN` if the server cannot be reached, or does not what is said above: the message has what it must send; `ERR_BLOCKPT_DISC_SIZE`
   * for an image that is too large
   */
  static async open(url: URL | string, options: HttpDiscOptions = {}): Promise<HttpDisc> {
    const {
      headers = {},
      readAheadBytes = 512 * 1024,
      cacheBytes = 16 * 1024 * 1024,
      timeoutMs = 10_000,
      outageMs = 10_000,
      unversioned = false,
    } = options;
    checkInteger("readAheadBytes", readAheadBytes, 0, MAX_BYTES);
    checkInteger("cacheBytes", cacheBytes, 0, MAX_BYTES);
    checkInteger("timeoutMs", timeoutMs, 1, MAX_MS);
    checkInteger("outageMs", outageMs, 0, MAX_MS);
    const place = { url: hrefOf(url), headers: checkedHeaders(headers), timeoutMs, outageMs };
    const refuse = (why: string, cause?: unknown): never => {
      const message = `${place.url} cannot be opened: ${why}`;
      throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", message, { cause });
    };
    let image: ServedImage;
    try {
      image = await new RangeClient(place).look();
    } catch (cause) {
      return refuse(messageOf(cause), cause);
    }
    if (image.version === "" && !unversioned) {
      const why =
        "the server sends neither ETag nor Last-Modified, so a change of the image would not be noticed";
      refuse(`${why}; { unversioned: true } takes it so`);
    }
    checkDiscSize(place.url, paddedBytes(image.imageBytes));
    return new HttpDisc({ kind: "http", ...place, ...image, readAheadBytes, cacheBytes });
  }

  /** @internal In the thread of a queue. */
  static adopt(handle: HttpDiscHandle): HttpDisc {
    return new HttpDisc(handle);
  }
}

function hrefOf(url: URL | string): string {
  const refuse = (why: string): never => {
    throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
  };
  const base = (globalThis as { location?: { href: string } }).location?.href;
  let parsed: URL;
  try {
    parsed = new URL(url, base);
  } catch {
    return refuse(`${JSON.stringify(url)} is no URL: https://HOST/PATH is wanted`);
  }
  if (!/^https?:$/.test(parsed.protocol)) refuse(`${parsed} is no URL of http: or https:`);
  if (parsed.username !== "" || parsed.password !== "") {
    const why = "has a user in it, which fetch refuses: take { headers: { authorization } }";
    // Not the password.
    refuse(`the URL of ${parsed.host} ${why}`);
  }
  parsed.hash = "";
  return parsed.href;
}

/** As a plain object, which can be posted. */
function checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  try {
    return Object.fromEntries(new Headers(headers));
  } catch (cause) {
    const why = `headers cannot be sent: ${messageOf(cause)}`;
    throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why, { cause });
  }
}
