// Corner cases, by nbdsh: what is refused and by which error, and that the connection goes on behind it.

import { readFile, truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Command, ExtentState } from "../../ts/nbd/protocol.js";
import { Place } from "../cli/command-line.js";
import { makeSparse } from "../cli/copy-images.js";
import { nbdsh } from "./nbdsh.js";
import { RawClient } from "./raw-client.js";
import { type NbdServer, startServer } from "./server-rig.js";
import { has, need } from "./tools.js";

const MIB = 1024 ** 2;
let place: Place;
let server: NbdServer;

beforeAll(async () => {
  place = await Place.create();
  if (!has("nbdsh")) return;
  await makeSparse(place.path("disk.img"), 8 * MIB);
  await writeFile(place.path("ro.img"), Buffer.alloc(MIB, 0x5a));
  server = await startServer(place, ["ram0=memory:8M", "img=disk.img", "ro=ro.img,ro"]);
});

afterAll(() => place.remove());

beforeEach(async (context) => {
  need(context, "nbdsh");
  // Both are as they were at first: zeros, and holes.
  const client = await RawClient.open(server.socket, "ram0");
  const zeroes = { command: Command.WRITE_ZEROES, lenBytes: 8 * MIB };
  expect(await client.carryOut(zeroes)).toMatchObject({ error: 0 });
  await truncate(place.path("disk.img"), 0);
  await truncate(place.path("disk.img"), 8 * MIB);
});

/** As the export is called, in a script. */
const uri = (name: string): string => JSON.stringify(server.uri(name));

describe.each(["ram0", "img"])("of %s", (name) => {
  test("what is not within the disc is refused, and no byte of it is done", async () => {
    const script = `
h.connect_uri(${uri(name)})
END = 8 * M
h.pwrite(fill(0x11, 4 * K), END - 4 * K)
results = {
  "read": [
    says(h.pread, 512, END), says(h.pread, 1024, END - 512), says(h.pread, 512, 2**63 - 512),
    says(h.pread, 512, 2**64 - 512),
  ],
  "write": [
    says(h.pwrite, fill(0x22, 512), END), says(h.pwrite, fill(0x22, 8 * K), END - 4 * K),
    says(h.pwrite, fill(0x22, 512), 2**63 - 512), says(h.pwrite, fill(0x22, 1024), 2**64 - 512),
  ],
  "zero": [says(h.zero, 512, END), says(h.zero, 8 * K, END - 4 * K)],
  "cache": [says(h.cache, 512, END)],
  "intact": h.pread(4 * K, END - 4 * K) == fill(0x11, 4 * K),
}
report(results)`;
    expect(await nbdsh(script)).toEqual({
      read: ["EINVAL", "EINVAL", "EINVAL", "EINVAL"],
      write: ["ENOSPC", "ENOSPC", "ENOSPC", "ENOSPC"],
      zero: ["ENOSPC", "ENOSPC"],
      cache: ["EINVAL"],
      intact: true,
    });
  });

  test("what is not whole sectors is refused", async () => {
    const script = `
h.connect_uri(${uri(name)})
report([
  says(h.pread, 100, 0), says(h.pread, 512, 100), says(h.pread, 513, 512),
  says(h.pwrite, fill(1, 100), 0), says(h.pwrite, fill(1, 512), 1), says(h.zero, 1000, 0),
  says(h.pread, 512, 512), h.pread(4 * K, 0) == fill(0, 4 * K),
])`;
    const refused = Array.from({ length: 6 }, () => "EINVAL");
    expect(await nbdsh(script)).toEqual([...refused, "done", true]);
  });

  test("lengths of zero and of 2^32 - 1 are refused", async () => {
    const script = `
h.add_meta_context("base:allocation")
h.connect_uri(${uri(name)})
LARGEST = 2**32 - 1
report([
  [says(h.pread, 0, 0), says(h.pwrite, b"", 0), says(h.zero, 0, 0), says(h.cache, 0, 0),
   says(h.block_status, 0, 0, lambda *_: 0)],
  [says(h.zero, LARGEST, 0), says(h.zero, LARGEST - 511, 0), says(h.zero, LARGEST - 511, 512)],
  [says(h.cache, LARGEST, 0), says(h.cache, LARGEST - 511, 0)],
  says(h.pread, 512, 0),
])`;
    const [zero, most, cache, after] = await nbdsh<string[][]>(script);
    expect(zero).toEqual(["EINVAL", "EINVAL", "EINVAL", "EINVAL", "EINVAL"]);
    expect(most?.[0]).toMatch(/EINVAL|ENOSPC/);
    expect(most?.slice(1)).toEqual(["ENOSPC", "ENOSPC"]);
    expect(cache).toEqual(["EINVAL", "EINVAL"]);
    expect(after).toBe("done");
  });

  test("commands and flags that nobody knows are refused", async () => {
    const script = `
h.connect_uri(${uri(name)})
report([
  says(h.pread, 512, 0, flags=nbd.CMD_FLAG_NO_HOLE), says(h.pread, 512, 0, flags=0x80),
  says(h.pwrite, fill(1, 512), 0, flags=nbd.CMD_FLAG_FAST_ZERO), says(h.flush, flags=0x8000),
  says(h.pwrite, fill(1, 512), 0, flags=0x40), h.pread(512, 0) == fill(0, 512),
])`;
    const refused = Array.from({ length: 5 }, () => "EINVAL");
    expect(await nbdsh(script)).toEqual([...refused, true]);
  });

  test("zeros may be no hole, and come with what is written through", async () => {
    const script = `
h.add_meta_context("base:allocation")
h.connect_uri(${uri(name)})
h.pwrite(fill(0x77, M), 0, flags=nbd.CMD_FLAG_FUA)
h.zero(256 * K, 256 * K, flags=nbd.CMD_FLAG_NO_HOLE)
h.zero(512, 512, flags=nbd.CMD_FLAG_FUA)
expected = bytearray(fill(0x77, M))
expected[256 * K:512 * K] = fill(0, 256 * K)
expected[512:1024] = fill(0, 512)
found = []
h.block_status(512, 0, lambda context, offset, extents, error: found.append((context, extents)))
report([h.pread(M, 0) == expected, found])`;
    expect(await nbdsh(script)).toEqual([true, [["base:allocation", [expect.any(Number), 0]]]]);
  });

  test("the state of blocks: as many as there are, one if one is asked for, none past the end", async () => {
    const script = `
h.add_meta_context("base:allocation")
h.connect_uri(${uri(name)})
h.pwrite(fill(1, M), 0)
h.pwrite(fill(1, M), 4 * M)
def status(count, offset, flags=0):
    found = []
    h.block_status(count, offset, lambda context, at, extents, error: found.append([at, extents]), flags)
    return found
state = lambda: h.can_meta_context("base:allocation")
report({
  "can": state(),
  "all": status(8 * M, 0), "one": status(8 * M, 0, nbd.CMD_FLAG_REQ_ONE), "last": status(512, 8 * M - 512),
  "past": [says(status, 512, 8 * M), says(status, 8 * M, 512)],
})`;
    const found = await nbdsh<Record<"all" | "one" | "last", [[number, number[]]]>>(script);
    expect(found).toMatchObject({ can: true, past: ["EINVAL", "EINVAL"] });
    const [at, extents] = found.all[0];
    expect(at).toBe(0);
    // What is left out is asked for again: no server has to tell all of it at once.
    expect(extents.slice(0, 2)).toEqual([MIB, 0]);
    expect(extents.length % 2).toBe(0);
    const [, one] = found.one[0];
    expect(one).toEqual([MIB, 0]);
    const [, last] = found.last[0];
    expect(last[1]).toBe(ExtentState.HOLE | ExtentState.ZERO);
  });

  test("what one connection wrote and flushed is what another reads", async () => {
    const script = `
other = another()
h.connect_uri(${uri(name)})
other.connect_uri(${uri(name)})
seen = []
for turn in range(1, 20):
    h.pwrite(fill(turn, 64 * K), turn * 64 * K)
    h.flush()
    seen.append(other.pread(64 * K, turn * 64 * K) == fill(turn, 64 * K))
    other.pwrite(fill(turn + 100, 512), turn * 64 * K, flags=nbd.CMD_FLAG_FUA)
    seen.append(h.pread(512, turn * 64 * K) == fill(turn + 100, 512))
report([h.can_multi_conn(), all(seen)])`;
    expect(await nbdsh(script)).toEqual([true, true]);
  });

  test("hundreds of requests in flight: each answer is its own", async () => {
    const script = `
h.connect_uri(${uri(name)})
COUNT = 512
writes = [h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(fill(n % 251, 8 * K))), n * 8 * K) for n in range(COUNT)]
while h.aio_in_flight() > 0:
    h.poll(-1)
for cookie in writes:
    assert h.aio_command_completed(cookie)
buffers = [nbd.Buffer(8 * K) for _ in range(COUNT)]
reads = [h.aio_pread(buffers[n], n * 8 * K) for n in reversed(range(COUNT))]
refused = h.aio_pread(nbd.Buffer(512), 8 * M)
while h.aio_in_flight() > 0:
    h.poll(-1)
for cookie in reads:
    assert h.aio_command_completed(cookie)
# Buffers were given last first.
wrong = [n for n in range(COUNT) if buffers[n].to_bytearray() != fill(n % 251, 8 * K)]
report([wrong, says(h.aio_command_completed, refused)])`;
    expect(await nbdsh(script)).toEqual([[], "EINVAL"]);
  });

  test("a client of the old manners is served: without structured replies, by EXPORT_NAME", async () => {
    const script = `
h.add_meta_context("base:allocation")
h.set_request_structured_replies(False)
h.set_full_info(False)
h.set_handshake_flags(0)
h.connect_uri(${uri(name)})
h.pwrite(fill(9, 64 * K), 64 * K)
report([
  h.get_protocol(), h.get_structured_replies_negotiated(), h.can_df(), h.can_meta_context("base:allocation"),
  h.pread(64 * K, 64 * K) == fill(9, 64 * K), says(h.pread, 512, 8 * M), says(h.pwrite, fill(1, 512), 8 * M),
  says(h.pread, 512, 0, flags=nbd.CMD_FLAG_DF), says(h.block_status, 512, 0, lambda *_: 0),
  h.pread(512, 64 * K) == fill(9, 512), h.get_size(),
])`;
    expect(await nbdsh(script)).toEqual([
      "newstyle",
      false,
      false,
      false,
      true,
      "EINVAL",
      "ENOSPC",
      "EINVAL",
      "EINVAL",
      true,
      8 * MIB,
    ]);
  });

  test("a read that may not be fragmented comes in one piece, holes or none", async () => {
    const script = `
h.connect_uri(${uri(name)})
h.pwrite(fill(3, 512), 32 * K)
h.pwrite(fill(4, 512), 3 * M)
def pieces(length, flags):
    found = []
    data = h.pread_structured(length, 0, lambda part, offset, status, error: found.append([offset, len(part), status]), flags)
    expected = bytearray(4 * M)
    expected[32 * K:32 * K + 512] = fill(3, 512)
    expected[3 * M:3 * M + 512] = fill(4, 512)
    return [data == expected[:length], found]
whole = pieces(M, nbd.CMD_FLAG_DF)
parts = pieces(4 * M, 0)
# The specification lets a server refuse this.
more = says(pieces, 4 * M, nbd.CMD_FLAG_DF)
report([whole, parts[0], sum(each[1] for each in parts[1]), more])`;
    expect(await nbdsh(script)).toEqual([[true, [[0, MIB, 1]]], true, 4 * MIB, "EOVERFLOW"]);
  });
});

test("requests of 32 MiB are the largest: a read of more is refused, a write of more does no harm", async () => {
  await makeSparse(place.path("large.img"), 64 * MIB);
  const listen = `nbd+unix:///?socket=${place.path("large.sock")}`;
  const large = await startServer(place, ["ram0=memory:64M", "img=large.img"], { listen });
  const uris = JSON.stringify(["ram0", "img"].map((name) => large.uri(name)));
  const script = `
results = []
for uri in ${uris}:
    one, two = another(), another()
    one.connect_uri(uri)
    one.pwrite(fill(7, 32 * M), 16 * M)
    whole = one.pread(32 * M, 16 * M) == fill(7, 32 * M)
    more = [says(one.pread, 32 * M + 512, 0), says(one.pread, 64 * M, 0), says(one.pread, 512, 0)]
    # To this a server may answer, or it may end the connection.
    says(one.pwrite, fill(8, 32 * M + 512), 0)
    two.connect_uri(uri)
    results.append([whole, more, two.pread(16 * M, 0) == fill(0, 16 * M), two.pread(512, 16 * M) == fill(7, 512)])
report(results)`;
  const expected = [true, ["EINVAL", "EINVAL", "done"], true, true];
  expect(await nbdsh(script)).toEqual([expected, expected]);
});

test("an export that may only be read refuses every change by EPERM, and is as it was", async () => {
  const script = `
h.connect_uri(${uri("ro")})
report([
  h.is_read_only(), says(h.pwrite, fill(1, 512), 0), says(h.zero, 512, 0), says(h.trim, 512, 0),
  says(h.pwrite, fill(1, 512), 0, flags=nbd.CMD_FLAG_FUA), says(h.flush), says(h.pread, 512, 0),
])`;
  const refused = ["EPERM", "EPERM", "EPERM", "EPERM"];
  expect(await nbdsh(script)).toEqual([true, ...refused, "done", "done"]);
  expect((await readFile(place.path("ro.img"))).every((byte) => byte === 0x5a)).toBe(true);
});

test("fast zeros and trims: done in memory, refused of a file as it has neither", async () => {
  const script = `
results = []
for uri in [${uri("ram0")}, ${uri("img")}]:
    disc = another()
    disc.connect_uri(uri)
    disc.pwrite(fill(5, M), 0)
    fast = says(disc.zero, 64 * K, 64 * K, flags=nbd.CMD_FLAG_FAST_ZERO)
    zeros = disc.pread(64 * K, 64 * K) == fill(0, 64 * K)
    trim = says(disc.trim, 64 * K, 256 * K)
    past = says(disc.trim, 512, 8 * M)
    trimmed = disc.pread(64 * K, 256 * K) == fill(0, 64 * K)
    results.append([disc.can_trim(), fast, zeros, trim, past, trimmed])
report(results)`;
  const [memory, file] = await nbdsh<unknown[][]>(script);
  expect(memory).toEqual([true, "done", true, "done", "EINVAL", true]);
  expect(file).toEqual([false, "ENOTSUP", false, "EINVAL", expect.any(String), false]);
});

describe("the handshake", () => {
  test("lists, tells of an export without taking it, and takes it after others were refused", async () => {
    const script = `
h.set_opt_mode(True)
h.connect_uri(${uri("")})
names = []
h.opt_list(lambda name, description: names.append(name))
def info(name):
    h.set_export_name(name)
    return says(h.opt_info)
def go(name):
    h.set_export_name(name)
    return says(h.opt_go)
results = [names, info("ram0"), h.get_size(), info("none"), info(""), info("x" * 4096), go("none"), info("ro")]
results += [h.is_read_only(), go("img"), h.get_size(), h.pread(512, 0) == fill(0, 512)]
report(results)`;
    expect(await nbdsh(script)).toEqual([
      ["ram0", "img", "ro"],
      "done",
      8 * MIB,
      "ENOENT",
      "ENOENT",
      "ENOENT",
      "ENOENT",
      "done",
      true,
      "done",
      8 * MIB,
      true,
    ]);
  });

  test("lists base:allocation, by its name, by its namespace, and as all there is", async () => {
    const script = `
results = []
for queries in [[], ["base:"], ["base:allocation"], ["qemu:"], ["nonsense"], ["x:y", "base:allocation"]]:
    one = another()
    one.set_opt_mode(True)
    one.connect_uri(${uri("ram0")})
    for query in queries:
        one.add_meta_context(query)
    found = []
    one.opt_list_meta_context(lambda name: found.append(name))
    results.append(found)
    one.opt_go()
    results.append(one.can_meta_context("base:allocation"))
    one.shutdown()
report(results)`;
    const allocation = ["base:allocation"];
    expect(await nbdsh(script)).toEqual([
      ...[allocation, false],
      ...[allocation, false],
      ...[allocation, true],
      ...[[], false],
      ...[[], false],
      ...[allocation, true],
    ]);
  });

  test("can be given up, and the server takes the next", async () => {
    const script = `
results = []
for _ in range(20):
    one = another()
    one.set_opt_mode(True)
    one.connect_uri(${uri("ram0")})
    one.opt_abort()
    results.append(one.aio_is_closed())
h.connect_uri(${uri("ram0")})
report([all(results), h.get_size()])`;
    expect(await nbdsh(script)).toEqual([true, 8 * MIB]);
  });
});
