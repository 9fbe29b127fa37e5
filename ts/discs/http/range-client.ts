// Ranges of one image from an HTTP server: each response is checked against what was asked for and against the image that was
// opened, and what may pass is tried again for a while.
//
// Who the image is, is in its ETag, its time of change and its size, which every response has. A request with If-Range would say
// no more, and in a browser would have to be allowed by the server.

import { messageOf } from "../source-disc.js";

/** What a server says of an image. */
export interface ServedImage {
  /** Its size, in bytes. */
  readonly imageBytes: number;
  /** Its ETag and its time of change; empty if the server tells neither. */
  readonly version: string;
}

/** Where an image is, and how patient one is with its server. */
export interface HttpPlace {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How long nothing may come, in milliseconds. */
  readonly timeoutMs: number;
  /** How long it is tried again, in milliseconds. */
  readonly outageMs: number;
}

/** Requests at once, as browsers have them to one server. */
const MOST_REQUESTS = 6;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** Besides 5xx: answers after which another request may be answered otherwise. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

/** A response that is of no use. */
export class HttpFailure extends Error {
  /** Whether another request may be answered otherwise. */
  readonly mayPass: boolean;
  /** Before that, none is wanted. */
  readonly retryAfterMs: number;
  /** Whether the image is not the one that was opened. */
  readonly isOtherImage: boolean;

  constructor(message: string, details: Partial<HttpFailure> = {}) {
    const { mayPass = false, retryAfterMs = 0, isOtherImage = false, cause } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.mayPass = mayPass;
    this.retryAfterMs = retryAfterMs;
    this.isOtherImage = isOtherImage;
  }
}

export class RangeClient {
  readonly #place: HttpPlace;
  /** What ends what is under way. */
  readonly #underWay = new Set<(why: Error) => void>();
  /** Who waits until there are fewer requests. */
  readonly #waiting: (() => void)[] = [];
  #requests = 0;
  #isClosed = false;

  constructor(place: HttpPlace) {
    this.#place = place;
  }

  /** What the server says of the image; asked once. */
  async look(): Promise<ServedImage> {
    // Two bytes, or the one that there is: some servers take the 0 in `0-0` for no end.
    return this.#request(0, new Uint8Array(2));
  }

  /**
   * Fills `into` with what is at `start`.
   *
   * @throws HttpFailure if it could not be had for a while, will not be, or is of another image
   */
  async get(start: number, into: Uint8Array, image: ServedImage): Promise<void> {
    let failedAt: number | undefined;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        await this.#request(start, into, image);
        return;
      } catch (error) {
        if (!(error instanceof HttpFailure) || !error.mayPass || this.#isClosed) throw error;
        failedAt ??= performance.now();
        const waitMs = Math.max(pauseMs, error.retryAfterMs);
        if (performance.now() + waitMs > failedAt + this.#place.outageMs) throw error;
        await this.#pause(waitMs);
      }
    }
  }

  /** Ends what is under way with a failure. */
  close(): void {
    this.#isClosed = true;
    for (const end of [...this.#underWay]) end(new HttpFailure("the disc was closed"));
    for (const goOn of this.#waiting.splice(0)) goOn();
  }

  async #request(start: number, into: Uint8Array, image?: ServedImage): Promise<ServedImage> {
    while (this.#requests >= MOST_REQUESTS && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#isClosed) throw new HttpFailure("the disc was closed");
    this.#requests++;
    try {
      return await this.#once(start, into, image);
    } finally {
      this.#requests--;
      this.#waiting.shift()?.();
    }
  }

  async #once(start: number, into: Uint8Array, image?: ServedImage): Promise<ServedImage> {
    const { url, headers, timeoutMs } = this.#place;
    const abort = new AbortController();
    const end = (why: Error): void => abort.abort(why);
    const stand = (): void =>
      end(new HttpFailure(`nothing came for ${timeoutMs} ms`, { mayPass: true }));
    let timer = setTimeout(stand, timeoutMs);
    this.#underWay.add(end);
    try {
      const response = await fetch(url, {
        // By which fetch asks for no encoding, too.
        headers: {
          ...headers,
          range: `bytes=${start}-${start + into.length - 1}`,
        },
        cache: "no-store",
        signal: abort.signal,
      });
      const served = servedBy(response, start, start + into.length, image);
      await fill(into.subarray(0, served.imageBytes - start), response, () => {
        clearTimeout(timer);
        timer = setTimeout(stand, timeoutMs);
      });
      return served;
    } catch (error) {
      const reason: unknown = abort.signal.aborted ? abort.signal.reason : error;
      throw reason instanceof HttpFailure ? reason : networkFailure(reason);
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(end);
      // A body of which nobody wants the rest.
      abort.abort();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (why?: Error): void => {
        clearTimeout(timer);
        this.#underWay.delete(end);
        if (why === undefined) resolve();
        else reject(why);
      };
      const timer = setTimeout(end, ms);
      this.#underWay.add(end);
    });
  }
}

/** What a response says of the image; throws if it is not the range that was asked for, of the image that is meant. */
function servedBy(
  response: Response,
  start: number,
  end: number,
  image: ServedImage | undefined,
): ServedImage {
  const { status, headers } = response;
  if (status !== 206) throw statusFailure(response, start, image !== undefined);
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new HttpFailure(
      `the server compresses it (Content-Encoding: ${encoding}): ranges of it have to be sent as they are`,
    );
  }
  const range = headers.get("content-range");
  if (range === null) {
    throw new HttpFailure(
      "the server's answer has no Content-Range that can be read: it must send one, and to pages of another " +
        "origin also Access-Control-Expose-Headers: Content-Range, ETag",
    );
  }
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range) ?? [];
  const version = [headers.get("etag"), headers.get("last-modified")].filter(Boolean).join(" ");
  const served = { imageBytes: Number(total), version };
  if (total !== undefined && image !== undefined) checkSame(served, image);
  const until = Math.min(end, served.imageBytes);
  if (Number(first) === start && Number(last) === until - 1) return served;
  throw new HttpFailure(
    `the server answers with the range ${JSON.stringify(range)}, asked for bytes ${start}-${end - 1}: it must ` +
      "send these, and how many the image has",
  );
}

/** @param isKnown - whether the range is one of the image as it was */
function statusFailure(
  { status, statusText, headers }: Response,
  start: number,
  isKnown: boolean,
): HttpFailure {
  if (status === 200) {
    return new HttpFailure(
      "the server answers a request for a range with all of it (200): it must answer with 206 and Content-Range",
    );
  }
  if (status === 416) {
    const isEmpty = /^bytes \*\/0$/.test(headers.get("content-range") ?? "");
    const why = isEmpty ? "it is empty (416)" : `it has no bytes from ${start} on (416)`;
    return new HttpFailure(why, { isOtherImage: isKnown });
  }
  const mayPass = status >= 500 || PASSING.has(status);
  const retryAfterMs = retryAfterOf(headers.get("retry-after"));
  return new HttpFailure(`the server answers ${`${status} ${statusText}`.trim()}`, {
    mayPass,
    retryAfterMs,
  });
}

function checkSame(served: ServedImage, image: ServedImage): void {
  if (served.version === image.version && served.imageBytes === image.imageBytes) return;
  const shown = ({ imageBytes, version }: ServedImage): string =>
    `${imageBytes} bytes${version && `, ${version}`}`;
  const why = `it was changed on the server since it was opened: from ${shown(image)} to ${shown(served)}`;
  throw new HttpFailure(why, { isOtherImage: true });
}

/** The body; `came` is called when a part of it has come. */
async function fill(into: Uint8Array, { body }: Response, came: () => void): Promise<void> {
  let done = 0;
  const reader = body?.getReader();
  for (;;) {
    const { value } = (await reader?.read()) ?? {};
    if (value === undefined) break;
    came();
    if (value.length > into.length - done) {
      throw new HttpFailure(`the server sent more than ${into.length} bytes, which were asked for`);
    }
    into.set(value, done);
    done += value.length;
  }
  if (done === into.length) return;
  const why = `the server sent ${done} of ${into.length} bytes, and no more`;
  throw new HttpFailure(why, { mayPass: true });
}

/** Seconds, or a date. */
function retryAfterOf(text: string | null): number {
  if (text === null) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.max(0, ms);
}

function networkFailure(error: unknown): HttpFailure {
  // Node's fetch says why in the cause.
  const { cause } = (error ?? {}) as { cause?: { message?: string; code?: string } };
  const why = cause?.message || cause?.code || messageOf(error);
  return new HttpFailure(`the server cannot be reached: ${why}`, { mayPass: true, cause: error });
}
