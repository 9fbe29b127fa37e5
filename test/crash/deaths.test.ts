// Whoever dies, what was acknowledged after a flush is on the disc: endpoints are killed, and connections cut, while
// somebody writes and flushes; then the disc loses all that it may, at each flush that was answered.

import { CrashDisc, createBus, NbdDisc, type RemoteDisk, RootComplex } from "blockpt";
import { NbdServer } from "blockpt/nbd";
import { expect, test } from "vitest";
import { afterThisTest } from "../api/rig.js";
import { until } from "../cli/command-line.js";
import { attach } from "../nbd/attached.js";
import { makeFolder } from "../nbd/servers.js";
import type { CrashEndpointData } from "../threads/crash-endpoint-thread.js";
import { nextMessage, startThread } from "../threads/thread.js";
import { randomFrom } from "./recording.js";

const BLOCK = 4096;
const BLOCKS = 64;
const LANES = 8;

/** A flush that was answered: when, and which versions were answered before it was sent. */
interface Answered {
  readonly position: number;
  readonly versions: readonly number[];
}

/** Writes blocks, each with its version in all its words, and flushes now and then; what fails is done again later. */
class Writer {
  readonly flushes: Answered[] = [];
  failures = 0;
  readonly #versions: number[] = new Array(BLOCKS).fill(0);
  #version = 0;
  #isOver = false;

  constructor(
    readonly disk: RemoteDisk,
    readonly disc: CrashDisc,
  ) {}

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: LANES }, (_, lane) => this.#lane(lane)));
  }

  stop(): void {
    this.#isOver = true;
  }

  async #lane(lane: number): Promise<void> {
    const random = randomFrom(lane + 1);
    while (!this.#isOver) {
      try {
        // Each lane has blocks of its own.
        const block = lane + LANES * Math.floor((random() * BLOCKS) / LANES);
        const version = ++this.#version;
        const data = new Uint8Array(new Uint32Array(BLOCK / 4).fill(version).buffer);
        await this.disk.write(data, block * BLOCK);
        this.#versions[block] = version;
        if (random() < 0.1) await this.#flush();
      } catch {
        this.failures++;
        await this.disk.whenOnline();
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  async #flush(): Promise<void> {
    const versions = [...this.#versions];
    await this.disk.flush();
    this.flushes.push({ position: this.disc.position, versions });
  }

  /** How many blocks of all crashes are older than a flush allows. */
  lost(flushesLostFrom?: number): number {
    let lost = 0;
    for (const { position: at, versions } of this.flushes) {
      const words = new Uint32Array(this.disc.crash({ at, keep: "none", flushesLostFrom }).buffer);
      lost += versions.filter(
        (version, block) => version > Number(words[(block * BLOCK) / 4]),
      ).length;
    }
    return lost;
  }
}

/** Has something die again and again while the writer is at work. */
async function killOften(writer: Writer, deaths: number, kill: () => Promise<void>): Promise<void> {
  const done = writer.run();
  for (let death = 0; death < deaths; death++) {
    const before = writer.flushes.length;
    await until(() => writer.flushes.length > before + 5);
    await kill();
  }
  const before = writer.flushes.length;
  await until(() => writer.flushes.length > before + 5);
  writer.stop();
  await done;
  expect(writer.failures).toBeGreaterThan(0);
  expect(writer.lost()).toBe(0);
  // It is the flushes that the disc owes it to.
  expect(writer.lost(0)).toBeGreaterThan(100);
}

test("endpoints that are killed take nothing with them that was flushed", async () => {
  const bus = await createBus();
  afterThisTest(() => bus.close());
  const disc = CrashDisc.create(BLOCKS * BLOCK);
  const data: CrashEndpointData = { bus: bus.handle, disc: disc.handle, queues: 1 };
  const start = async () => {
    const thread = await startThread("../threads/crash-endpoint-thread.ts", data);
    await nextMessage(thread);
    return thread;
  };
  let endpoint = await start();
  const rc = await RootComplex.probe(bus);
  afterThisTest(() => rc.close().catch(() => {}));
  const disk = await rc.attach("crash0", { numDescriptors: 64 });
  // Few, as it takes two seconds to see each.
  await killOften(new Writer(disk, disc), 3, async () => {
    await endpoint.terminate();
    endpoint = await start();
  });
});

test("connections that are cut take nothing with them that was flushed", async () => {
  const disc = CrashDisc.create(BLOCKS * BLOCK);
  const { disk: near } = await attach(disc);
  const uri = `nbd+unix:///?socket=${makeFolder()}/s`;
  const listen = () => NbdServer.listen({ uri, exports: [{ name: "crash0", disk: near }] });
  let server = await listen();
  const { disk } = await attach(await NbdDisc.open(server.uri("crash0"), { connections: 2 }));
  await killOften(new Writer(disk, disc), 6, async () => {
    await server.close();
    server = await listen();
  });
  await server.close();
});
