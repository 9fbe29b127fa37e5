// fio, which writes blocks in no order, and finds in each the checksum and the place that it wrote there.

import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Place } from "../cli/command-line.js";
import { makeSparse } from "../cli/copy-images.js";
import { startServer } from "./server-rig.js";
import { need, run, succeed, TOOL_TEST_MS } from "./tools.js";

const MIB = 1024 ** 2;
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

interface Report {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: { readonly io_bytes: number };
    readonly write: { readonly io_bytes: number };
  }[];
}

/** What fio reports; what else it says is not JSON. */
async function reportOf(args: readonly string[]): Promise<Report> {
  await succeed("fio", ["--output=report.json", ...args], { cwd: place.directory });
  return JSON.parse(await readFile(place.path("report.json"), "utf8")) as Report;
}

/** Two jobs at depth 32, each with a connection of its own and half of the disc. */
function jobs(uri: string, ...options: readonly string[]): string[] {
  const verify = [
    "--verify=crc32c",
    "--verify_state_save=0",
    "--verify_fatal=1",
    "--verify_backlog=256",
  ];
  const halves = ["--numjobs=2", "--size=16M", "--offset_increment=16M"];
  const engine = ["--ioengine=nbd", `--uri=${uri}`, "--iodepth=32"];
  return ["--name=verify", "--output-format=json", ...engine, ...halves, ...verify, ...options];
}

describe.each([
  { what: "in memory", name: "ram0", where: {} },
  { what: "of a file", name: "disk.img", where: {} },
  { what: "in memory, over TCP", name: "ram0", where: { listen: "nbd://localhost:0" } },
])("a disc $what", ({ name, where }) => {
  test.for([
    { how: "blocks of 4 KiB", options: ["--bs=4k"] },
    {
      how: "blocks of 512 bytes to 128 KiB, and flushes",
      options: ["--bsrange=512-128k", "--fsync=32"],
    },
  ])(
    "keeps what is written at depth 32 over two connections: $how",
    {
      timeout: TOOL_TEST_MS,
    },
    async ({ options }, context) => {
      need(context, "fio");
      await makeSparse(place.path("disk.img"), 32 * MIB);
      const server = await startServer(place, ["ram0=memory:32M", "disk.img"], where);
      const report = await reportOf(jobs(server.uri(name), "--rw=randwrite", ...options));
      expect(report.jobs).toHaveLength(2);
      for (const job of report.jobs) {
        expect(job).toMatchObject({ error: 0, write: { io_bytes: 16 * MIB } });
        // All of it was read again.
        expect(job.read.io_bytes).toBe(16 * MIB);
      }
    },
  );
});

test("what is not what it wrote, it finds", async (context) => {
  need(context, "fio", "qemu-io");
  const server = await startServer(place, ["ram0=memory:32M"]);
  const uri = server.uri("ram0");
  await reportOf(jobs(uri, "--rw=write", "--bs=4k", "--do_verify=0"));
  const again = jobs(uri, "--rw=read", "--bs=4k");
  expect(await run("fio", again)).toMatchObject({ exitCode: 0 });
  await run("qemu-io", ["-f", "raw", "-c", "write -P 1 20M 4k", uri]);
  expect((await run("fio", again)).exitCode).not.toBe(0);
});
