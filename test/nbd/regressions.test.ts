// What was wrong once with the NBD server and the client, and is not to come back.

import { readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { TLSSocket } from "node:tls";
import { type Bio, BlockptError, MemoryDisc, NbdDisc, RootComplex } from "blockpt";
import { type NbdDisk, type NbdExport, NbdServer, parseNbdUri } from "blockpt/nbd";
import { expect, test } from "vitest";
import { Feature } from "../../ts/abi/layout.js";
import { createDurability, Durability } from "../../ts/nbd/client/durability.js";
import {
  Command,
  ExtentState,
  Info,
  Option,
  ReplyType,
  TransmissionFlag,
} from "../../ts/nbd/protocol.js";
import { afterThisTest, makeEndpoint, until } from "../api/rig.js";
import { Place } from "../cli/command-line.js";
import { attachNbd } from "./attached.js";
import { makeCertificates } from "./certificates.js";
import { ACK, exportInfo, fakeServer, GREETING, INFO, optionReply } from "./fake-server.js";
import { infoData, metaData, RawClient, type Reply, request } from "./raw-client.js";
import { need, succeed } from "./tools.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const IOERR = 10;

/** A memory disc, attached as `ram0`. */
async function attachedDisk() {
  const { bus, endpoint } = await makeEndpoint({ hostMemoryBytes: 16 * MIB });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, MIB));
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  afterThisTest(() => rc.close());
  return { bus, rc, disk: await rc.attach("ram0") };
}

/** A disk whose requests end when the test says so. */
function heldDisk(features = 0) {
  const bios: Bio[] = [];
  const disk = {
    sizeBytes: MIB,
    logicalBlockBytes: 512,
    readOnly: false,
    features,
    submit: (bio: Bio) => void bios.push(bio),
    allocate: (bytes: number) => new Uint8Array(bytes),
    free: () => {},
    isUsing: () => true,
  };
  const end = (bio: Bio | undefined, error?: BlockptError): void => {
    if (bio === undefined) throw new Error("no such request");
    bio.error = error;
    bio.onEnd(bio);
  };
  return { disk: disk as unknown as NbdDisk, bios, end };
}
const timeout = () => new BlockptError("ERR_BLOCKPT_TIMEOUT", "it takes too long");

async function serve(exports: NbdExport[]) {
  const place = await Place.create();
  const path = place.path("s");
  const server = await NbdServer.listen({
    uri: `nbd+unix:///?socket=${path}`,
    exports,
  });
  afterThisTest(async () => {
    await server.close();
    await place.remove();
  });
  return { server, path };
}

test("a client that vanishes has nothing more read for it", async () => {
  const { disk, bios, end } = heldDisk();
  const { server, path } = await serve([{ name: "held", disk }]);
  const client = await RawClient.open(path, "held");
  client.send(request({ command: Command.CACHE, lenBytes: MIB }));
  await until("it reads", () => bios.length === 1);
  client.destroy();
  // Its end is known when that of a later client is.
  const other = await RawClient.open(path, "held");
  other.send(request({ command: Command.DISC }));
  await other.readAll();
  await until("the later one is gone", () => server.connections === 1);
  end(bios[0]);
  await until("it is gone", () => server.connections === 0);
  expect(bios).toHaveLength(1);
});

test("an export that cannot say whether it has holes is looked at", async () => {
  const { disk } = await attachedDisk();
  const mayHaveHoles = (): boolean => {
    throw new Error("there is no such disc any more");
  };
  const { path } = await serve([{ name: "ram0", disk, mayHaveHoles }]);
  const client = await RawClient.connect(path);
  await client.greet();
  await client.ask(Option.STRUCTURED_REPLY);
  await client.ask(Option.SET_META_CONTEXT, metaData("ram0", "base:allocation"));
  await client.go("ram0");
  client.send(request({ command: Command.BLOCK_STATUS, lenBytes: 4096 }));
  const chunk = await client.read(32);
  expect(chunk.readUInt16BE(6)).toBe(ReplyType.BLOCK_STATUS);
  expect([chunk.readUInt32BE(24), chunk.readUInt32BE(28)]).toEqual([4096, ExtentState.ZERO]);
});

test("a disk that is detached takes its clients with it, before its memory is another's", async () => {
  const { bus, rc, disk } = await attachedDisk();
  const { server, path } = await serve([{ name: "ram0", disk }]);
  const client = await RawClient.open(path, "ram0");
  expect(await client.write(0, Buffer.alloc(512, 1))).toBe(0);
  client.send(request({ command: Command.WRITE, lenBytes: 64 * KIB }));
  await rc.detach("ram0");
  const again = await rc.attach("ram0");
  const all = again.allocate(8 * MIB).fill(0x11);
  client.send(Buffer.alloc(64 * KIB, 0xee));
  await client.readAll();
  await until("it is gone", () => server.connections === 0);
  expect(all.includes(0xee)).toBe(false);
  again.free(all);
  expect(bus.hostMemory.length).toBeGreaterThan(all.length);
});

test("a thread whose part in flushes was taken for dead has one again with its next change", async () => {
  const words = createDurability();
  const [slow, other] = [0, 1].map(() => new Durability(words, () => Promise.resolve())) as [
    Durability,
    Durability,
  ];
  slow.setDirty(true);
  // What the other one does after 15 s without an answer.
  const view = new Int32Array(words);
  const slot = view.findIndex((word, index) => index >= 5 && word % 4 === 2);
  Atomics.store(view, slot, 0);
  slow.setDirty(true);
  const calls = Atomics.load(view, 2);
  await other.flushOthers();
  expect(Atomics.load(view, 2)).toBe(calls + 1);
  for (const one of [slow, other]) one.close();
});

test("a flush that was sent anew covers nothing on its new connection", async () => {
  let flushes = 0;
  const server = await fakeServer({
    request: ({ command, connection }) => {
      if (command !== 3 || connection !== 2) return undefined;
      return ++flushes === 2 ? Buffer.alloc(0) : undefined;
    },
  });
  const { disk } = await attachNbd(server.uri);
  const change = async (): Promise<void> => {
    for (let at = 0; at < 3; at++) await disk.write(Buffer.alloc(512, 1), at * 8192);
  };
  await change();
  const both = [disk.flush(), disk.flush()];
  await Promise.any(both);
  await until("both flushes have come", () => flushes === 2);
  server.drop();
  await Promise.all(both);
  await change();
  server.drop();
  await expect(disk.flush()).rejects.toMatchObject({ blkStatus: IOERR });
});

test("a disc whose requests wait for no lost connection waits for the first one", async () => {
  const server = await fakeServer();
  const disc = await NbdDisc.open(server.uri, { outageMs: 0 });
  afterThisTest(() => disc.close());
  expect(await disc.readBytes(512, 0)).toHaveLength(512);
});

test("the last chunk of a read is the last, also if the disk keeps the memory of its part", async () => {
  const { disk, bios, end } = heldDisk();
  const { path } = await serve([{ name: "held", disk }]);
  const client = await RawClient.connect(path);
  await client.greet();
  await client.ask(Option.STRUCTURED_REPLY);
  await client.go("held");
  client.send(request({ command: Command.READ, lenBytes: 256 * KIB }));
  await until("it reads", () => bios.length === 2);
  end(bios[0]);
  end(bios[1], timeout());
  const head = await client.read(20);
  expect(head.readUInt16BE(6)).toBe(ReplyType.OFFSET_DATA);
  expect(head.readUInt16BE(4)).toBe(0);
});

test("a client that says no more is let go when its last read failed, and the disk keeps the memory", async () => {
  const { disk, bios, end } = heldDisk();
  const { path } = await serve([{ name: "held", disk }]);
  const client = await RawClient.open(path, "held");
  client.send(request({ command: Command.READ, lenBytes: 512 }));
  await until("it reads", () => bios.length === 1);
  client.stream.end();
  // That it says no more has come when a later client has come and gone.
  const other = await RawClient.open(path, "held");
  other.send(request({ command: Command.DISC }));
  await other.readAll();
  end(bios[0], timeout());
  expect(await client.readAll()).toHaveLength(16);
});

test("FUA is offered only where a flush can end what has several parts", async () => {
  const { disk } = heldDisk(Feature.FUA);
  const { path } = await serve([{ name: "held", disk }]);
  const client = await RawClient.connect(path);
  await client.greet();
  const { before } = await client.ask(Option.INFO, infoData("held", Info.BLOCK_SIZE));
  const facts = before.find(({ data }) => data.readUInt16BE() === Info.EXPORT);
  expect((facts as Reply).data.readUInt16BE(10) & TransmissionFlag.SEND_FUA).toBe(0);
});

test("what is put behind the answer to STARTTLS in the open is refused", async (context) => {
  need(context, "openssl");
  const place = await Place.create();
  afterThisTest(() => place.remove());
  const folder = await makeCertificates(place.path("tls"));
  const [key, cert, ca] = ["server-key.pem", "server-cert.pem", "ca-cert.pem"].map((name) =>
    readFileSync(`${folder}/${name}`),
  ) as [Buffer, Buffer, Buffer];
  // The client waits for the authority's certificate, and is not at TLS yet.
  rmSync(`${folder}/ca-cert.pem`);
  await succeed("mkfifo", [`${folder}/ca-cert.pem`]);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(GREETING);
    let come = 0;
    const take = async (data: Buffer): Promise<void> => {
      come += data.length;
      if (come < 4 + 16) return;
      socket.off("data", take);
      socket.write(optionReply(Option.STARTTLS, ACK));
      const file = await open(`${folder}/ca-cert.pem`, "w");
      const forged = [
        optionReply(Option.STRUCTURED_REPLY, ACK),
        optionReply(Option.GO, INFO, exportInfo(4096, 1)),
        optionReply(Option.GO, ACK),
      ];
      await new Promise((resolve) => socket.write(Buffer.concat(forged), resolve));
      // The client is of this process, and has it after some turns.
      for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
      const tls = new TLSSocket(socket, { isServer: true, key, cert });
      tls.on("error", () => {});
      await file.writeFile(ca);
      await file.close();
    };
    socket.on("data", take);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterThisTest(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const uri = `nbds://127.0.0.1:${port}/?tls-certificates=${folder}`;
  // Who comes late takes it for TLS, and it is none.
  await expect(NbdDisc.open(uri)).rejects.toMatchObject({ code: "ERR_BLOCKPT_DISC_OPEN" });
});

test("the path of a socket that would be cut off is refused", () => {
  const uri = `nbd+unix:///?socket=/tmp/${"s".repeat(103)}`;
  expect(parseNbdUri(uri.slice(0, -1)).socketPath).toHaveLength(107);
  expect(() => parseNbdUri(uri)).toThrow("108 bytes, at most 107");
});
