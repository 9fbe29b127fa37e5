import { readFileSync, writeFileSync } from "node:fs";
import { ConfigTree, createBus, NbdDisc, openDiscNamed, PartitionDisc, RootComplex } from "blockpt";
import { expect, type TestContext, test } from "vitest";
import { afterThisTest, makeEndpoint, pattern } from "../api/rig.js";
import { until } from "../cli/command-line.js";
import { attach, attachNbd, code, status } from "./attached.js";
import { makeCertificates } from "./certificates.js";
import { makeFolder, startNbdkit, startServer } from "./servers.js";
import { need } from "./tools.js";

const MIB = 1024 * 1024;

/** nbdkit, and the URI of what it serves. */
async function nbdkit(
  context: TestContext,
  args: readonly string[],
): Promise<{ uri: string; kill(): Promise<void> }> {
  need(context, "nbdkit");
  const socket = `${makeFolder()}/s`;
  const { kill } = await startNbdkit(socket, args);
  return { uri: `nbd+unix:///?socket=${socket}`, kill };
}

/** Writes and reads back requests of all sizes, several in flight. */
async function exercise(disk: Awaited<ReturnType<typeof attachNbd>>["disk"]): Promise<void> {
  const bytes = pattern(2 * MIB, 7);
  const lengths = [512, 4096, 65536, 131072, 1536, MIB, 512 * 77];
  let at = 0;
  const writes: Promise<void>[] = [];
  for (const length of lengths) {
    writes.push(disk.write(bytes.subarray(at, at + length), at));
    at += length;
  }
  await Promise.all(writes);
  await disk.flush();
  await disk.writeZeroes(4096, 8192);
  bytes.fill(0, 4096, 4096 + 8192);
  const back = new Uint8Array(at);
  const reads: Promise<void>[] = [];
  for (let offset = 0; offset < at; offset += 65536) {
    reads.push(disk.read(back.subarray(offset, Math.min(at, offset + 65536)), offset));
  }
  await Promise.all(reads);
  expect(Buffer.from(back).equals(bytes.subarray(0, at))).toBe(true);
}

test.for([
  ["structured replies", ["memory", "8M"]],
  ["simple replies", ["--no-sr", "memory", "8M"]],
  ["no handshake flags but the fixed protocol", ["--mask-handshake=1", "memory", "8M"]],
  [
    "requests of at most 64 KiB",
    [
      "--filter=blocksize-policy",
      "memory",
      "8M",
      "blocksize-minimum=512",
      "blocksize-preferred=4096",
      "blocksize-maximum=64K",
      "blocksize-error-policy=error",
    ],
  ],
  ["no FUA", ["--filter=fua", "memory", "8M"]],
] as const)("nbdkit, %s", async ([, args], context) => {
  const { uri } = await nbdkit(context, args);
  const { disk, rc } = await attachNbd(uri);
  await exercise(disk);
  await rc.close();
});

test("nbdkit over several connections, by queues in parallel", async (context) => {
  const { uri } = await nbdkit(context, ["memory", "8M"]);
  const { disk } = await attachNbd(uri, { connections: 2 }, 2);
  await exercise(disk);
});

test("qemu-nbd, which bears one connection at a time", async (context) => {
  need(context, "qemu-nbd");
  const folder = makeFolder();
  writeFileSync(`${folder}/disk`, new Uint8Array(8 * MIB));
  const args = ["--persistent", "-f", "raw", "-k", `${folder}/s`, "-x", "disk", `${folder}/disk`];
  await startServer("qemu-nbd", args, `${folder}/s`);
  const { disk, rc } = await attachNbd(`nbd+unix:///disk?socket=${folder}/s`);
  await exercise(disk);
  await rc.detach("nbd");
  const again = await rc.attach("nbd", { numDescriptors: 64 });
  await exercise(again);
  const opened = NbdDisc.open(`nbd+unix:///other?socket=${folder}/s`, { connectTimeoutMs: 500 });
  await expect(opened).rejects.toEqual(code("DISC_OPEN"));
});

test("an export that is not there is told apart from those that are", async (context) => {
  need(context, "qemu-nbd");
  const folder = makeFolder();
  writeFileSync(`${folder}/disk`, new Uint8Array(MIB));
  const args = ["--persistent", "-f", "raw", "-k", `${folder}/s`, "-x", "disk", `${folder}/disk`];
  await startServer("qemu-nbd", args, `${folder}/s`);
  await expect(NbdDisc.open(`nbd+unix:///other?socket=${folder}/s`)).rejects.toThrow(
    'it has "disk"',
  );
});

test("writes are completed while slow reads before them are in flight", async (context) => {
  const { uri } = await nbdkit(context, ["--filter=delay", "memory", "1M", "rdelay=300ms"]);
  const { disk } = await attachNbd(uri);
  const order: string[] = [];
  const read = disk.read(new Uint8Array(512), 0).then(() => order.push("read"));
  await disk.write(new Uint8Array(512), 4096).then(() => order.push("write"));
  await read;
  expect(order).toEqual(["write", "read"]);
});

test("errors of nbdkit's error filter are the disk's", async (context) => {
  const { uri } = await nbdkit(context, [
    "--filter=error",
    "memory",
    "1M",
    "error-pwrite=ENOSPC",
    "error-pwrite-rate=100%",
    "error-pread=EPERM",
    "error-pread-rate=100%",
  ]);
  const { disk } = await attachNbd(uri);
  await expect(disk.write(new Uint8Array(512), 0)).rejects.toEqual(status(3));
  await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(status(8));
});

test("nbdkit is killed and started again in the middle of it: every request ends well", async (context) => {
  need(context, "nbdkit");
  const folder = makeFolder();
  const socket = `${folder}/s`;
  writeFileSync(`${folder}/disk`, new Uint8Array(MIB));
  const args = ["file", `${folder}/disk`];
  let server = await startNbdkit(socket, args);
  const { disk } = await attachNbd(`nbd+unix:///?socket=${socket}`);
  const bytes = pattern(MIB, 3);
  let isOver = false;
  let rounds = 0;
  const back = new Uint8Array(65536);
  const work = async (): Promise<void> => {
    while (!isOver) {
      const at = (rounds++ % 16) * 65536;
      await disk.write(bytes.subarray(at, at + 65536), at);
      await disk.read(back, at);
      expect(Buffer.from(back).equals(bytes.subarray(at, at + 65536))).toBe(true);
    }
  };
  const working = work();
  for (let kill = 0; kill < 3; kill++) {
    const before = rounds;
    await until(() => rounds > before + 10);
    await server.kill();
    server = await startNbdkit(socket, args);
  }
  const before = rounds;
  await until(() => rounds > before + 16);
  isOver = true;
  await working;
  await disk.flush().catch(() => disk.flush());
  expect(readFileSync(`${folder}/disk`).equals(bytes)).toBe(true);
});

test("requests wait for a server that is gone for so long, then are answered OFFLINE", async (context) => {
  need(context, "nbdkit");
  const socket = `${makeFolder()}/s`;
  const server = await startNbdkit(socket, ["memory", "1M"]);
  const { disk } = await attachNbd(`nbd+unix:///?socket=${socket}`, { outageMs: 200 });
  await server.kill();
  await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(status(16));
  await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(status(16));
  await startNbdkit(socket, ["memory", "1M"]);
  await until(() =>
    disk.read(new Uint8Array(512), 0).then(
      () => true,
      () => false,
    ),
  );
});

test("an export that has shrunk is not gone on with", async (context) => {
  need(context, "nbdkit");
  const socket = `${makeFolder()}/s`;
  const server = await startNbdkit(socket, ["memory", "2M"]);
  const { disk } = await attachNbd(`nbd+unix:///?socket=${socket}`, { outageMs: 300 });
  await server.kill();
  const smaller = await startNbdkit(socket, ["memory", "1M"]);
  await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(status(16));
  await smaller.kill();
  await startNbdkit(socket, ["memory", "4M"]);
  await until(() =>
    disk.read(new Uint8Array(512), 0).then(
      () => true,
      () => false,
    ),
  );
});

test("a stop does not wait for a server that hangs", async (context) => {
  const { uri } = await nbdkit(context, ["--filter=delay", "memory", "1M", "rdelay=60"]);
  const { disk, endpoint } = await attachNbd(uri);
  const read = expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(status(16));
  await endpoint.stop();
  await read;
});

test("a root complex that rings no doorbell is served, too", async (context) => {
  const { uri } = await nbdkit(context, ["memory", "4M"]);
  const { disk } = await attach(await NbdDisc.open(uri), 1, false);
  const bytes = pattern(65536);
  await disk.write(bytes, 0);
  const back = new Uint8Array(65536);
  await disk.read(back, 0);
  expect(Buffer.from(back).equals(bytes)).toBe(true);
});

test("another size is the server's", async (context) => {
  need(context, "nbdkit");
  const folder = makeFolder();
  writeFileSync(`${folder}/disk`, new Uint8Array(MIB));
  await startNbdkit(`${folder}/s`, ["file", `${folder}/disk`]);
  const { disk, rc, endpoint } = await attachNbd(`nbd+unix:///?socket=${folder}/s`);
  await expect(endpoint.resizeDisc("nbd", 2 * MIB)).rejects.toEqual(code("DISC_SIZE"));
  writeFileSync(`${folder}/disk`, new Uint8Array(2 * MIB));
  await endpoint.resizeDisc("nbd");
  await until(() => disk.sizeBytes === 2 * MIB);
  // nbdkit holds a connection to the size that it had at its beginning.
  await rc.detach("nbd");
  const again = await rc.attach("nbd");
  await again.write(new Uint8Array(512).fill(1), 2 * MIB - 512);
  expect(readFileSync(`${folder}/disk`)[2 * MIB - 1]).toBe(1);
});

test("a partition of an export is a disc", async (context) => {
  // The second slot of an MBR: 1024 sectors from sector 64 on.
  const image = new Uint8Array(MIB);
  const table = new DataView(image.buffer, 446);
  table.setUint8(16 + 4, 0x83);
  table.setUint32(16 + 8, 64, true);
  table.setUint32(16 + 12, 1024, true);
  table.setUint16(64, 0xaa55, true);
  need(context, "nbdkit");
  const folder = makeFolder();
  writeFileSync(`${folder}/disk`, image);
  await startNbdkit(`${folder}/s`, ["file", `${folder}/disk`]);
  const inner = await NbdDisc.open(`nbd+unix:///?socket=${folder}/s`);
  const { disk, rc, endpoint } = await attach(await PartitionDisc.open(inner, 2), 2);
  expect(disk.sizeBytes).toBe(1024 * 512);
  const bytes = pattern(1024 * 512, 5);
  await disk.write(bytes, 0);
  await disk.write(bytes.subarray(0, 512), 0, { fua: true });
  await disk.flush();
  const there = readFileSync(`${folder}/disk`);
  expect(there.subarray(64 * 512, 1088 * 512).equals(bytes)).toBe(true);
  await disk.discard(0, 512 * 512);
  await endpoint.resizeDisc("nbd");
  await rc.close();
});

test("an NBD URI is a name of a disc: in the API and in the config tree", async (context) => {
  const { uri } = await nbdkit(context, ["memory", "1M"]);
  const bus = await createBus();
  const disc = await openDiscNamed(bus, uri, { readOnly: true });
  expect([disc.sizeBytes, disc.readOnly]).toEqual([MIB, true]);
  disc.close();
  const tree = ConfigTree.create(bus);
  afterThisTest(() => tree.close());
  const ep = "/sys/kernel/config/pci_ep";
  const named = `${ep}/functions/pci_epf_blockpt/func1/vm1`;
  await tree.mkdir(named, { recursive: true });
  await tree.writeFile(`${named}/disc_name`, uri.replace("/?", "/vm1?"));
  await tree.symlink("functions/pci_epf_blockpt/func1", `${ep}/controllers/44100000.pcie/func1`);
  await tree.writeFile(`${ep}/controllers/44100000.pcie/start`, "1");
  const rc = await RootComplex.probe(bus);
  expect(rc.devices).toEqual(["vm1"]);
  await rc.close();
  const absent = tree.writeFile(`${named}/disc_name`, "nbd+unix:///?socket=/nowhere");
  await expect(absent).rejects.toMatchObject({ code: "ENOENT" });
});

test("what cannot be opened says what to do", async () => {
  const { bus } = await makeEndpoint();
  const socket = `${makeFolder()}/s`;
  const uris: [string, string, string][] = [
    [`nbd+unix:///?socket=${socket}`, "DISC_OPEN", "is the server running"],
    ["nbd://127.0.0.1:1/", "DISC_OPEN", "nobody listens there"],
    ["nbd:///x?tls-hostname=a", "INVALID_ARGUMENT", "goes with nbds://"],
    ["nbds:///x?tls-psk-file=a", "INVALID_ARGUMENT", "are what is known"],
    ["nbds:///x?tls-verify-peer=maybe", "INVALID_ARGUMENT", "1 or 0 is wanted"],
    ["nbd+tcp://x", "INVALID_ARGUMENT", "is wanted"],
  ];
  for (const [uri, error, why] of uris) {
    const opened = openDiscNamed(bus, uri);
    await expect(opened).rejects.toEqual(code(error));
    await expect(opened).rejects.toThrow(why);
  }
  for (const options of [
    { connections: 0 },
    { connections: 17 },
    { outageMs: 25_001 },
    { connectTimeoutMs: 0 },
  ]) {
    await expect(NbdDisc.open(`nbd+unix:///?socket=${socket}`, options)).rejects.toEqual(
      code("INVALID_ARGUMENT"),
    );
  }
});

test("TLS: nbdkit that wants it, with certificates for both sides", async (context) => {
  need(context, "nbdkit", "openssl");
  const folder = makeFolder();
  const certificates = `${folder}/pki`;
  await makeCertificates(certificates, "disks.example");
  const args = [
    "--tls=require",
    `--tls-certificates=${certificates}`,
    "--tls-verify-peer",
    "memory",
    "8M",
  ];
  const server = await startNbdkit(`${folder}/s`, args);
  const uri = `nbds+unix:///?socket=${folder}/s&tls-certificates=${certificates}`;
  const { disk, rc } = await attachNbd(`${uri}&tls-hostname=disks.example`);
  await exercise(disk);
  await rc.close();
  const opened = async (other: string): Promise<string> =>
    NbdDisc.open(other).then(
      () => "opened",
      (error: Error) => error.message,
    );
  expect(await opened(`nbd+unix:///?socket=${folder}/s`)).toContain("wants TLS: nbds://");
  expect(await opened(uri)).toContain("tls-hostname=NAME");
  expect(await opened(`nbds+unix:///?socket=${folder}/s`)).toContain("tls-certificates=DIR");
  expect(await opened(`${uri}&tls-verify-peer=0`)).toBe("opened");
  await server.kill();
  await startNbdkit(`${folder}/s`, ["memory", "1M"]);
  expect(await opened(uri)).toContain("nbd:// or nbd+unix:// does without it");
});
