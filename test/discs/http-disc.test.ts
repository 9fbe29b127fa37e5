// An image on an HTTP server as a disc, and servers that do not what they should.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { HttpDisc, type HttpDiscOptions, PartitionDisc } from "blockpt";
import { describe, expect, test } from "vitest";
import { pattern, until } from "../api/rig.js";
import { attach, partitioned, statusOf } from "./faulty-rig.js";
import { ImageServer, type Misdeed } from "./image-server.js";

const BLOCK = 64 * 1024;
const MIB = 1024 * 1024;

const answerBy =
  (status: number, headers: Record<string, string> = {}): Misdeed =>
  (response) =>
    response.writeHead(status, headers).end();

async function attached(image: Uint8Array, options: HttpDiscOptions = {}, queues = 1) {
  const server = await ImageServer.start(image);
  const rig = await attach(() => HttpDisc.open(server.url, options), { queues });
  server.ranges.length = 0;
  const read = async (offset: number, lenBytes: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(lenBytes);
    await rig.disk.read(bytes, offset);
    return bytes;
  };
  return { server, read, ...rig };
}

const openingOf = (url: string, options: HttpDiscOptions = {}): Promise<unknown> =>
  HttpDisc.open(url, options).then(
    () => "opened",
    (error: unknown) => error,
  );

describe("an image", () => {
  test.each(["wasm", "typescript"] as const)(
    "is read to the last byte, and zeros behind it, engine %s",
    async (engine) => {
      const image = pattern(3 * MIB + 100);
      const server = await ImageServer.start(image);
      const { disk, disc } = await attach(() => HttpDisc.open(server.url), { engine, queues: 2 });
      expect([disc.readOnly, disc.sizeBytes]).toEqual([true, 3 * MIB + 512]);
      const bytes = new Uint8Array(disk.sizeBytes).fill(9);
      await disk.read(bytes, 0);
      expect(Buffer.compare(bytes.subarray(0, image.length), image)).toBe(0);
      expect(bytes.subarray(image.length).every((byte) => byte === 0)).toBe(true);
      await expect(disk.write(new Uint8Array(512), 0)).rejects.toMatchObject({
        code: "ERR_BLOCKPT_READ_ONLY",
      });
      await disk.flush();
    },
  );

  test("has partitions", async () => {
    const image = partitioned();
    image.set(pattern(512), 64 * 512);
    const server = await ImageServer.start(image);
    const { disk } = await attach(async () =>
      PartitionDisc.open(await HttpDisc.open(server.url), 1),
    );
    const bytes = new Uint8Array(512);
    await disk.read(bytes, 0);
    expect(bytes).toEqual(pattern(512));
  });

  test("of one byte is a disc of one sector", async () => {
    const { read, disk } = await attached(Uint8Array.of(7));
    expect(disk.sizeBytes).toBe(512);
    expect([...(await read(0, 512)).subarray(0, 2)]).toEqual([7, 0]);
  });

  test("on a server that takes a last byte of 0 for none", async () => {
    const server = await ImageServer.start(pattern(4096));
    server.always = (response, serve, { headers }) => {
      if (headers.range?.endsWith("-0")) response.writeHead(200).end(server.image);
      else serve();
    };
    const disc = await HttpDisc.open(server.url);
    expect(disc.sizeBytes).toBe(4096);
    disc.close();
  });

  test("is asked for with headers of one's own, in no encoding", async () => {
    const { server, read } = await attached(pattern(MIB), {
      headers: { Authorization: "Bearer x" },
    });
    await read(0, 512);
    expect(server.headers).toMatchObject({
      authorization: "Bearer x",
      "accept-encoding": "identity",
    });
  });
});

describe("requests", () => {
  test("neighbours are one, and what was read is not asked for again", async () => {
    const { server, read } = await attached(pattern(4 * MIB));
    await Promise.all([
      read(MIB, 4096),
      read(MIB + BLOCK, 4096),
      read(MIB + 2 * BLOCK - 512, 1024),
    ]);
    expect(server.ranges).toEqual([[MIB, MIB + 3 * BLOCK - 1]]);
    await read(MIB + BLOCK + 8192, 2 * 4096);
    expect(server.ranges).toHaveLength(1);
  });

  test("come before who reads on", async () => {
    const { server, read } = await attached(pattern(4 * MIB), { readAheadBytes: 4 * BLOCK });
    await read(MIB, 4096);
    expect(server.ranges).toEqual([[MIB, MIB + BLOCK - 1]]);
    await read(MIB + 4096, 4096);
    await until("the next are asked for", () => server.ranges.length === 2);
    expect(server.ranges[1]).toEqual([MIB + BLOCK, MIB + 5 * BLOCK - 1]);
    // Somewhere else nothing is read ahead.
    await read(3 * MIB, 4096);
    expect(server.ranges).toHaveLength(3);
  });

  test("what is kept has a bound, and goes in the order in which it was read", async () => {
    const { server, read } = await attached(pattern(MIB), { cacheBytes: 2 * BLOCK });
    for (const block of [0, 1, 0, 2]) await read(block * BLOCK, 512);
    expect(server.ranges).toHaveLength(3);
    await read(0, 512);
    expect(server.ranges).toHaveLength(3);
    await read(BLOCK, 512);
    expect(server.ranges).toHaveLength(4);
  });

  test("with nothing kept every read asks", async () => {
    const { server, read } = await attached(pattern(MIB), { cacheBytes: 0 });
    for (let time = 0; time < 3; time++)
      expect(await read(0, 512)).toEqual(pattern(MIB).slice(0, 512));
    expect(server.ranges).toHaveLength(3);
  });

  test("six at once, and no more", async () => {
    const image = pattern(8 * MIB);
    const { server, read } = await attached(image, { readAheadBytes: 0 });
    const held: (() => void)[] = [];
    server.always = (_response, serve) => held.push(() => serve());
    const reads = Array.from({ length: 16 }, (_, index) => read(index * 4 * BLOCK, 512));
    await until("six wait", () => held.length === 6);
    for (let answered = 0; answered < 16; answered++) {
      await until("one waits", () => held.length > 0);
      held.shift()?.();
    }
    const sectors = await Promise.all(reads);
    expect(
      sectors.map((bytes, index) =>
        Buffer.compare(bytes, image.subarray(index * 4 * BLOCK, index * 4 * BLOCK + 512)),
      ),
    ).toEqual(Array(16).fill(0));
    expect(server.mostUnderWay).toBe(6);
  });
});

describe("what passes is tried again", () => {
  const PASSING: Readonly<Record<string, Misdeed>> = {
    "500": answerBy(500),
    "503 with Retry-After": answerBy(503, { "retry-after": "0" }),
    "429": answerBy(429),
    "a connection that is cut before the answer": (response) => response.socket?.destroy(),
    "a body that is cut": (response, _serve, request) => {
      const [, first, last] = /(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
      response.writeHead(206, {
        etag: '"one"',
        "content-range": `bytes ${first}-${last}/${MIB}`,
        "content-length": Number(last) - Number(first) + 1,
      });
      response.write(Buffer.alloc(1000), () => response.socket?.destroy());
    },
    "an answer that does not come": () => {},
  };

  test.each(Object.keys(PASSING))("%s", async (name) => {
    const { server, read } = await attached(pattern(MIB), { timeoutMs: 300 });
    const misdeed = PASSING[name] as Misdeed;
    server.misdeeds.push(misdeed, misdeed);
    expect(await read(0, 4096)).toEqual(pattern(MIB).slice(0, 4096));
    expect(server.ranges).toHaveLength(3);
  });

  test("for a while, then the read fails, and others go on", async () => {
    const { server, read } = await attached(pattern(MIB), { outageMs: 250 });
    server.always = answerBy(500);
    expect(await statusOf(read(0, 512))).toBe("IOERR");
    expect(server.ranges.length).toBeGreaterThan(1);
    server.always = undefined;
    expect(await read(0, 512)).toEqual(pattern(MIB).slice(0, 512));
  });

  test("not before Retry-After says, if that is too late", async () => {
    const { server, read } = await attached(pattern(MIB), { outageMs: 2000 });
    server.always = answerBy(503, { "retry-after": "3600" });
    expect(await statusOf(read(0, 512))).toBe("IOERR");
    expect(server.ranges).toHaveLength(1);
  });

  test("not what will stay so", async () => {
    const { server, read } = await attached(pattern(MIB));
    for (const status of [403, 404, 410, 200]) {
      server.ranges.length = 0;
      server.misdeeds.push(answerBy(status));
      expect(await statusOf(read(0, 512))).toBe("IOERR");
      expect(server.ranges).toHaveLength(1);
    }
  });

  test("until the endpoint is closed", async () => {
    const { server, read, endpoint } = await attached(pattern(MIB), { outageMs: 600_000 });
    server.always = answerBy(503);
    const reading = statusOf(read(0, 512));
    await until("it was asked for", () => server.ranges.length > 1);
    await endpoint.close();
    expect(await reading).toBe("IOERR");
  });
});

describe("an image that is changed while it is read", () => {
  const CHANGES: Readonly<Record<string, (server: ImageServer) => void>> = {
    "has another ETag": (server) => {
      server.etag = '"two"';
    },
    "has another size": (server) => {
      server.image = pattern(2 * MIB);
    },
    "is gone from there on": (server) => {
      server.image = pattern(BLOCK);
    },
    "has been changed at another time": (server) => {
      server.lastModified = "Sat, 01 Jan 2000 00:00:01 GMT";
    },
  };

  test.each(Object.keys(CHANGES))("%s: no byte of either from there on", async (name) => {
    const server = await ImageServer.start(pattern(MIB));
    server.lastModified = "Sat, 01 Jan 2000 00:00:00 GMT";
    const { disk } = await attach(() => HttpDisc.open(server.url));
    await disk.read(new Uint8Array(512), 0);
    CHANGES[name]?.(server);
    // Kept.
    await disk.read(new Uint8Array(512), 0);
    expect(await statusOf(disk.read(new Uint8Array(512), 4 * BLOCK))).toBe("IOERR");
    expect(await statusOf(disk.read(new Uint8Array(512), 0))).toBe("IOERR");
  });
});

describe("a server is refused that", () => {
  const plain = pattern(4096);
  const REFUSED: Readonly<Record<string, readonly [Misdeed, RegExp]>> = {
    "knows no ranges": [
      (response) => response.writeHead(200).end(plain),
      /all of it \(200\): it must/,
    ],
    compresses: [
      (response) => {
        const body = gzipSync(plain.subarray(0, 1));
        response
          .writeHead(206, {
            "content-encoding": "gzip",
            "content-range": "bytes 0-0/4096",
            etag: "x",
          })
          .end(body);
      },
      /Content-Encoding: gzip/,
    ],
    "tells no range": [
      (response) => response.writeHead(206).end("x"),
      /no Content-Range .*Expose-Headers/,
    ],
    "tells no size": [(_, serve) => serve({ "content-range": "bytes 0-0/*" }), /"bytes 0-0\/\*"/],
    "sends another range": [
      (_, serve) => serve({ "content-range": "bytes 1-1/4096" }),
      /asked for bytes 0-1/,
    ],
    "sends too much": [
      (response) =>
        response.writeHead(206, { "content-range": "bytes 0-1/4096", etag: "x" }).end("xyz"),
      /more than 2 bytes/,
    ],
    "has nothing": [answerBy(404), /answers 404/],
    "is out of order": [answerBy(503), /answers 503/],
    "has an empty image": [answerBy(416, { "content-range": "bytes */0" }), /is empty/],
    "cuts the connection": [(response) => response.socket?.destroy(), /cannot be reached/],
  };

  test.each(Object.keys(REFUSED))("%s", async (name) => {
    const [misdeed, message] = REFUSED[name] as (typeof REFUSED)[string];
    const server = await ImageServer.start(plain);
    server.always = misdeed;
    expect(await openingOf(server.url)).toMatchObject({
      code: "ERR_BLOCKPT_DISC_OPEN",
      message: expect.stringMatching(message),
    });
    expect(server.ranges).toHaveLength(1);
  });

  test("has no version of the image, unless that is wanted", async () => {
    const server = await ImageServer.start(plain);
    server.etag = undefined;
    expect(await openingOf(server.url)).toMatchObject({
      code: "ERR_BLOCKPT_DISC_OPEN",
      message: expect.stringContaining("unversioned: true"),
    });
    expect(await openingOf(server.url, { unversioned: true })).toBe("opened");
  });

  test("is not there", async () => {
    const nobody = createServer();
    await once(nobody.listen(0, "127.0.0.1"), "listening");
    const { port } = nobody.address() as AddressInfo;
    await new Promise((resolve) => nobody.close(resolve));
    expect(await openingOf(`http://127.0.0.1:${port}/`)).toMatchObject({
      code: "ERR_BLOCKPT_DISC_OPEN",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });
});

test.each([
  ["disk.img", {}],
  ["ftp://server/disk.img", {}],
  ["http://user:secret@server/disk.img", {}],
  ["http://server/", { cacheBytes: -1 }],
  ["http://server/", { readAheadBytes: 0.5 }],
  ["http://server/", { timeoutMs: 0 }],
  ["http://server/", { outageMs: Number.NaN }],
  ["http://server/", { headers: { "a b": "c" } }],
])("%s with %j is refused", async (url, options) => {
  const error = await openingOf(url, options);
  expect(error).toMatchObject({ code: "ERR_BLOCKPT_INVALID_ARGUMENT" });
  expect(String(error)).not.toContain("secret");
});
