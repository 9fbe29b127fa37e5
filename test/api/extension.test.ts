// What the extension block adds, from an endpoint of ours to a root complex of ours: flushes,
// discards, writes of zeroes, block sizes, resizes, and the way back after a restart.

import { appendFileSync, readFileSync, statSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import workerThreads, { BroadcastChannel, type WorkerOptions } from "node:worker_threads";
import { FileDisc, MemoryDisc, type RemoteDisk, RootComplex } from "blockpt";
import { Feature } from "blockpt/abi";
import { afterEach, describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "./rig.js";

const MIB = 1024 * 1024;

const code = (name: string) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}` });

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe.each(["wasm", "typescript"] as const)("with the %s engine", (engine) => {
  async function memoryDisk(logicalBlockBytes = 512): Promise<RemoteDisk> {
    const { bus, endpoint } = await makeEndpoint({ engine });
    await endpoint.exportDisc("a", MemoryDisc.create(bus, MIB, { logicalBlockBytes }));
    await endpoint.start();
    return (await RootComplex.probe(bus)).attach("a", { numDescriptors: 64 });
  }

  async function fileDisk(bytes = pattern(MIB)) {
    const path = makeImage(bytes);
    const { bus, endpoint } = await makeEndpoint({ engine });
    await endpoint.exportDisc("a", await FileDisc.open(path));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    return { path, bus, endpoint, rc };
  }

  test("a memory disc flushes, discards and is zeroed, in calls that block and that do not", async () => {
    const disk = await memoryDisk();
    const { FLUSH, DISCARD, WRITE_ZEROES, FUA } = Feature;
    const all = FLUSH | DISCARD | WRITE_ZEROES | FUA;
    expect(disk.features & all).toBe(all);
    await disk.write(pattern(65536), 0, { fua: true });
    disk.writeSync(pattern(65536, 2), 65536, { fua: true });
    await disk.flush();
    disk.flushSync();
    await disk.discard(0, 4096);
    disk.discardSync(8192, 512);
    await disk.writeZeroes(65536, 1024);
    disk.writeZeroesSync(66560, 512);
    const due = new Uint8Array(131072);
    due.set(pattern(65536));
    due.set(pattern(65536, 2), 65536);
    for (const [from, to] of [
      [0, 4096],
      [8192, 8704],
      [65536, 67072],
    ]) {
      due.fill(0, from, to);
    }
    const back = new Uint8Array(131072);
    disk.readSync(back, 0);
    expect(Buffer.from(back).equals(due)).toBe(true);
    // More than one request has room for, and to the end.
    await disk.writeZeroes(0, disk.sizeBytes);
    await disk.read(back, 0);
    expect(back.every((byte) => byte === 0)).toBe(true);
    await expect(disk.writeZeroes(512, disk.sizeBytes)).rejects.toEqual(code("OUT_OF_RANGE"));
    expect(() => disk.discardSync(1, 512)).toThrow(code("UNALIGNED"));
    expect(disk.inFlight).toBe(0);
  });

  test("a file is zeroed in place; there is no call that would punch a hole, so it offers no discard", async () => {
    const { path, rc } = await fileDisk();
    const disk = await rc.attach("a");
    await disk.writeZeroes(4096, 700 * 1024);
    const due = pattern(MIB);
    due.fill(0, 4096, 4096 + 700 * 1024);
    expect(readFileSync(path).equals(due)).toBe(true);
    await expect(disk.discard(0, 512)).rejects.toEqual(code("NOT_SUPPORTED"));
  });

  test("a disk of 4096-byte blocks takes no half of one", async () => {
    const disk = await memoryDisk(4096);
    expect(disk.logicalBlockBytes).toBe(4096);
    await expect(disk.write(new Uint8Array(512), 0)).rejects.toEqual(code("UNALIGNED"));
    await expect(disk.read(new Uint8Array(4096), 512)).rejects.toEqual(code("UNALIGNED"));
    expect(() => disk.writeZeroesSync(0, 2048)).toThrow(code("UNALIGNED"));
    await disk.write(pattern(8192), 4096);
    const back = new Uint8Array(4096);
    disk.readSync(back, 8192);
    expect(Buffer.from(back).equals(pattern(8192).subarray(4096))).toBe(true);
  });

  test("a resized file reaches the disk as an event, and both sides check against the new size", async () => {
    const { path, endpoint, rc } = await fileDisk();
    const sizes: number[] = [];
    const disk = await rc.attach("a", { onResize: ({ sizeBytes }) => sizes.push(sizeBytes) });
    await expect(disk.write(pattern(512), MIB)).rejects.toEqual(code("OUT_OF_RANGE"));
    await endpoint.resizeDisc("a", 2 * MIB);
    await until("the disk has grown", () => sizes.length === 1);
    expect(disk.sizeBytes).toBe(2 * MIB);
    await disk.write(pattern(512), 2 * MIB - 512);
    // Behind the disc's back, as a volume manager does.
    appendFileSync(path, new Uint8Array(MIB));
    await endpoint.resizeDisc("a");
    await until("the disk has grown again", () => sizes.length === 2);
    await disk.write(pattern(512, 2), 3 * MIB - 512);
    expect(readFileSync(path).subarray(-512).equals(pattern(512, 2))).toBe(true);
    // Writes that were checked before do not make the file long again.
    const writes = Array.from({ length: 50 }, (_, index) =>
      disk.write(new Uint8Array(512), 3 * MIB - 512 * (index + 1)).catch((error) => error.code),
    );
    await turn();
    await endpoint.resizeDisc("a", MIB);
    expect(statSync(path).size).toBe(MIB);
    await until("the disk has shrunk", () => sizes.length === 3);
    await Promise.all(writes);
    expect(statSync(path).size).toBe(MIB);
    expect(sizes).toEqual([2 * MIB, 3 * MIB, MIB]);
    await expect(disk.read(new Uint8Array(512), MIB)).rejects.toEqual(code("OUT_OF_RANGE"));
    await expect(endpoint.resizeDisc("a", 1000)).rejects.toEqual(code("DISC_SIZE"));
    await expect(endpoint.resizeDisc("b")).rejects.toEqual(code("NO_SUCH_DISC"));
    expect(disk.sizeBytes).toBe(MIB);
  });

  test("a root complex without the extension is served as the reference driver is", async () => {
    const { path, bus, rc: before, endpoint } = await fileDisk();
    await before.close();
    const rc = await RootComplex.probe(bus, { extension: false });
    const disk = await rc.attach("a", { numDescriptors: 16 });
    expect(disk.features).toBe(0);
    await disk.write(pattern(4096, 5), 4096);
    disk.writeSync(pattern(4096, 6), 8192);
    expect(readFileSync(path).subarray(4096, 8192).equals(pattern(4096, 5))).toBe(true);
    for (const request of [
      disk.flush(),
      disk.writeZeroes(0, 512),
      disk.write(pattern(512), 0, { fua: true }),
    ]) {
      await expect(request).rejects.toEqual(code("NOT_SUPPORTED"));
    }
    // It learns of an end, too, and of a new beginning.
    await endpoint.stop();
    await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(code("OFFLINE"));
    await endpoint.start();
    await disk.whenOnline();
    await disk.write(pattern(512, 7), 0);
    await rc.close();
  });

  test("a restart of the endpoint is survived, and a disc that is another one by then is not taken for it", async () => {
    const { path, bus, endpoint, rc } = await fileDisk();
    const log: string[] = [];
    const disk = await rc.attach("a", {
      numDescriptors: 16,
      onOffline: () => log.push("offline"),
      onOnline: () => log.push("online"),
      onResize: ({ sizeBytes }) => log.push(`${sizeBytes} bytes`),
    });
    const buffer = disk.allocate(512);
    await endpoint.stop();
    await until("it is offline", () => log.length === 1);
    expect(disk.online).toBe(false);
    await expect(disk.read(buffer, 0)).rejects.toEqual(code("OFFLINE"));
    expect(() => disk.readSync(buffer, 0)).toThrow(code("OFFLINE"));
    appendFileSync(path, new Uint8Array(512));
    await endpoint.resizeDisc("a");
    await endpoint.start();
    await disk.whenOnline();
    expect(disk.online).toBe(true);
    await disk.read(buffer, MIB);
    expect(log).toEqual(["offline", "online", `${MIB + 512} bytes`]);
    // The same name, and blocks of another size.
    await endpoint.stop();
    await endpoint.unexportDisc("a");
    await endpoint.exportDisc("a", MemoryDisc.create(bus, MIB, { logicalBlockBytes: 4096 }));
    await endpoint.start();
    await expect(disk.read(buffer, 0)).rejects.toEqual(code("OFFLINE"));
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(disk.online).toBe(false);
    await rc.detach("a");
    await (await rc.attach("a")).read(new Uint8Array(4096), 0);
    await rc.close();
  });
});

describe("a file's flush", () => {
  const RealWorker = workerThreads.Worker;
  afterEach(() => {
    workerThreads.Worker = RealWorker;
    syncBuiltinESMExports();
  });

  test("is fdatasync, after the writes that were completed before it; FUA is its own", async () => {
    // The queue's worker tells of each of its system calls.
    const calls: string[] = [];
    const channel = new BroadcastChannel("blockpt-test-calls");
    afterThisTest(() => channel.close());
    channel.onmessage = (event) => calls.push((event as { data: string }).data);
    workerThreads.Worker = class extends RealWorker {
      constructor(file: string | URL, options?: WorkerOptions) {
        const script = `
          import fs from "node:fs";
          import { syncBuiltinESMExports } from "node:module";
          import { BroadcastChannel } from "node:worker_threads";
          const channel = new BroadcastChannel("blockpt-test-calls").unref();
          for (const name of ["writeSync", "fdatasyncSync"]) {
            const real = fs[name];
            fs[name] = (...args) => { channel.postMessage(name); return real(...args); };
          }
          syncBuiltinESMExports();
          await import(${JSON.stringify(String(file))});`;
        super(new URL(`data:text/javascript,${encodeURIComponent(script)}`), options);
      }
    };
    syncBuiltinESMExports();
    const { bus, endpoint } = await makeEndpoint();
    await endpoint.exportDisc("a", await FileDisc.open(makeImage(pattern(65536))));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("a");
    await disk.write(pattern(512), 0);
    await disk.flush();
    await disk.write(pattern(512), 512, { fua: true });
    disk.writeSync(pattern(512), 1024);
    disk.flushSync();
    await rc.close();
    await until("the calls are heard of", () => calls.length >= 6);
    expect(calls).toEqual([
      "writeSync",
      "fdatasyncSync",
      "writeSync",
      "fdatasyncSync",
      "writeSync",
      "fdatasyncSync",
    ]);
  });
});
