// `blockpt serve` and `blockpt run --nbd`, as their users run them: what they say, refuse, and leave.

import { existsSync } from "node:fs";
import { lstat, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { parseNbdUri } from "blockpt/nbd";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseServedDisc } from "../../ts/cli/run/disc-option.js";
import { Option } from "../../ts/nbd/protocol.js";
import { afterThisTest } from "../api/rig.js";
import { expectWell, RawClient } from "../nbd/raw-client.js";
import { startRunWithServer, startServer } from "../nbd/server-rig.js";
import { eventsIn, isAlive, Place } from "./command-line.js";

const RAM = "ram0=memory:1M";
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

const unix = (name = "nbd.sock"): string => `nbd+unix:///?socket=${place.path(name)}`;
const serveUnix = (...args: string[]): string[] => ["serve", "--listen", unix(), ...args];
const node = (script: string): string[] => ["--", process.execPath, "-e", script];

/** The names that a server lists. */
async function namesOf(at: string | number): Promise<string[]> {
  const client = await RawClient.connect(at);
  await client.greet();
  const { before } = await client.ask(Option.LIST);
  client.destroy();
  return before.map(({ data }) => data.toString("utf8", 4, 4 + data.readUInt32BE()));
}

describe("what it says", () => {
  test("in text: the disks, an URI for each of them, and how it ends", async () => {
    await writeFile(place.path("disk.img"), new Uint8Array(8 * 512));
    const running = place.start(serveUnix("disk.img,ro", RAM));
    const stdout = await running.printed("Ctrl-C");
    const lines = stdout.split("\n");
    for (const line of [
      "pci-rd-disk.img 259:0    0    4K  1 disk",
      "pci-rd-ram0     259:1    0    1M  0 disk",
      `NBD: nbd+unix:///disk.img?socket=${place.path("nbd.sock")}`,
      `NBD: nbd+unix:///ram0?socket=${place.path("nbd.sock")}`,
      `Control socket: ${place.path("blockpt")}/${running.child.pid}.sock`,
      "It runs until it is interrupted (Ctrl-C).",
    ]) {
      expect(lines).toContain(line);
    }
    running.kill("SIGINT");
    expect(await running.ended).toMatchObject({ exitCode: 130, stderr: "" });
  });

  test("with --json: each export at each place, with the port that it got", async () => {
    const listen = ["--listen", "nbd://localhost:0", "--listen", unix()];
    const running = place.start(["serve", "--json", ...listen, RAM, "b=memory:64K"]);
    const stdout = await running.printed(/"ready".*\n/);
    const events = eventsIn(stdout);
    const { nbd } = events.at(-1) as unknown as { nbd: { name: string; uri: string }[] };
    expect(nbd.map(({ name, uri }) => [name, uri.replace(/:\d+\//, ":N/")])).toEqual([
      ["ram0", "nbd://localhost:N/ram0"],
      ["b", "nbd://localhost:N/b"],
      ["ram0", `nbd+unix:///ram0?socket=${place.path("nbd.sock")}`],
      ["b", `nbd+unix:///b?socket=${place.path("nbd.sock")}`],
    ]);
    const { port } = parseNbdUri(nbd[0]?.uri ?? "");
    expect(await namesOf(port)).toEqual(["ram0", "b"]);
    await expectWell(port, "b");
    await expectWell(place.path("nbd.sock"), "ram0");
    running.kill("SIGTERM");
    const ended = await running.ended;
    expect(ended).toMatchObject({ exitCode: 143, stderr: "" });
    expect(eventsIn(ended.stdout).at(-1)).toEqual({ event: "stopped" });
  });

  test("of a client that broke the protocol, a line", async () => {
    const { running, socket } = await startServer(place, [RAM]);
    const client = await RawClient.connect(socket);
    client.send(Buffer.alloc(4, 0xff));
    await client.readAll();
    const stdout = await running.printed("a client was dropped");
    const lines = eventsIn(stdout).map(({ line }) => line);
    expect(lines).toContainEqual(expect.stringMatching(/^nbd: a client was dropped: .*flags/));
    await expectWell(socket, "ram0");
  });

  test("in --help: examples and exit codes", async () => {
    const { exitCode, stdout, stderr } = await place.run(["serve", "--help"]);
    expect(stdout).toContain("Examples:\n  $ blockpt serve");
    expect(stdout).toContain("Exit codes:\n  0 ");
    expect(stdout).toContain("--tls-certificates <directory>");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect((await place.run(["run", "--help"])).stdout).toContain("--nbd <uri>");
  });
});

describe("blockpt run --nbd", () => {
  test("serves what is attached, at all times: also what comes later, and not what has gone", async () => {
    const server = await startRunWithServer(place, ["--disc", RAM]);
    expect(await namesOf(server.socket)).toEqual(["ram0"]);
    await expectWell(server.socket, "ram0");
    const user = await RawClient.open(server.socket, "ram0");
    const apply = async (document: string): Promise<void> => {
      await writeFile(place.path("disks.yaml"), document);
      const applied = await place.run(["apply", place.path("disks.yaml")]);
      expect(applied).toMatchObject({ exitCode: 0, stderr: "" });
    };
    await apply(
      'functions: { func1: { discs: { late: { disc_name: "memory:64K" } } } }\n' +
        "remote_disks: { late: { attach: true }, ram0: { attach: false } }\n",
    );
    expect(await namesOf(server.socket)).toEqual(["late"]);
    await expectWell(server.socket, "late");
    // Who was there is dropped, and nobody else hears of it.
    await user.readAll();
    await expectWell(server.socket, "late");
    expect(await server.close()).toMatchObject({ exitCode: 143, stderr: "" });
  });

  test("without a disc offers nothing, and says so", async () => {
    const server = await startRunWithServer(place, []);
    expect(server.ready.nbd).toEqual([]);
    expect(await namesOf(place.path("nbd.sock"))).toEqual([]);
  });
});

describe("what cannot be understood exits 2 with one line", () => {
  test.each([
    [["serve"], "missing required argument 'disc'"],
    [["serve", "--", "true"], "a disc to serve is wanted, before --"],
    [["serve", "a=x", "a=y"], "Two are called a: give one a NAME="],
    [["serve", "x/disk.img", "y/disk.img"], "Two are called disk.img"],
    [["serve", "disk.img,rw"], "ro may stand there"],
    [["serve", "a="], "A path, memory:SIZE, an NBD URI or a URL is wanted behind a="],
    [["serve", RAM, "--listen", "localhost:10809"], "nbd://HOST"],
    [["serve", RAM, "--listen", "http://localhost"], "nbd+unix:///EXPORT?socket=PATH"],
    [["serve", RAM, "--tls-verify-peer"], "--tls-verify-peer goes with --tls-certificates"],
    [["run", "--nbd", "nbd://localhost:0", "--tls-verify-peer"], "goes with --tls-certificates"],
    [["run", "--tls-certificates", "."], "--tls-certificates goes with --nbd"],
    [["serve", RAM, "--listen", "nbds://localhost:0"], "nbds://localhost:0 goes with --tls-certi"],
    [["run", "--nbd", "nbd+unix:///"], "it has to name a socket"],
  ])("%j", async (args, complaint) => {
    const { exitCode, stdout, stderr } = await place.run(args);
    expect(stderr).toMatch(/^blockpt: ERR_USAGE: [^\n]*; see blockpt --help\n$/);
    expect(stderr).toContain(complaint);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  });
});

describe("what cannot be done exits 1 with one line, and leaves nothing", () => {
  test.each([
    { what: "a disc that is not there", args: ["none.img"], complaint: "none.img" },
    {
      what: "a URI with an export's name",
      args: [RAM, "--listen", "nbd://localhost:0/ram0"],
      complaint: "no export's name",
    },
    {
      what: "certificates that are not there",
      args: [RAM, "--tls-certificates", "no-such-directory"],
      complaint: "server-cert.pem has to be there",
    },
    {
      what: "a directory that is not there",
      args: [RAM, "--listen", "nbd+unix:///?socket=/no/such/place/s"],
      complaint: "/no/such/place/s",
    },
    {
      what: "a server that is not there, as a disc",
      args: ["n=nbd+unix:///?socket=/no/such/socket"],
      complaint: "is the server running",
    },
  ])("$what", async ({ args, complaint }) => {
    const listen = args.includes("--listen") ? [] : ["--listen", unix()];
    const { exitCode, stdout, stderr } = await place.run(["serve", "--json", ...listen, ...args]);
    expect(stderr).toMatch(/^blockpt: \w+: [^\n]*\n$/);
    expect(stderr).toContain(complaint);
    expect(stdout).not.toContain("ready");
    expect(exitCode).toBe(1);
    expect(await place.sockets()).toEqual([]);
    expect(existsSync(place.path("nbd.sock"))).toBe(false);
  });

  test("a port that is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    afterThisTest(() => void other.close());
    const { port } = other.address() as { port: number };
    const args = ["serve", RAM, "--listen", `nbd://localhost:${port}`];
    const { exitCode, stderr } = await place.run(args);
    expect(stderr).toContain(`ERR_BLOCKPT_LISTEN: cannot listen at nbd://localhost:${port}`);
    expect(stderr).toContain("EADDRINUSE");
    expect(exitCode).toBe(1);
  });
});

describe("a socket's path", () => {
  test("that another server listens on is refused, and that one goes on", async () => {
    const server = await startServer(place, [RAM]);
    const { exitCode, stderr } = await place.run(serveUnix("b=memory:64K"));
    expect(stderr).toContain(`another process listens on ${place.path("nbd.sock")} already`);
    expect(exitCode).toBe(1);
    await expectWell(server.socket, "ram0");
  });

  test("that a killed server left is taken over", async () => {
    const server = await startServer(place, [RAM]);
    server.running.kill("SIGKILL");
    await server.running.ended;
    expect((await lstat(place.path("nbd.sock"))).isSocket()).toBe(true);
    await expectWell((await startServer(place, [RAM])).socket, "ram0");
  });

  test("that is a file's is refused, and the file left as it is", async () => {
    await writeFile(place.path("nbd.sock"), "mine");
    const { exitCode, stderr } = await place.run(serveUnix(RAM));
    expect(stderr).toContain(`${place.path("nbd.sock")} is there, and is no socket`);
    expect(exitCode).toBe(1);
    expect(await readFile(place.path("nbd.sock"), "utf8")).toBe("mine");
  });
});

describe("a command", () => {
  test("finds the first export in its environment, and it is there", async () => {
    const script =
      "const { NbdDisc } = await import(process.argv[1]);" +
      "const disc = await NbdDisc.open(process.env.BLOCKPT_NBD_URI);" +
      "console.log(process.env.BLOCKPT_NBD_URI, disc.sizeBytes); disc.close();";
    const library = new URL("../../dist/index.js", import.meta.url).href;
    const args = ["--", process.execPath, "--input-type=module", "-e", script, library];
    const { exitCode, stdout, stderr } = await place.run(serveUnix(RAM, "b=memory:64K", ...args));
    expect(stdout).toBe(`nbd+unix:///ram0?socket=${place.path("nbd.sock")} ${1024 ** 2}\n`);
    expect(stderr).toContain(`NBD: nbd+unix:///b?socket=${place.path("nbd.sock")}`);
    expect(exitCode).toBe(0);
    expect(existsSync(place.path("nbd.sock"))).toBe(false);
  });

  test("ends it with its exit code, of run --nbd as well", async () => {
    const seven = node("process.exit(process.env.BLOCKPT_NBD_URI ? 7 : 1)");
    expect((await place.run(serveUnix(RAM, ...seven))).exitCode).toBe(7);
    const run = ["run", "--disc", RAM, "--nbd", unix(), ...seven];
    expect((await place.run(run)).exitCode).toBe(7);
    expect(await place.sockets()).toEqual([]);
  });

  test("gets the signal that ends it, and is waited for", async () => {
    const script =
      "process.on('SIGTERM', () => { console.log('got it'); process.exit(3); });" +
      "setInterval(() => {}, 1000); console.log('pid', process.pid)";
    const running = place.start(serveUnix(RAM, ...node(script)));
    const stdout = await running.printed(/pid \d+\n/);
    running.kill("SIGTERM");
    const ended = await running.ended;
    expect(ended.exitCode).toBe(143);
    expect(ended.stdout).toContain("got it");
    expect(isAlive(Number(/pid (\d+)/.exec(stdout)?.[1]))).toBe(false);
  });
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s ends its clients, removes its sockets and exits %i", async (signal, exitCode) => {
  const { running, socket } = await startServer(place, [RAM]);
  const idle = await RawClient.open(socket, "ram0");
  const silent = await RawClient.connect(socket);
  running.kill(signal);
  const ended = await running.ended;
  expect(ended).toMatchObject({ exitCode, stderr: "" });
  expect(eventsIn(ended.stdout).at(-1)).toEqual({ event: "stopped" });
  expect(await idle.readAll()).toHaveLength(0);
  await silent.readAll();
  expect(existsSync(socket)).toBe(false);
  expect(await place.sockets()).toEqual([]);
});

describe("a disc", () => {
  test.each([
    ["disk.img", "disk.img", { disc_name: "disk.img" }],
    ["/x/y/disk.img,ro", "disk.img", { disc_name: "/x/y/disk.img", read_only: true }],
    ["a=disk.img,queues=2", "a", { disc_name: "disk.img", max_number_of_queues: 2 }],
    ["x/a=b.img", "a=b.img", { disc_name: "x/a=b.img" }],
    ["a=b=c", "a", { disc_name: "b=c" }],
    ["nbd://server/vm1", "vm1", { disc_name: "nbd://server/vm1" }],
    ["nbd+unix:///?socket=s", "nbd", { disc_name: "nbd+unix:///?socket=s" }],
    ["nbd+unix:///a/b?socket=s", "b", { disc_name: "nbd+unix:///a/b?socket=s" }],
    ["n=nbd+unix:///?socket=s", "n", { disc_name: "nbd+unix:///?socket=s" }],
  ])("%s is called %s", (text, name, disc) => {
    expect(parseServedDisc(text)).toEqual({ name, label: name, disc });
  });
});
