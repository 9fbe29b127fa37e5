// Discs that the user writes: what a module may give, what becomes of a source that misbehaves, and what is refused.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { type Disc, ModuleDisc, type ModuleDiscOptions, PartitionDisc, RootComplex } from "blockpt";
import { BlkStatus } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, pattern, until } from "../api/rig.js";
import { attach, partitioned, statusOf } from "./faulty-rig.js";
import { AT_ONCE, LATER, moduleOf } from "./modules.js";

const INDEX = new URL("../../dist/index.js", import.meta.url).href;
const MIB = 1024 * 1024;
const KINDS = { "answers at once": AT_ONCE, "answers later": LATER };

const openingOf = (module: string, options: ModuleDiscOptions = {}): Promise<unknown> =>
  ModuleDisc.open(module, options).then(
    () => "opened",
    (error: unknown) => error,
  );

/** A disc of 64 KiB whose source has these members besides. */
async function attachSource(members: string, data?: unknown) {
  const text = `export function openDisc(data) {
    return { sizeBytes: 65536, read: (into) => { into.fill(1); }, write() {}, ${members} };
  }`;
  return attach(() => ModuleDisc.open(moduleOf(text), { data }));
}

/** A disc that is exported, and not attached. */
async function exported(disc: Disc) {
  const { bus, endpoint, stopped } = await makeEndpoint();
  await endpoint.exportDisc("disc", disc);
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  afterThisTest(() => rc.close());
  return { rc, endpoint, stopped };
}

describe.each(Object.entries(KINDS))("a module that %s", (_, url) => {
  test.each(["wasm", "typescript"] as const)(
    "is a disc with several queues, engine %s",
    async (engine) => {
      const memory = new SharedArrayBuffer(MIB);
      const open = () => ModuleDisc.open(url, { data: memory });
      const { disk, disc } = await attach(open, { engine, queues: 2 });
      expect(disc).toMatchObject({ readOnly: false, sizeBytes: MIB, logicalBlockBytes: 512 });
      const image = pattern(MIB);
      await Promise.all(
        Array.from({ length: 16 }, (_, index) =>
          disk.write(image.subarray(index * 65536, (index + 1) * 65536), index * 65536),
        ),
      );
      await disk.flush();
      expect(Buffer.compare(new Uint8Array(memory), image)).toBe(0);
      const back = new Uint8Array(MIB);
      await disk.read(back, 0);
      expect(Buffer.compare(back, image)).toBe(0);

      await disk.writeZeroes(4096, 600 * 1024);
      await disk.discard(512, 512);
      await disk.write(image.subarray(0, 512), 1024, { fua: true });
      const bytes = new Uint8Array(memory);
      expect(bytes[4095]).toBe(image[4095]);
      expect(bytes.subarray(4096, 604 * 1024).every((byte) => byte === 0)).toBe(true);
      expect(bytes[604 * 1024]).toBe(image[604 * 1024]);
      expect(bytes.subarray(512, 1024).every((byte) => byte === 0xdd)).toBe(true);
      expect(Buffer.compare(bytes.subarray(1024, 1536), image.subarray(0, 512))).toBe(0);
    },
  );

  test("may be made read-only, and has partitions", async () => {
    const memory = new SharedArrayBuffer(partitioned().length);
    new Uint8Array(memory).set(partitioned());
    new Uint8Array(memory).set(pattern(512), 64 * 512);
    const { disk } = await attach(async () =>
      PartitionDisc.open(await ModuleDisc.open(url, { data: memory, readOnly: true }), 1),
    );
    const bytes = new Uint8Array(512);
    await disk.read(bytes, 0);
    expect(bytes).toEqual(pattern(512));
    await expect(disk.write(bytes, 0)).rejects.toMatchObject({ code: "ERR_BLOCKPT_READ_ONLY" });
  });
});

test("a module in a file is closed in each thread in which it was opened", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blockpt-module-"));
  afterThisTest(() => rmSync(folder, { recursive: true }));
  const [path, log] = ["disc.mjs", "log"].map((name) => join(folder, name)) as [string, string];
  writeFileSync(
    path,
    `import { appendFileSync } from "node:fs";
     export function openDisc({ log, asynchronous }) {
       appendFileSync(log, "o");
       const close = () => appendFileSync(log, "c");
       return { sizeBytes: 512, asynchronous, read() {}, close };
     }`,
  );
  writeFileSync(log, "");
  for (const asynchronous of [true, false]) {
    const open = () => ModuleDisc.open(pathToFileURL(path), { data: { log, asynchronous } });
    const { endpoint } = await attach(open, { queues: 2 });
    await endpoint.close();
    // The second queue may be opened when the first is closed already.
    const letters = (): string => [...readFileSync(log, "utf8")].sort().join("");
    await until("all are closed", () => letters() === "cccooo");
    writeFileSync(log, "");
  }
});

describe("what a source does wrong", () => {
  const WRONG: Readonly<Record<string, readonly [members: string, status: string]>> = {
    throws: ["read() { throw new Error('no') }", "IOERR"],
    "throws what is no error": ["read() { throw undefined }", "IOERR"],
    rejects: ["read: async () => { throw null }", "IOERR"],
    "has a status": ["read() { throw Object.assign(new Error(), { blkStatus: 3 }) }", "NOSPC"],
    "has a status of its own": ["read() { throw { blkStatus: 77 } }", "IOERR"],
    "throws that all is well": ["read() { throw { blkStatus: 0 } }", "IOERR"],
    "is at its end": ["read: (into) => into.length > 512 ? 512 : 0", "MEDIUM"],
    "moved more than it should": ["read: (into) => into.length + 1", "IOERR"],
    "moved less than nothing": ["read: () => -1", "IOERR"],
    "moved half a byte": ["read: () => 0.5", "IOERR"],
    "moved a text": ["read: () => '512'", "IOERR"],
    "moved true": ["read: async () => true", "IOERR"],
  };
  const cases = Object.keys(WRONG).flatMap((name) =>
    [true, false].map((asynchronous) => [name, asynchronous] as const),
  );

  test.each(cases)("%s, asynchronous %s", async (name, asynchronous) => {
    const [members, status] = WRONG[name] as (typeof WRONG)[string];
    if (!asynchronous && members.includes("async")) return;
    const { disk } = await attachSource(`asynchronous: ${asynchronous}, ${members}`);
    expect(await statusOf(disk.read(new Uint8Array(1024), 0))).toBe(status);
    await disk.write(new Uint8Array(1024), 0);
  });

  test("a promise of one that was to answer at once", async () => {
    const { disk } = await attachSource(
      "asynchronous: false, read: async () => { throw new Error('unheard') }, flush: async () => {}",
    );
    expect(await statusOf(disk.read(new Uint8Array(512), 0))).toBe("IOERR");
    expect(await statusOf(disk.flush())).toBe("IOERR");
    await disk.write(new Uint8Array(1024), 0);
  });

  test("bytes that come when nobody waits any more touch nothing", async () => {
    const go = new Int32Array(new SharedArrayBuffer(8));
    const { disk, endpoint, bus } = await attachSource(
      `async read(into) {
         const go = new Int32Array(data);
         Atomics.store(go, 1, 1);
         while (Atomics.load(go, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
         into.fill(7);
         Atomics.store(go, 1, 2);
       }`,
      go.buffer,
    );
    const buffer = disk.allocate(4096).fill(5);
    const reading = statusOf(disk.read(buffer, 0));
    await until("the source has it", () => Atomics.load(go, 1) === 1);
    await endpoint.close();
    expect(await reading).toBe("IOERR");
    Atomics.store(go, 0, 1);
    await until("it has filled it", () => Atomics.load(go, 1) === 2);
    expect(buffer.buffer).toBe(bus.buffer);
    expect([...new Set(buffer)]).toEqual([5]);
  });

  test("one that never opens in the thread of a queue holds up no stop", async () => {
    // Something that may still come keeps the thread alive, as a server that does not answer.
    const text = `export const openDisc = (opened) => {
      if (Atomics.add(new Int32Array(opened), 0, 1) > 0) {
        setInterval(() => {}, 1000);
        return new Promise(() => {});
      }
      return { sizeBytes: 512, read() {} };
    };`;
    const data = new SharedArrayBuffer(4);
    const disc = await ModuleDisc.open(moduleOf(text), { data });
    const { endpoint, stopped, rc } = await exported(disc);
    const disk = await rc.attach("disc");
    const reading = disk.read(new Uint8Array(512), 0).catch(({ code }) => code);
    await until("it is being opened", () => new Int32Array(data)[0] === 2);
    await endpoint.close();
    expect(await reading).toBe("ERR_BLOCKPT_OFFLINE");
    expect(stopped[0]?.reason).toMatch(/was not open yet/);
  });

  test("one that never closes holds up nobody", async () => {
    const { endpoint } = await attachSource("close: () => new Promise(() => {})");
    await endpoint.close();
  });
});

test("a source with large blocks gets whole ones", async () => {
  const asked = new Int32Array(new SharedArrayBuffer(8));
  const { disk, disc, bus } = await attachSource(
    `logicalBlockBytes: 4096,
     read(into, offset) { new Int32Array(data).set([into.length, offset]); into[1000] = 5; }`,
    asked.buffer,
  );
  expect(disk.logicalBlockBytes).toBe(4096);
  expect((await disc.readBytes(512, 4096 + 512))[1000 - 512]).toBe(5);
  expect([...asked]).toEqual([4096, 4096]);
  // A root complex that does not keep to them.
  const { offset } = bus.hostMemory;
  expect(disc.readInto(bus, offset, 512, 0)).toBe(BlkStatus.INVAL);
  expect(disc.writeFrom(bus, offset, 4096, 512)).toBe(BlkStatus.INVAL);
  expect(disc.writeZeroes(512, 0)).toBe(BlkStatus.INVAL);
  expect([...asked]).toEqual([4096, 4096]);
});

describe("is refused", () => {
  test.each<
    [what: string, module: string, code: string, message: RegExp, options?: ModuleDiscOptions]
  >([
    ["a path", "./disc.js", "INVALID_ARGUMENT", /import\.meta\.url/],
    ["a module that is not there", "file:///nowhere/disc.js", "DISC_OPEN", /cannot be imported/],
    ["a module that does not parse", moduleOf("export export"), "DISC_OPEN", /cannot be imported/],
    [
      "a module without openDisc",
      moduleOf("export default 1"),
      "DISC_OPEN",
      /exports no function openDisc/,
    ],
    [
      "one whose openDisc throws",
      moduleOf("export function openDisc() { throw new Error('sad') }"),
      "DISC_OPEN",
      /failed: sad/,
    ],
    ["no object", moduleOf("export const openDisc = () => 5"), "DISC_OPEN", /is 5, no object/],
    [
      "nothing",
      moduleOf("export const openDisc = async () => {}"),
      "DISC_OPEN",
      /is undefined, no object/,
    ],
    [
      "no read",
      moduleOf("export const openDisc = () => ({ sizeBytes: 512 })"),
      "DISC_OPEN",
      /no function read/,
    ],
    [
      "a write that is none",
      moduleOf("export const openDisc = () => ({ sizeBytes: 512, read() {}, write: 1 })"),
      "DISC_OPEN",
      /write that is no function/,
    ],
    [
      "asynchronous: 1",
      moduleOf("export const openDisc = () => ({ sizeBytes: 512, read() {}, asynchronous: 1 })"),
      "DISC_OPEN",
      /asynchronous/,
    ],
    [
      "a disc to be written without write",
      moduleOf("export const openDisc = () => ({ sizeBytes: 512, read() {}, readOnly: false })"),
      "DISC_OPEN",
      /no function write/,
    ],
    [
      "a size of half a sector",
      moduleOf("export const openDisc = () => ({ sizeBytes: 700, read() {} })"),
      "DISC_SIZE",
      /1024 would be/,
    ],
    [
      "a size that is a text",
      moduleOf("export const openDisc = () => ({ sizeBytes: '512', read() {} })"),
      "DISC_OPEN",
      /sizeBytes/,
    ],
    [
      "no size",
      moduleOf("export const openDisc = () => ({ sizeBytes: NaN, read() {} })"),
      "DISC_SIZE",
      /out of range/,
    ],
    [
      "blocks of 600 bytes",
      moduleOf(
        "export const openDisc = () => ({ sizeBytes: 1200, logicalBlockBytes: 600, read() {} })",
      ),
      "INVALID_ARGUMENT",
      /power of two/,
    ],
    [
      "data with a function",
      AT_ONCE,
      "INVALID_ARGUMENT",
      /cannot be posted/,
      { data: { call() {} } },
    ],
  ])("%s", async (_, module, code, message, options) => {
    const error = await openingOf(module, options);
    expect(error).toMatchObject({
      code: `ERR_BLOCKPT_${code}`,
      message: expect.stringMatching(message),
    });
    expect((error as Error).message.length).toBeLessThan(500);
  });

  test("a disc that is another one in the thread of a queue", async () => {
    const text = `export const openDisc = (memory) => {
      const isFirst = Atomics.add(new Int32Array(memory), 0, 1) === 0;
      return { sizeBytes: isFirst ? 512 : 1024, read() {} };
    };`;
    const data = new SharedArrayBuffer(4);
    const disc = await ModuleDisc.open(moduleOf(text), { data });
    const { endpoint, stopped, rc } = await exported(disc);
    await rc.attach("disc").catch(() => {});
    await until("its queue has stopped", () => stopped.length === 1);
    expect(stopped[0]?.reason).toMatch(/sizeBytes is 1024 in the thread of a queue, and was 512/);
    await endpoint.close();
  });
});

test("what a source leaves behind keeps no thread alive, nor the process", async () => {
  const program = `
    import { createBus, Endpoint, ModuleDisc, RootComplex } from ${JSON.stringify(INDEX)};
    const module = "data:text/javascript,export const openDisc = (isHere) => {" +
      "if (Atomics.add(new Int32Array(isHere), 0, 1) > 0) setInterval(() => {}, 1000);" +
      "return { sizeBytes: 512, read() {} }; }";
    const bus = await createBus();
    const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
    const data = new SharedArrayBuffer(4);
    await endpoint.exportDisc("disc", await ModuleDisc.open(module, { data }));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("disc");
    await disk.read(new Uint8Array(512), 0);
    await rc.close();
    await endpoint.close();
    console.log("closed", new Int32Array(data)[0]);`;
  const options = ["--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, options, { timeout: 60_000 });
  expect(stdout).toBe("closed 2\n");
});
