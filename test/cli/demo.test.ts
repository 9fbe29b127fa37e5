// The built command line, run as its users run it: as a child process.

import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, follow, type Running } from "./follow.js";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const MIB = 1024 * 1024;
/** The demo measures for some seconds, and other tests may run beside it. */
const DEMO_MS = 60_000;

let directory: string;
/** Where the command makes its temporary files. */
let temporary: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "blockpt-test-cli-"));
  temporary = await mkdtemp(join(directory, "tmp-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  nodeArgs: readonly string[] = [],
): Running {
  const child = spawn(process.execPath, [...nodeArgs, CLI, ...args], {
    env: { ...process.env, TMPDIR: temporary, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return follow(child);
}

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return start(args, env).ended;
}

async function imageOf(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, bytes);
  return path;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function expectNothingLeft(): Promise<void> {
  expect(await readdir(temporary)).toEqual([]);
}

describe("blockpt demo", () => {
  test(
    "--json prints one document: hashes equal, every check passed, every engine measured",
    async () => {
      const { exitCode, stdout, stderr } = await run(["demo", "--json", "--size", "8"]);
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
      const report = JSON.parse(stdout);
      expect(report.ok).toBe(true);
      expect(report.image.sizeBytes).toBe(8 * MIB);
      expect(["ext4", "pattern"]).toContain(report.image.kind);
      expect(report.copy).toMatchObject({ bytes: 8 * MIB, equal: true });
      expect(report.copy.sha256).toBe(report.image.sha256);
      expect(report.devices).toEqual(["/dev/nvme0n1", "/dev/ram0", "/dev/mmcblk0"]);
      expect(report.disks.map((disk: { readOnly: boolean }) => disk.readOnly)).toEqual([
        false,
        false,
        true,
      ]);
      expect(report.checks.map((check: { name: string }) => check.name)).toEqual([
        "copy-equals-image",
        "memory-disk-write",
        "image-disk-write",
        "image-file-written",
        "write-refused-pci-rd-mmcblk0",
        "image-unchanged",
      ]);
      expect(report.checks.every((check: { passed: boolean }) => check.passed)).toBe(true);
      expect(report.throughput.notMeasured).toEqual([]);
      expect(report.throughput.measurements).toHaveLength(6);
      for (const measured of report.throughput.measurements) {
        expect(measured.value).toBeGreaterThan(0);
        expect(measured.plainValue).toBeGreaterThan(0);
      }
      await expectNothingLeft();
    },
    DEMO_MS,
  );

  test(
    "--image copies the very bytes of the user's image, whose last request is a short one, and does not change it",
    async () => {
      const bytes = randomBytes(5 * MIB + 7 * 512);
      const path = await imageOf("given.img", bytes);
      const before = await stat(path);
      const { exitCode, stdout, stderr } = await run(["demo", "--json", "--image", path]);
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
      const report = JSON.parse(stdout);
      expect(report.copy.sha256).toBe(sha256(bytes));
      expect(report.image).toMatchObject({ path, kind: "given", sha256: sha256(bytes) });
      // Exported read-only twice, so a write is refused twice.
      expect(report.checks.map((check: { name: string }) => check.name)).toEqual([
        "copy-equals-image",
        "memory-disk-write",
        "write-refused-pci-rd-nvme0n1",
        "write-refused-pci-rd-mmcblk0",
        "image-unchanged",
      ]);
      const after = await stat(path);
      expect(after.mtimeMs).toBe(before.mtimeMs);
      expect(bytes.equals(await readFile(path))).toBe(true);
      await expectNothingLeft();
    },
    DEMO_MS,
  );

  test(
    "prints what the user guide shows, without colours where stdout is no terminal",
    async () => {
      const env = { CI: "1", FORCE_COLOR: "1" };
      const { exitCode, stdout, stderr } = await run(["demo", "--size", "8"], env);
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
      const lines = stdout.split("\n").map((line) => line.trim());
      for (const line of [
        "# ls /sys/class/pci_epc/",
        "44100000.pcie",
        "pci_epf_blockpt",
        "0001:01:00.0 Unassigned class [ff00]: Device 0000:c402",
        "pci-remote-disk 0001:01:00.0: Found /dev/nvme0n1",
        "pci-remote-disk 0001:01:00.0: Found /dev/mmcblk0",
        "pci-remote-disk 0001:01:00.0: Found 3 devices",
        "# echo 1 > /sys/kernel/config/pci_remote_disk/nvme0n1/attach",
        "pci-remote-disk 0001:01:00.0: nvme0n1: Setting queue addr. #Descriptors 1024 (28688 Bytes)",
        "pci-remote-disk 0001:01:00.0: /dev/nvme0n1 capacity 0x4000",
        "NAME           MAJ:MIN RM  SIZE RO TYPE",
        "pci-rd-nvme0n1 259:0    0    8M  0 disk",
        "pci-rd-mmcblk0 259:2    0    8M  1 disk",
        "ok     /dev/mmcblk0: write refused, ERR_BLOCKPT_READ_ONLY:",
      ]) {
        expect(lines).toContain(line);
      }
      expect(stdout).not.toContain("\u001b");
      expect(stdout.trimEnd().split("\n").at(-1)).toMatch(
        /^Success: 3 discs exported and attached, 6 of 6 checks passed, in [\d.]+ s\.$/,
      );
      await expectNothingLeft();
    },
    DEMO_MS,
  );

  test(
    "where wasm does not load the demo runs on the typescript engine, and says why the other is not measured",
    async () => {
      const args = ["demo", "--json", "--size", "1"];
      const { exitCode, stdout } = await start(args, {}, ["--jitless"]).ended;
      expect(exitCode).toBe(0);
      const { engine, ok, throughput } = JSON.parse(stdout);
      expect({ engine, ok }).toEqual({ engine: "typescript", ok: true });
      expect(throughput.measurements).toHaveLength(3);
      expect(throughput.notMeasured).toEqual([
        {
          engine: "wasm",
          code: "ERR_BLOCKPT_ENGINE",
          message: expect.stringContaining("no WebAssembly"),
        },
      ]);
    },
    DEMO_MS,
  );

  test("without mkfs.ext4 that works the image is a patterned one, and the output says why", async () => {
    const tools = await mkdtemp(join(directory, "tools-"));
    await writeFile(join(tools, "mkfs.ext4"), "#!/bin/sh\necho no luck >&2\nexit 1\n", {
      mode: 0o755,
    });
    const { PATH } = process.env;
    const demo = start(["demo", "--size", "1"], { PATH: `${tools}:${PATH}` });
    await demo.printed(`numbered sectors, no file system (${tools}/mkfs.ext4 failed: no luck)`);
    demo.kill("SIGINT");
    expect((await demo.ended).exitCode).toBe(130);
  });

  test("an image that changes under the demo is a mismatch: exit code 1, and a line that says so", async () => {
    const path = await imageOf("changing.img", randomBytes(64 * MIB));
    const demo = start(["demo", "--image", path]);
    // The image was hashed; the threads that will copy it are not started yet.
    await demo.printed("SHA-256");
    const file = await open(path, "r+");
    await file.write("changed", 63 * MIB);
    await file.close();
    const { exitCode, stderr, stdout } = await demo.ended;
    expect(stderr).toMatch(/^blockpt: ERR_DEMO_CHECK: \/dev\/nvme0n1: .*SHA-256 differs.*\n$/);
    expect(stdout).toContain("FAILED /dev/nvme0n1");
    expect(stdout).not.toContain("Success");
    expect(exitCode).toBe(1);
    await expectNothingLeft();
  });

  test("SIGINT ends the threads, removes the temporary files and exits 130", async () => {
    const demo = start(["demo", "--size", "8"]);
    await demo.printed("measuring");
    demo.kill("SIGINT");
    const { exitCode, stderr } = await demo.ended;
    expect(stderr).toBe("");
    expect(exitCode).toBe(130);
    await expectNothingLeft();
  });
});

describe("what is wrong with an image is said in one line with the library's code", () => {
  test.each([
    { what: "missing", bytes: undefined, code: "ERR_BLOCKPT_DISC_OPEN" },
    { what: "empty", bytes: 0, code: "ERR_BLOCKPT_DISC_SIZE" },
    { what: "not a multiple of 512 bytes", bytes: 1000, code: "ERR_BLOCKPT_DISC_SIZE" },
  ])("$what: $code", async ({ bytes, code }) => {
    const path =
      bytes === undefined
        ? join(directory, "missing.img")
        : await imageOf(`bad-${bytes}.img`, new Uint8Array(bytes));
    const { exitCode, stdout, stderr } = await run(["demo", "--json", "--image", path]);
    expect(stderr).toMatch(new RegExp(`^blockpt: ${code}: [^\\n]*${path}[^\\n]*\\n$`));
    expect(stdout).toBe("");
    expect(exitCode).toBe(1);
    await expectNothingLeft();
  });
});

describe("the command line", () => {
  test.each([[["--help"]], [["demo", "--help"]]])(
    "%j shows examples and exit codes",
    async (args) => {
      const { exitCode, stdout, stderr } = await run(args);
      expect(stdout).toContain("Examples:\n  $ blockpt demo");
      expect(stdout).toContain("Exit codes:\n  0 ");
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
    },
  );

  test("--version prints the package's version", async () => {
    const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
    const { exitCode, stdout } = await run(["--version"]);
    expect(stdout).toBe(`${JSON.parse(text).version}\n`);
    expect(exitCode).toBe(0);
  });

  test.each([
    [["nonsense"], "unknown command 'nonsense'"],
    [["demo", "--nonsense"], "unknown option '--nonsense'"],
    [["demo", "extra"], "too many arguments"],
    [["demo", "--size", "0"], "from 1 to"],
    [["demo", "--size", "8k"], "from 1 to"],
    [["demo", "--image", "a", "--size", "8"], "exclude each other"],
  ])("%j exits 2 with one line", async (args, complaint) => {
    const { exitCode, stdout, stderr } = await run(args);
    expect(stderr).toMatch(/^blockpt: ERR_USAGE: [^\n]*; see blockpt --help\n$/);
    expect(stderr).toContain(complaint);
    expect(stdout).toBe("");
    expect(exitCode).toBe(2);
  });

  test("no command at all exits 2 with the help on stderr", async () => {
    const { exitCode, stdout, stderr } = await run([]);
    expect(stderr).toContain("Usage: blockpt");
    expect(stdout).toBe("");
    expect(exitCode).toBe(2);
  });
});
