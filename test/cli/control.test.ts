// The control socket, and the commands that use it: dump, apply, and how they find the process.

import { once } from "node:events";
import { chmod, mkdir, stat, symlink, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Place } from "./command-line.js";

const RAM = ["--disc", "ram0=memory:1M"];
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

async function open(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, "connect");
  return socket;
}

/** Sends some bytes, says that there are no more, and gives the lines that come back. */
async function exchange(path: string, bytes: string | Uint8Array): Promise<unknown[]> {
  const socket = await open(path);
  socket.on("error", () => {});
  socket.end(bytes);
  const lines = (await textOf(socket)).split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

describe("dump and apply", () => {
  test("what is dumped is run again, and dumped as the same", async () => {
    await writeFile(place.path("disk.img"), new Uint8Array(64 * 512));
    const discs = ["--disc", "nvme0=disk.img,ro,queues=2,name=/dev/nvme0n1", ...RAM];
    const first = await place.startRun([...discs, "--engine", "typescript"]);
    const dumped = await place.run(["dump"]);
    expect(dumped).toMatchObject({ exitCode: 0, stderr: "" });
    expect(dumped.stdout).toContain("    vendorid: 0x0000\n    deviceid: 0xc402\n");
    await place.endAll();

    await writeFile(place.path("f.yaml"), dumped.stdout);
    const { ready } = await place.startRun(["--config", "f.yaml"]);
    expect(ready.disks).toEqual(first.ready.disks);
    expect((await place.run(["dump"])).stdout).toBe(dumped.stdout);
    const asJson = await place.run(["dump", "--json"]);
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      bus: { engine: "typescript", bar_bytes: 512 * 1024 },
      functions: {
        func1: {
          deviceid: 0xc402,
          discs: {
            nvme0: {
              disc_name: place.path("disk.img"),
              export_name: "/dev/nvme0n1",
              read_only: true,
              max_number_of_queues: 2,
            },
          },
        },
      },
      remote_disks: { ram0: { attach: true, local_name: "pci-rd-ram0" } },
    });
    // JSON is a config file, too.
    const applied = await place.run(["apply", "-"], {}, asJson.stdout);
    expect(applied).toEqual({ exitCode: 0, stdout: "nothing to change\n", stderr: "" });
  });

  test("a file that is applied changes what it names, and the second time nothing", async () => {
    await place.startRun(RAM);
    const file = "functions: { func1: { discs: { new: { disc_name: memory:2M } } } }\n";
    const remote = "remote_disks: { ram0: { attach: false }, new: { attach: true } }\n";
    await writeFile(place.path("f.yaml"), file + remote);
    const first = await place.run(["apply", "f.yaml"]);
    expect(first).toEqual({
      exitCode: 0,
      stderr: "",
      stdout:
        "changed /sys/kernel/config/pci_ep/functions/pci_epf_blockpt/func1/new\n" +
        "changed /sys/kernel/config/pci_ep/functions/pci_epf_blockpt/func1/new\n" +
        "changed /sys/kernel/config/pci_remote_disk/ram0/attach\n" +
        "changed /sys/kernel/config/pci_remote_disk/new/attach\n",
    });
    expect((await place.run(["apply", "f.yaml"])).stdout).toBe("nothing to change\n");
    const again = await place.run(["apply", "f.yaml", "--json"]);
    expect(JSON.parse(again.stdout)).toEqual({ changed: [] });
    const { remote_disks } = parse((await place.run(["dump"])).stdout);
    expect(remote_disks).toEqual({
      ram0: { local_name: "pci-rd-ram0", attach: false },
      new: { local_name: "pci-rd-new", attach: true },
    });
  });

  test("a disc that failed is dumped as one of nothing, which can be applied and run", async () => {
    await place.startRun(RAM);
    await writeFile(
      place.path("bad.yaml"),
      "functions: { func1: { discs: { bad: { disc_name: no.img } } } }",
    );
    expect((await place.run(["apply", "bad.yaml"])).exitCode).toBe(1);
    const { stdout } = await place.run(["dump"]);
    expect(stdout).toContain('disc_name: ""\n');
    await writeFile(place.path("f.yaml"), stdout);
    expect(await place.run(["apply", "f.yaml"])).toMatchObject({ stdout: "nothing to change\n" });
    await place.endAll();
    await place.startRun(["--config", "f.yaml"]);
    expect((await place.run(["dump"])).stdout).toBe(stdout);
  });

  test("an empty process is there to be applied to", async () => {
    const { ready } = await place.startRun([]);
    expect(ready.disks).toEqual([]);
    await writeFile(
      place.path("f.yaml"),
      `functions: { f: { discs: { a: { disc_name: memory:1M } } } }
controllers: { 44100000.pcie: { function: f, start: true } }
remote_disks: { a: { attach: true } }`,
    );
    expect((await place.run(["apply", "f.yaml"])).exitCode).toBe(0);
    const { stdout } = await place.run(["inspect", "--json"]);
    expect(JSON.parse(stdout).disks).toMatchObject([{ name: "/dev/a", localName: "pci-rd-a" }]);
  });

  test.each([
    {
      what: "a disc that is attached",
      file: "functions:\n  func1:\n    discs:\n      ram0: { disc_name: memory:2M }\n",
      complaint: /^blockpt: EBUSY: f\.yaml:4:7: functions\.func1\.discs\.ram0: .*attached.*\n$/,
    },
    {
      what: "the bus",
      file: "bus:\n  bar_bytes: 1M\n",
      complaint: /^blockpt: ERR_CONFIG: f\.yaml:2:14: bus\.bar_bytes: it is 524288, .*\n$/,
    },
    {
      what: "another controller",
      file: "controllers: { x: { start: true } }",
      complaint: /^blockpt: ENOENT: f\.yaml:1:16: controllers\.x: .*\n$/,
    },
  ])("$what cannot be changed, and the place in the file is told", async ({ file, complaint }) => {
    await place.startRun(RAM);
    await writeFile(place.path("f.yaml"), file);
    const { exitCode, stdout, stderr } = await place.run(["apply", "f.yaml"]);
    expect(stderr).toMatch(complaint);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  });
});

describe("the process is found", () => {
  test("if none runs, the error says what to do", async () => {
    expect(await place.run(["dump"])).toEqual({
      exitCode: 1,
      stdout: "",
      stderr:
        "blockpt: ERR_CONTROL_NOT_RUNNING: no blockpt runs: start one with blockpt run, or say --socket PATH\n",
    });
  });

  test("if several run, by --socket or BLOCKPT_SOCKET; else they are listed", async () => {
    const [one, other] = await Promise.all([
      place.startRun(["--disc", "one=memory:1M"]),
      place.startRun(["--disc", "other=memory:1M"]),
    ]);
    const { exitCode, stderr } = await place.run(["inspect"]);
    expect(stderr).toMatch(/^blockpt: ERR_CONTROL_SEVERAL: 2 processes run: [^\n]*\n$/);
    for (const { ready } of [one, other]) {
      expect(stderr).toContain(`${ready.socket} (pid ${ready.pid})`);
    }
    expect(exitCode).toBe(1);
    const named = await place.run(["inspect", "--json", "--socket", one.ready.socket]);
    expect(JSON.parse(named.stdout).pid).toBe(one.ready.pid);
    const env = { BLOCKPT_SOCKET: other.ready.socket };
    expect(JSON.parse((await place.run(["inspect", "--json"], env)).stdout).pid).toBe(
      other.ready.pid,
    );
  });

  test("and what a killed one left is neither found nor kept", async () => {
    const killed = await place.startRun(RAM);
    killed.kill("SIGKILL");
    await killed.ended;
    expect(await place.sockets()).toEqual([`${killed.ready.pid}.sock`]);
    const named = await place.run(["dump", "--socket", killed.ready.socket]);
    expect(named.stderr).toContain("nobody listens there; blockpt run starts one");
    const { ready } = await place.startRun(RAM);
    const { stdout } = await place.run(["inspect", "--json"]);
    expect(JSON.parse(stdout).pid).toBe(ready.pid);
    expect(await place.sockets()).toEqual([`${ready.pid}.sock`]);
  });

  test("a process that is no blockpt and answers nonsense is an error", async () => {
    const server = createServer((socket) => socket.end("hello\n"));
    server.listen(place.path("s"));
    await once(server, "listening");
    const { exitCode, stderr } = await place.run(["inspect", "--socket", "s"]);
    expect(stderr).toMatch(/^blockpt: ERR_CONTROL_ANSWER: [^\n]*\n$/);
    expect(exitCode).toBe(1);
    server.close();
  });
});

describe("the socket", () => {
  test("and its directory are for their user alone", async () => {
    const { ready } = await place.startRun(RAM);
    expect((await stat(ready.socket)).mode & 0o777).toBe(0o600);
    expect((await stat(place.path("blockpt"))).mode & 0o777).toBe(0o700);
  });

  test("without XDG_RUNTIME_DIR is in the temporary directory", async () => {
    const env = { XDG_RUNTIME_DIR: undefined, TMPDIR: place.directory };
    const running = place.start(["run", "--json", ...RAM], env);
    await running.printed(`"socket":"${place.path(`blockpt-${process.getuid?.()}`)}/`);
    const { stdout } = await place.run(["inspect", "--json"], env);
    expect(JSON.parse(stdout).pid).toBe(running.child.pid);
  });

  test("that somebody listens on is not taken; one that a dead process left is", async () => {
    const first = await place.startRun([...RAM, "--socket", "s"]);
    const second = await place.run(["run", ...RAM, "--socket", "s"]);
    expect(second.stderr).toMatch(/ERR_CONTROL_SOCKET: another process listens on .* already\n$/);
    expect(second.exitCode).toBe(1);
    first.kill("SIGKILL");
    await first.ended;
    const third = await place.startRun([...RAM, "--socket", "s"]);
    expect(third.ready.socket).toBe(place.path("s"));
  });

  test.each([
    { what: "a file", name: "file", complaint: "is there, and is no socket" },
    { what: "too long", name: "x".repeat(108), complaint: "a path of a socket has at most 10" },
    { what: "in no directory", name: "no/s", complaint: "cannot listen on" },
  ])("whose path is $what is refused, and nothing is left", async ({ name, complaint }) => {
    await writeFile(place.path("file"), "kept");
    const { exitCode, stderr } = await place.run(["run", ...RAM, "--socket", name, "--json"]);
    expect(stderr).toMatch(/^blockpt: ERR_CONTROL_SOCKET: [^\n]*\n$/);
    expect(stderr).toContain(complaint);
    expect(exitCode).toBe(1);
    expect((await stat(place.path("file"))).size).toBe(4);
  });

  test.each(["open to others", "a link"])("in a directory that is %s is refused", async (how) => {
    await mkdir(place.path("elsewhere"), { mode: 0o700 });
    if (how === "a link") await symlink("elsewhere", place.path("blockpt"));
    else await mkdir(place.path("blockpt")).then(() => chmod(place.path("blockpt"), 0o755));
    const { exitCode, stderr } = await place.run(["run", ...RAM]);
    expect(stderr).toMatch(/^blockpt: ERR_CONTROL_SOCKET: .*nobody else may enter.*\n$/);
    expect(exitCode).toBe(1);
  });
});

describe("whatever comes from a client", () => {
  const refused = (message: string) => ({
    ok: false,
    error: { code: "ERR_CONTROL_REQUEST", message: expect.stringContaining(message) },
  });

  test.each([
    { what: "no JSON", line: "hello", message: "a request is a line of JSON" },
    { what: "an empty line", line: "", message: "a request is a line of JSON" },
    { what: "no object", line: "5", message: "a request is an object" },
    { what: "null", line: "null", message: "a request is an object" },
    { what: "a list", line: "[]", message: "inspect, dump or apply" },
    { what: "unknown", line: '{"request":"toString"}', message: "inspect, dump or apply" },
  ])("$what is answered with an error, and the next request is served", async (bad) => {
    const { ready } = await place.startRun(RAM);
    const answers = await exchange(ready.socket, `${bad.line}\n{"request":"inspect"}\n`);
    expect(answers).toEqual([
      refused(bad.message),
      { ok: true, result: expect.objectContaining({ pid: ready.pid }) },
    ]);
  });

  test("documents are checked as files are, and change nothing", async () => {
    const { ready } = await place.startRun(RAM);
    const before = (await place.run(["dump"])).stdout;
    const documents = [
      '{"functions":{"f":{"vendorid":"x"}}}',
      '{"functions":{"__proto__":{}}}',
      '{"remote_disks":{"ram0":{"attach":1}}}',
      "[]",
      '"text"',
    ];
    for (const document of documents) {
      const line = `{"request":"apply","document":${document}}\n`;
      expect(await exchange(ready.socket, line)).toEqual([
        { ok: false, error: { code: "ERR_CONFIG", message: expect.any(String) } },
      ]);
    }
    expect((await place.run(["dump"])).stdout).toBe(before);
  });

  test("too long a line ends that connection, and no other", async () => {
    const { ready } = await place.startRun(RAM);
    expect(await exchange(ready.socket, "x".repeat(1024 * 1024 + 1))).toEqual([
      refused("at most 1048576 bytes"),
    ]);
    expect((await place.run(["inspect"])).exitCode).toBe(0);
  });

  test("those that stall, vanish or send rubbish harm nobody, and keep nothing from ending", async () => {
    const running = await place.startRun(RAM);
    const { socket } = running.ready;
    const stalling = await Promise.all(Array.from({ length: 50 }, () => open(socket)));
    for (const each of stalling) each.on("error", () => {}).write('{"request":');
    for (let round = 0; round < 20; round++) {
      const vanishing = await open(socket);
      vanishing.on("error", () => {});
      vanishing.write('{"request":"inspect"}\n'.repeat(200));
      vanishing.destroy();
    }
    const rubbish = await exchange(
      socket,
      Uint8Array.from({ length: 999 }, (_, at) => at % 256),
    );
    expect(rubbish.length).toBeGreaterThan(0);
    // Takes none of its many answers.
    const greedy = await open(socket);
    greedy.on("error", () => {}).pause();
    greedy.write('{"request":"inspect"}\n'.repeat(5000));
    expect((await place.run(["inspect"])).exitCode).toBe(0);
    running.kill("SIGTERM");
    expect(await running.ended).toMatchObject({ exitCode: 143, stderr: "" });
    for (const each of [...stalling, greedy]) each.destroy();
  });

  test("requests of one turn are answered in their order, and half a connection is enough", async () => {
    const { ready } = await place.startRun(RAM);
    const answers = await exchange(
      ready.socket,
      '{"request":"dump"}\n{"request":"nothing"}\n{"request":"apply","document":{}}',
    );
    expect(answers).toMatchObject([
      { ok: true, result: { bus: {} } },
      { ok: false },
      { ok: true, result: { changed: [] } },
    ]);
  });
});
