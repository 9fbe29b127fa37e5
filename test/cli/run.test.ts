// `blockpt run`, as its users run it: discs, commands beside it, signals, and what is left.

import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseDiscOption } from "../../ts/cli/run/disc-option.js";
import { parseSize, printSize } from "../../ts/cli/sizes.js";
import { eventsIn, isAlive, Place } from "./command-line.js";

const RAM = ["--disc", "ram0=memory:1M"];
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

describe("discs", () => {
  test("are exported, attached and shown as lsblk does, and the console's lines before", async () => {
    await writeFile(place.path("a,b.img"), new Uint8Array(8 * 512));
    const discs = ["--disc", "nvme0=a,,b.img,ro,name=/dev/nvme0n1", ...RAM];
    const running = place.start(["run", ...discs]);
    const stdout = await running.printed("Ctrl-C");
    const lines = stdout.split("\n");
    for (const line of [
      "pci-remote-disk 0001:01:00.0: Found /dev/nvme0n1",
      "pci-remote-disk 0001:01:00.0: /dev/ram0 capacity 0x800",
      "NAME           MAJ:MIN RM  SIZE RO TYPE",
      "pci-rd-nvme0n1 259:0    0    4K  1 disk",
      "pci-rd-ram0    259:1    0    1M  0 disk",
      `Control socket: ${place.path("blockpt")}/${running.child.pid}.sock`,
    ]) {
      expect(lines).toContain(line);
    }
    expect(stdout).not.toContain("\u001b");
    running.kill("SIGINT");
    expect(await running.ended).toMatchObject({ exitCode: 130, stderr: "" });
  });

  test("of the largest number have room, each with a queue", async () => {
    const discs = Array.from({ length: 16 }, (_, index) => ["--disc", `d${index}=memory:64K`]);
    const { ready } = await place.startRun(discs.flat());
    expect(ready.disks).toHaveLength(16);
  });

  test("in memory have room, also more than what there is room for by default", async () => {
    const { ready } = await place.startRun(["--disc", "large=memory:1025M", ...RAM]);
    expect(ready.disks[0]).toMatchObject({ name: "/dev/large", sizeBytes: 1025 * 1024 ** 2 });
  });

  test("are on the controller and the engine that are asked for", async () => {
    const options = ["--controller", "epc0", "--engine", "typescript"];
    const { ready } = await place.startRun([...RAM, ...options]);
    expect(ready).toMatchObject({ controller: "epc0", engine: "typescript" });
  });
});

describe("a config file", () => {
  test.each([
    { says: "no remote_disks: all", remote: "", attached: ["/dev/a", "/dev/b", "/dev/ram0"] },
    {
      says: "which: these, and those of --disc",
      remote: "remote_disks: { b: { attach: true, local_name: mine } }",
      attached: ["/dev/b", "/dev/ram0"],
    },
  ])("says $says are attached", async ({ remote, attached }) => {
    const file = place.path("disks.yaml");
    await writeFile(
      file,
      `# two discs\nfunctions:\n  f7:\n    discs:\n      a: { disc_name: "memory:64K" }\n` +
        `      b: { disc_name: "memory:64K" }\n${remote}\n`,
    );
    const { ready } = await place.startRun(["--config", file, ...RAM]);
    expect(ready.disks.map(({ name }) => name)).toEqual(attached);
    if (remote !== "") expect(ready.disks[0]?.localName).toBe("mine");
  });

  test("that is JSON, and comes from standard input, will do", async () => {
    const document = {
      bus: { iommu: true, host_memory_bytes: "16M" },
      functions: { func1: { vendorid: "0x1b36", discs: { a: { disc_name: "memory:64K" } } } },
    };
    const args = ["run", "--config", "-", "--", process.execPath, "-e", ""];
    const { exitCode, stderr } = await place.run(args, {}, JSON.stringify(document, null, "\t"));
    expect(stderr).toContain("pci-rd-a");
    expect(exitCode).toBe(0);
  });

  test("whose disc is not there leaves nothing, and names the line and the file of the disc", async () => {
    const file = place.path("disks.yaml");
    await writeFile(file, "functions:\n  f:\n    discs:\n      a:\n        disc_name: no.img\n");
    const { exitCode, stderr, stdout } = await place.run(["run", "--json", "--config", file]);
    expect(stderr).toMatch(
      /^blockpt: ENOENT: [^\n]*disks.yaml:4:7: functions.f.discs.a: [^\n]*\n$/,
    );
    expect(stderr).toContain(`'${place.path("no.img")}'`);
    expect(stdout).not.toContain("ready");
    expect(exitCode).toBe(1);
    expect(await place.sockets()).toEqual([]);
  });
});

describe("a command", () => {
  const node = (script: string): string[] => ["--", process.execPath, "-e", script];

  test.each([
    { how: "its exit code", script: "process.exit(7)", exitCode: 7 },
    { how: "0", script: "", exitCode: 0 },
    { how: "128 and its signal", script: "process.kill(process.pid, 'SIGKILL')", exitCode: 137 },
  ])("ends it with $how", async ({ script, exitCode }) => {
    expect((await place.run(["run", ...RAM, ...node(script)])).exitCode).toBe(exitCode);
    expect(await place.sockets()).toEqual([]);
  });

  test.each([
    { what: "not there", file: "no-such-command", exitCode: 127, why: "no such command" },
    { what: "not to be run", file: "./file", exitCode: 126, why: "it may not be run" },
  ])("that is $what ends it with $exitCode", async ({ file, exitCode, why }) => {
    await writeFile(place.path("file"), "", { mode: 0o644 });
    const { stderr, ...ended } = await place.run(["run", ...RAM, "--json", "--", file]);
    expect(stderr).toBe(`blockpt: ERR_RUN_COMMAND: ${file} cannot be started: ${why}\n`);
    expect(ended.exitCode).toBe(exitCode);
    expect(eventsIn(ended.stdout).at(-1)).toEqual({ event: "stopped" });
    expect(await place.sockets()).toEqual([]);
  });

  test("has stdout for itself, and the socket in its environment", async () => {
    const script = "console.log(process.env.BLOCKPT_SOCKET)";
    const { stdout, stderr } = await place.run(["run", ...RAM, "--socket", "my", ...node(script)]);
    expect(stdout).toBe(`${place.path("my")}\n`);
    expect(stderr).toContain("pci-rd-ram0");
  });

  test("with --json writes to stderr: stdout has the events alone", async () => {
    const args = ["run", "--json", ...RAM, ...node("console.log('said')")];
    const { stdout, stderr } = await place.run(args);
    expect(stderr).toBe("said\n");
    const events = eventsIn(stdout).map(({ event }) => event);
    expect([...new Set(events)]).toEqual(["log", "ready", "stopped"]);
  });

  test("gets the signal that ends it, and is waited for", async () => {
    const script =
      "process.on('SIGINT', () => { console.log('got it'); process.exit(3); });" +
      "setInterval(() => {}, 1000); console.log('pid', process.pid)";
    const running = place.start(["run", ...RAM, ...node(script)]);
    const stdout = await running.printed("pid");
    running.kill("SIGINT");
    const ended = await running.ended;
    expect(ended.exitCode).toBe(130);
    expect(ended.stdout).toContain("got it");
    expect(isAlive(Number(/pid (\d+)/.exec(stdout)?.[1]))).toBe(false);
    expect(await place.sockets()).toEqual([]);
  });
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s detaches, stops, removes the socket and exits %i", async (signal, exitCode) => {
  const running = await place.startRun(RAM);
  expect(await place.sockets()).toEqual([`${running.ready.pid}.sock`]);
  running.kill(signal);
  const ended = await running.ended;
  expect(ended).toMatchObject({ exitCode, stderr: "" });
  expect(eventsIn(ended.stdout).at(-1)).toEqual({ event: "stopped" });
  expect(await place.sockets()).toEqual([]);
});

test.each(["Found 8 devices", "d6: Setting queue", "d7: Setting queue"])(
  "a signal while it starts, at %j, leaves no socket and no command",
  async (line) => {
    const discs = Array.from({ length: 8 }, (_, n) => ["--disc", `d${n}=memory:64K`]).flat();
    // Longer than a test lasts: it has our stdout, which does not end before it.
    const command = ["--", process.execPath, "-e", "setTimeout(() => {}, 60_000)"];
    for (const rest of [[], command]) {
      const running = place.start(["run", "--json", ...discs, ...rest]);
      await running.printed(line);
      running.kill("SIGTERM");
      expect(await running.ended).toMatchObject({ exitCode: 143, stderr: "" });
      expect(await place.sockets()).toEqual([]);
    }
  },
);

describe("what cannot be understood exits 2 with one line", () => {
  test.each([
    [["--disc", "a"], "NAME=PATH"],
    [["--disc", "a=b,readonly"], "ro, queues, partition, name or fault may stand there"],
    [["--disc", "a=x", "--disc", "a=y"], "There is a disc a already"],
    [["--engine", "rust"], "Allowed choices are auto, wasm, typescript"],
    [["disks.yaml"], "a config file behind --config: what is disks.yaml"],
    [["disks.yaml", "--", "true"], "what is disks.yaml"],
  ])("%j", async (args, complaint) => {
    const { exitCode, stdout, stderr } = await place.run(["run", ...args]);
    expect(stderr).toMatch(/^blockpt: ERR_USAGE: [^\n]*; see blockpt --help\n$/);
    expect(stderr).toContain(complaint);
    expect(stdout).toBe("");
    expect(exitCode).toBe(2);
  });
});

test.each(["run", "dump", "apply", "inspect", "copy", "completion"])(
  "%s --help shows examples and exit codes",
  async (command) => {
    const { exitCode, stdout, stderr } = await place.run([command, "--help"]);
    expect(stdout).toContain(`Examples:\n  $ blockpt ${command}`);
    expect(stdout).toContain("Exit codes:\n  0 ");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  },
);

describe("--disc", () => {
  test.each([
    ["a=b", "a", { disc_name: "b" }],
    ["a=/x,,y,,,ro", "a", { disc_name: "/x,y,", read_only: true }],
    ["a=b=c,queues=255", "a", { disc_name: "b=c", max_number_of_queues: 255 }],
    ["a=b,partition=2", "a", { disc_name: "b", partition: 2 }],
    ["a=b,partition=1234abcd-01", "a", { disc_name: "b", partition: "1234abcd-01" }],
    ["a=b,name=x,,=y,ro", "a", { disc_name: "b", export_name: "x,=y", read_only: true }],
    ["a=memory:64M", "a", { disc_name: "memory:64M" }],
  ])("%s", (text, name, disc) => {
    expect(parseDiscOption(text)).toEqual({ name, label: `--disc ${name}`, disc });
  });

  test.each([
    ["", "NAME=PATH"],
    ["a", "NAME=PATH"],
    ["=b", '"" is no name'],
    ["a/b=c", '"a/b" is no name'],
    ["..=c", '".." is no name'],
    ["a=", "A path, memory:SIZE, an NBD URI or a URL is wanted behind a="],
    ["a=b,", '"" is no option of a disc'],
    ["a=b,rw", "a comma in a path is written ,,"],
    ["a=b,ro=1", 'ro is wanted, not "ro=1"'],
    ["a=b,name=", 'name=EXPORT_NAME is wanted, not "name="'],
    ["a=b,queue=2", "queues may stand there"],
    ["a=b,queues=0", "from 1 to 255"],
    ["a=b,queues=256", "from 1 to 255"],
    ["a=b,queues=2x", "from 1 to 255"],
    ["a=b,name", 'not "name"'],
    ["a=b,partition", "from 1 on"],
    ["a=b,partition=0", "from 1 on"],
    ["a=b,partition=x", "or a UUID"],
    ["a=b,ro,ro", "ro stands there twice"],
  ])("%j is refused", (text, complaint) => {
    expect(() => parseDiscOption(text)).toThrow(complaint);
  });
});

describe("sizes", () => {
  test.each([
    ["0", 0],
    ["512", 512],
    ["7b", 7],
    ["1k", 1024],
    ["64M", 64 * 1024 ** 2],
    ["64MiB", 64 * 1024 ** 2],
    ["64mb", 64 * 1024 ** 2],
    ["2G", 2 * 1024 ** 3],
    ["", undefined],
    ["M", undefined],
    ["-1", undefined],
    ["1.5M", undefined],
    ["1T", 1024 ** 4],
    ["1P", undefined],
    ["0x10", undefined],
    ["9007199254740993", undefined],
    ["9007199254740991K", undefined],
  ])("%j", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each([
    [0, "0"],
    [7, "7"],
    [1536, "1536"],
    [65536, "64K"],
    [1024 ** 3, "1G"],
    [1025 * 1024 ** 2, "1025M"],
  ])("%i is printed as %s, which is the same", (bytes, text) => {
    expect(printSize(bytes)).toBe(text);
    expect(parseSize(text)).toBe(bytes);
  });
});
