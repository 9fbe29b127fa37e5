// An HTTP server with one image, which answers as it is told.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterThisTest } from "../api/rig.js";

/** Answers a request in another way; `serve` answers it as it should be. */
export type Misdeed = (
  response: ServerResponse,
  serve: (headers?: Record<string, string | undefined>) => void,
  request: IncomingMessage,
) => void;

export class ImageServer {
  /** What is served now. */
  image: Uint8Array;
  etag: string | undefined = '"one"';
  lastModified: string | undefined;
  /** Ranges of bytes that were asked for, first and last. */
  readonly ranges: [number, number][] = [];
  /** For the next requests, each once. */
  readonly misdeeds: Misdeed[] = [];
  /** For all others. */
  always: Misdeed | undefined;
  /** Requests that are not answered, and most that were at once. */
  underWay = 0;
  mostUnderWay = 0;
  url = "";
  headers: IncomingMessage["headers"] = {};

  private constructor(image: Uint8Array) {
    this.image = image;
  }

  static async start(image: Uint8Array): Promise<ImageServer> {
    const served = new ImageServer(image);
    const server = createServer((request, response) => served.#answer(request, response));
    await once(server.listen(0, "127.0.0.1"), "listening");
    afterThisTest(() => {
      server.closeAllConnections();
      server.close();
    });
    served.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/images/disk.img`;
    return served;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { range = "" } = request.headers;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
    this.headers = request.headers;
    this.ranges.push([Number(first), Number(last)]);
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    response.once("close", () => this.underWay--);
    const serve = (headers: Record<string, string | undefined> = {}): void =>
      this.#serve(response, Number(first), Number(last), headers);
    const misdeed = this.misdeeds.shift() ?? this.always;
    if (misdeed === undefined) serve();
    else misdeed(response, serve, request);
  }

  #serve(
    response: ServerResponse,
    first: number,
    last: number,
    headers: Record<string, string | undefined>,
  ): void {
    const total = this.image.length;
    if (first >= total) {
      response.writeHead(416, { "content-range": `bytes */${total}` }).end();
      return;
    }
    const body = this.image.subarray(first, last + 1);
    const all: Record<string, string | undefined> = {
      etag: this.etag,
      "last-modified": this.lastModified,
      "content-range": `bytes ${first}-${first + body.length - 1}/${total}`,
      "content-length": String(body.length),
      ...headers,
    };
    for (const [name, value] of Object.entries(all)) {
      if (value !== undefined) response.setHeader(name, value);
    }
    response.writeHead(206).end(body);
  }
}
