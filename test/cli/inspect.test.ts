// `blockpt inspect`: registers by name, queues and what is on them, rates, and a page that is redrawn.

import { createBus, Endpoint, MemoryDisc, type QueueStatistics, RootComplex } from "blockpt";
import picocolors from "picocolors";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { MachineReport } from "../../ts/cli/control/protocol.js";
import { ratesOf } from "../../ts/cli/inspect/rates.js";
import { reportLines } from "../../ts/cli/inspect/show.js";
import { decodeRegisters, printable } from "../../ts/view/registers.js";
import { CLI, Place, until } from "./command-line.js";
import { NO_TERMINAL, openTerminal } from "./terminal.js";

const RAM = ["--disc", "ram0=memory:1M,ro"];
const PLAIN = picocolors.createColors(false);
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

/** The columns of the line of a table that begins so. */
function cells(text: string, beginning: RegExp): string[] {
  const line = text.split("\n").find((each) => beginning.test(each.trim()));
  return line?.trim().split(/ {2,}/) ?? [];
}

/** What happens on a bus of this process, reported as a running blockpt reports it. */
async function machine(use: (report: () => MachineReport, rc: RootComplex) => Promise<void>) {
  const bus = await createBus();
  const endpoint = await Endpoint.create(bus, { controller: "epc" });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  let atMs = 0;
  const report = (): MachineReport => {
    atMs += 2000;
    const inspected = JSON.parse(JSON.stringify(endpoint.inspect()));
    return { pid: 1, atMs, engine: "wasm", controller: "epc", endpoint: inspected, disks: [] };
  };
  try {
    await use(report, rc);
  } finally {
    await rc.close();
    await endpoint.close();
    bus.close();
  }
}

/** What the only queue has done, to the last round of its worker. */
function statisticsIn({ endpoint }: MachineReport): QueueStatistics | undefined {
  return endpoint?.discs[0]?.queues[0]?.statistics;
}

describe("blockpt inspect", () => {
  test("shows registers by name, what they mean, and a table of everything else", async () => {
    await place.startRun([...RAM, "--disc", "nvme0=memory:64K,name=/dev/nvme0n1"]);
    const { exitCode, stdout, stderr } = await place.run(["inspect"], { FORCE_COLOR: "1" });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toMatch(
      /^pid \d+, controller 44100000.pcie, engine wasm, link up, generation 1\n/,
    );
    expect(cells(stdout, /^0x000 /)).toEqual(["0x000", "magic", "0x636f6e74", "ok"]);
    expect(cells(stdout, /^0x004 /)).toEqual([
      "0x004",
      "command",
      "0x00000000",
      "none to be taken",
    ]);
    expect(cells(stdout, /^0x040 /).slice(1)).toEqual([
      "dev_name",
      '"/dev/ram0;/dev/nvme0n1;"',
      "2 discs",
    ]);
    expect(cells(stdout, /^0x444 /).slice(1, 3)).toEqual(["ext_magic", "0x78656270"]);
    expect(cells(stdout, /^0x450 /).at(-1)).toContain("DOORBELL FLUSH");
    expect(cells(stdout, /^ram0 +\/dev/)).toEqual([
      ...["ram0", "/dev/ram0", "memory", "1M", "512", "1", "1", "pci-rd-ram0"],
      "doorbell flush discard write_zeroes fua",
    ]);
    expect(cells(stdout, /^ram0 +0 /)).toEqual([
      "ram0",
      "0",
      "1",
      "0x480",
      "1024",
      "0",
      "0",
      "0",
      "yes",
    ]);
    expect(cells(stdout, /^ram0 +total/)[1]).toBe("total");
    expect(cells(stdout, /^1 .*queue 0$/).at(-1)).toBe("ram0 queue 0");
  });

  test("--json prints the report as one document", async () => {
    const { ready } = await place.startRun(RAM);
    const { exitCode, stdout, stderr } = await place.run(["inspect", "--json"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      pid: ready.pid,
      engine: "wasm",
      disks: [{ localName: "pci-rd-ram0" }],
      endpoint: {
        started: true,
        registers: { magic: 0x636f6e74, extension: { generation: 1 } },
        discs: [{ name: "ram0", attached: true, queues: [{ placed: { numDescriptors: 1024 } }] }],
      },
    });
  });

  test("says it where no function is bound", async () => {
    await place.startRun([]);
    expect((await place.run(["inspect"])).stdout).toMatch(
      /link down\n\nNo function is bound to the controller\.\n$/,
    );
  });

  test.each([["0"], ["soon"], ["1e9"]])("--watch %s exits 2", async (seconds) => {
    const { exitCode, stderr } = await place.run(["inspect", "--watch", seconds]);
    expect(stderr).toContain("A number from 0.1 to 86400 is wanted;");
    expect(exitCode).toBe(2);
  });
});

describe("--watch on a pipe", () => {
  test("prints one report after another, with rates from the second on", async () => {
    await place.startRun(RAM);
    const watching = place.start(["inspect", "--watch", "0.1"]);
    const stdout = await watching.printed("per s");
    watching.kill("SIGINT");
    expect(await watching.ended).toMatchObject({ exitCode: 130, stderr: "" });
    expect(stdout).not.toContain("\u001b");
    const [first = "", second = ""] = stdout.split(/^(?=pid )/m);
    expect(first).not.toContain("per s");
    expect(cells(second, /^ram0 +per s/)).toHaveLength(10);
  });

  test("prints a document a line with --json, until the process ends", async () => {
    const running = await place.startRun(RAM);
    const watching = place.start(["inspect", "--watch", "0.1", "--json"]);
    let stdout = "";
    watching.child.stdout?.on("data", (data) => {
      stdout += data;
    });
    await until(() => stdout.split("\n").length > 3);
    running.kill("SIGTERM");
    const ended = await watching.ended;
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toMatch(/^blockpt: ERR_CONTROL_[^\n]*\n$/);
    const reports = ended.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const times = reports.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
    expect(new Set(reports.map(({ pid }) => pid))).toEqual(new Set([running.ready.pid]));
  });
});

describe("--watch on a terminal", () => {
  test("redraws in place; Ctrl-C gives back what was there before", async ({ skip }) => {
    const { ready } = await place.startRun(RAM);
    const terminal = await openTerminal(place, { columns: 100, rows: 70 });
    if (terminal === undefined) return skip(NO_TERMINAL);
    const modes = (): Promise<string> =>
      terminal.state("#{alternate_on} #{cursor_flag} #{wrap_flag}");
    try {
      const command = `'${process.execPath}' '${CLI}' inspect --socket '${ready.socket}' --watch 0.1`;
      await terminal.type("echo here be''fore", "Enter");
      await terminal.shows("here before");
      await terminal.type(`${command}; echo co''de $?`, "Enter");
      const first = await terminal.shows("max_len");
      expect(await modes()).toBe("1 0 0");
      expect(first).not.toContain("here before");
      const heartbeat = (text: string): string | undefined => cells(text, /heartbeat/)[2];
      await until(async () => {
        const now = heartbeat(await terminal.screen());
        return now !== undefined && now !== heartbeat(first);
      });
      // In place: the page is there once, and begins where it began.
      const second = await terminal.screen();
      expect(second.match(/^pid /gm)).toHaveLength(1);
      expect(second.startsWith("pid ")).toBe(true);

      await terminal.resize(60, 12);
      const small = (await terminal.shows("more lines")).trimEnd().split("\n");
      expect(small).toHaveLength(12);
      expect(small[0]).toMatch(/^pid /);

      await terminal.type("C-c");
      const after = await terminal.shows("code 130");
      expect(await modes()).toBe("0 1 1");
      expect(after).toContain("here before");
      expect(after).not.toContain("Registers");
    } finally {
      await terminal.close();
    }
  });
});

describe("a report", () => {
  test("has the descriptors in flight, by operation, status and flags", async () => {
    await machine(async (report, rc) => {
      const disk = await rc.attach("ram0", { numDescriptors: 16 });
      await disk.write(new Uint8Array(4096), 0);
      // Counted behind the answer: the worker's round may still go on.
      await until(() => statisticsIn(report())?.bytesWritten === 4096);
      const seen = report();
      const queue = seen.endpoint?.discs[0]?.queues[0];
      if (queue?.rings === undefined) throw new Error("the queue is placed");
      // As a busy queue would say it; on a memory disc nothing stays in flight.
      queue.rings.descriptors.push(
        {
          index: 3,
          operation: "write",
          opf: 1,
          startSector: 8,
          address: 4096,
          lenBytes: 512,
          status: 0,
          flags: 6,
        },
        {
          index: 4,
          operation: "unknown",
          opf: 77,
          startSector: 0,
          address: 0,
          lenBytes: 0,
          status: 99,
          flags: 130,
        },
      );
      queue.rings.inFlight = undefined;
      queue.rings.moreDescriptors = 5;
      const text = reportLines(seen, undefined, PLAIN).join("\n");
      expect(cells(text, /^ram0 +0 +3 /)).toEqual([
        "ram0",
        "0",
        "3",
        "write",
        "8",
        "0x1000",
        "512",
        "OK",
        "IN_USE FUA",
      ]);
      expect(cells(text, /^ram0 +0 +4 /).slice(3)).toEqual([
        "0x4d",
        "0",
        "0x0",
        "0",
        "0x63",
        "IN_USE 0x80",
      ]);
      expect(text).toContain("and 5 more");
      expect(text).toContain("out of range");
      expect(cells(text, /^ram0 +total/).slice(2)).toEqual([
        "0",
        "1",
        "0",
        "0",
        "0B",
        "4K",
        "0",
        expect.any(String),
      ]);
    });
  });

  test("has rates of the time between it and the one before, not of a disc that was made anew", async () => {
    await machine(async (report, rc) => {
      const disk = await rc.attach("ram0");
      const before = report();
      for (let count = 0; count < 10; count++) await disk.read(new Uint8Array(512), 0);
      await until(() => statisticsIn(report())?.bytesRead === 5120);
      const after = { ...report(), atMs: before.atMs + 2000 };
      expect(ratesOf(before, after).get("ram0")).toMatchObject({ reads: 5, bytesRead: 2560 });
      expect(ratesOf(after, { ...before, atMs: after.atMs + 1000 }).size).toBe(0);
      expect(ratesOf(before, { ...after, pid: 2 }).size).toBe(0);
      const text = reportLines(after, before, PLAIN).join("\n");
      expect(cells(text, /^ram0 +per s/).slice(1, 3)).toEqual(["per s", "5"]);
    });
  });

  test("of registers that the other side wrote rubbish into shows them, and obeys nothing in them", async () => {
    await machine(async (report) => {
      const registers = report().endpoint?.registers;
      if (registers === undefined) throw new Error("the endpoint is there");
      const rubbish = { command: 0x80000040, status: 0x300, devIdx: 9, magic: 1, irq: 0 };
      const devName = `\u001b[2J;${"x".repeat(100)}`;
      const decoded = decodeRegisters({ ...registers, ...rubbish, devName });
      const meaning = (name: string) => decoded.find((each) => each.name === name)?.meaning;
      expect(meaning("command")).toBe("SET_QUEUE 0x80000000");
      expect(meaning("status")).toBe("ERROR QUEUE_ADDRESS_INVALID");
      expect(meaning("dev_idx")).toBe("no such disc");
      expect(meaning("magic")).toMatch(/^not the magic/);
      expect(meaning("irq")).toBe("no vector");
      expect(JSON.stringify(decoded)).not.toContain("u001b");
      expect(decoded.find(({ name }) => name === "dev_name")?.value).toMatch(
        /^"\\x1b\[2J;x+\.\.\."$/,
      );
    });
  });

  test("text is shown without controls", () => {
    expect(printable("a\u0007\u009b;é")).toBe("a\\x07\\x9b;é");
  });
});
