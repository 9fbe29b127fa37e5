// What goes wrong on purpose between the two sides, and that the root complex lives through all of it: interrupts that
// get lost or come for nothing, an endpoint that is slow, one that is killed.

import {
  type Bus,
  createBus,
  Endpoint,
  type EngineChoice,
  FileDisc,
  type LinkFaults,
  MemoryDisc,
  openBus,
  openQueue,
  type QueueReport,
  RootComplex,
} from "blockpt";
import { MSIX_ENTRY_BYTES, queueLayout, Register } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "../api/rig.js";

const BYTES = 1024 * 1024;
const NO_MSIX = { vectors: 0, tableOffset: 0, pendingOffset: 0 };
/** In an entry of the MSI-X table. */
const MSIX_CONTROL = 12;
const ENGINES = ["wasm", "typescript"] as const;

async function attached(engine: EngineChoice, linkFaults?: LinkFaults) {
  const made = await makeEndpoint({ engine }, { linkFaults });
  await made.endpoint.exportDisc("disc", MemoryDisc.create(made.bus, BYTES), { queues: 2 });
  await made.endpoint.start();
  const rc = await RootComplex.probe(made.bus);
  afterThisTest(() => rc.close().catch(() => {}));
  const disk = await rc.attach("disc", { queues: 2, numDescriptors: 64 });
  return { ...made, rc, disk };
}

describe.each(ENGINES)("engine %s", (engine) => {
  test.each([
    ["all interrupts lost", { loseInterrupts: {} }],
    ["each third interrupt lost", { loseInterrupts: { every: 3 } }],
    ["half of the interrupts lost", { loseInterrupts: { probability: 0.5, seed: 3 } }],
    ["interrupts for nothing", { spuriousInterruptsMs: 1 }],
    ["a slow endpoint", { queueDelayMs: 2, commandDelayMs: 20 }],
    [
      "all of that",
      { loseInterrupts: { every: 2 }, spuriousInterruptsMs: 1, queueDelayMs: 1, commandDelayMs: 5 },
    ],
  ] as const)(
    "with %s every byte comes and goes, with a promise and in a call that blocks",
    async (_, faults) => {
      const { bus, disk, endpoint } = await attached(engine, faults);
      expect(endpoint.linkFaults).toMatchObject(faults);
      for (let round = 0; round < 5; round++) {
        const written = pattern(8192, round + 1);
        await Promise.all([0, 1, 2].map((lane) => disk.write(written, lane * 65536)));
        await disk.flush();
        const read = new Uint8Array(8192);
        await disk.read(read, 65536);
        expect(Buffer.from(read).equals(written)).toBe(true);
      }
      // Nobody looks at the ring for so long that the endpoint has to raise.
      await new Promise((resolve) => setTimeout(resolve, 30));
      const view = openBus(bus.handle);
      const queue = openQueue(view, disk.openQueue());
      queue.writeSync(pattern(512, 9), 0);
      const back = new Uint8Array(512);
      queue.readSync(back, 0);
      expect(Buffer.from(back).equals(pattern(512, 9))).toBe(true);
      queue.close();
      view.close();
      expect(disk.online).toBe(true);
      if ("loseInterrupts" in faults) expect(endpoint.linkFaults.lost).toBeGreaterThan(0);
      if ("spuriousInterruptsMs" in faults) {
        await until("some came for nothing", () => endpoint.linkFaults.spurious > 0);
      }
    },
  );
});

test("lost interrupts are those that are not counted as raised, by number", async () => {
  const { disk, endpoint } = await attached("auto");
  const raised = (): number =>
    endpoint
      .exported("disc")
      .queues.reduce((sum, { statistics }) => sum + statistics.interrupts, 0);
  await endpoint.setLinkFaults({ loseInterrupts: { every: 4 } });
  const before = raised();
  // Each alone: an interrupt each.
  for (let round = 0; round < 40; round++) await disk.write(new Uint8Array(512), 0);
  await until("all are counted", () => raised() + endpoint.linkFaults.lost >= before + 40);
  expect(endpoint.linkFaults.lost).toBe(10);
  expect(raised() - before).toBe(30);
  await endpoint.setLinkFaults({});
  expect(endpoint.linkFaults).toEqual({ lost: 0, spurious: 0 });
  await disk.write(new Uint8Array(512), 0);
  expect(endpoint.linkFaults.lost).toBe(0);
});

test("a command that is not answered in time fails, and later the endpoint is found", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("disc", MemoryDisc.create(bus, BYTES));
  await endpoint.start();
  await endpoint.setLinkFaults({ commandDelayMs: 600 });
  await expect(RootComplex.probe(bus, { commandTimeoutMs: 100 })).rejects.toMatchObject({
    code: "ERR_BLOCKPT_COMMAND_TIMEOUT",
  });
  await endpoint.setLinkFaults({});
  // The command from before may still be under way.
  await new Promise((resolve) => setTimeout(resolve, 700));
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("disc", { numDescriptors: 64 });
  await disk.read(new Uint8Array(512), 0);
  await rc.close();
});

test.each([
  [{ spuriousInterruptsMs: 0 }, /spuriousInterruptsMs is 0/],
  [{ commandDelayMs: 1.5 }, /commandDelayMs is 1\.5/],
  [{ queueDelayMs: 86_400_001 }, /86400000/],
  [{ loseInterrupts: { every: 0 } }, /every is 0/],
  [{ loseInterrupts: { probability: 2 } }, /probability is 2/],
  [{ loseInterrupts: { evry: 2 } }, /evry.*every/],
  [{ slow: 1 }, /slow.*commandDelayMs/],
])("%o is refused, and nothing changes", async (faults, why) => {
  const { endpoint } = await makeEndpoint();
  await endpoint.setLinkFaults({ commandDelayMs: 5 });
  await expect(endpoint.setLinkFaults(faults as LinkFaults)).rejects.toThrow(why);
  expect(endpoint.linkFaults).toEqual({ commandDelayMs: 5, lost: 0, spurious: 0 });
});

describe("an endpoint that is killed", () => {
  test.each(ENGINES)(
    "leaves the bus as it is; what is in flight ends, and the disk comes back with the next (engine %s)",
    async (engine) => {
      const { bus, disk, endpoint } = await attached(engine);
      await disk.write(pattern(4096, 2), 0);
      // It holds what is in flight, so that none of it is answered.
      await endpoint.setFaults("disc", ["delay=3600s"]);
      const flying = Array.from({ length: 6 }, (_, index) =>
        disk.read(new Uint8Array(512), index * 1024).catch((error: { code: string }) => error.code),
      );
      await until("all are on their way", () => endpoint.exported("disc").faults[0]?.hits === 6);
      const queues = endpoint.inspect().discs.flatMap((disc) => disc.queues);
      const before = barOf(bus, queues);
      const discs = await endpoint.kill();
      expect([...discs.keys()]).toEqual(["disc"]);
      expect(endpoint.closed).toBe(true);
      expect(endpoint.started).toBe(false);
      await expect(endpoint.kill()).rejects.toMatchObject({ code: "ERR_BLOCKPT_STATE" });
      // Neither its registers nor its rings say that it is gone.
      expect(barOf(bus, queues).equals(before)).toBe(true);
      expect(bus.configSpace.read()).toBeDefined();
      expect(await Promise.all(flying)).toEqual(Array(6).fill("ERR_BLOCKPT_OFFLINE"));
      expect(disk.online).toBe(false);

      const log: string[] = [];
      const options = { controller: "44100000.pcie", log: (line: string) => log.push(line) };
      const next = await Endpoint.create(bus, options);
      afterThisTest(() => next.close());
      for (const [name, disc] of discs) await next.exportDisc(name, disc, { queues: 2 });
      await next.start();
      expect(log.join()).toMatch(/taken over/);
      await disk.whenOnline();
      const read = new Uint8Array(4096);
      await disk.read(read, 0);
      expect(Buffer.from(read).equals(pattern(4096, 2))).toBe(true);
    },
  );

  test("does not answer the command that it has", async () => {
    const bus = await createBus({ hostMemoryBytes: 4 * 1024 * 1024 });
    const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
    const disc = await FileDisc.open(makeImage(pattern(BYTES)));
    afterThisTest(() => disc.close());
    await endpoint.exportDisc("disc", disc);
    await endpoint.start();
    await endpoint.setLinkFaults({ commandDelayMs: 200 });
    const words = new Int32Array(bus.buffer, bus.bar.offset);
    const probe = RootComplex.probe(bus, { commandTimeoutMs: 3000 });
    const failed = expect(probe).rejects.toMatchObject({ code: "ERR_BLOCKPT_COMMAND_TIMEOUT" });
    await until("the command is taken", () => {
      return (
        Atomics.load(words, Register.extEnabled / 4) !== 0 &&
        Atomics.load(words, Register.command / 4) === 0
      );
    });
    await endpoint.kill();
    await failed;
  });

  test("cannot be one that is not started", async () => {
    const { endpoint } = await makeEndpoint();
    await expect(endpoint.kill()).rejects.toMatchObject({ code: "ERR_BLOCKPT_STATE" });
  });
});

/** The BAR, but for the words by which sides sleep and are woken: bells, and what a driver that looks masks. */
function barOf(bus: Bus, queues: readonly QueueReport[]): Buffer {
  const bar = Buffer.from(Buffer.from(bus.buffer, bus.bar.offset, bus.bar.length));
  for (const register of [Register.commandBell, Register.commandSleeping, Register.heartbeat]) {
    bar.writeUInt32LE(0, register);
  }
  const { vectors, tableOffset, pendingOffset } = bus.configSpace.read()?.msix ?? NO_MSIX;
  for (let vector = 0; vector < vectors; vector++) {
    bar.writeUInt32LE(0, tableOffset + MSIX_ENTRY_BYTES * vector + MSIX_CONTROL);
  }
  bar.fill(0, pendingOffset, pendingOffset + vectors / 8);
  for (const { placed } of queues) {
    if (placed === undefined) throw new Error("a queue is not placed");
    const { bytes, doorbellOffset } = queueLayout(placed.numDescriptors, { doorbell: true });
    if (!placed.doorbell || doorbellOffset === undefined)
      throw new Error("a queue has no doorbell");
    bar.fill(0, placed.offset + doorbellOffset, placed.offset + bytes);
  }
  return bar;
}
