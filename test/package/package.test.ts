// The package as a package: what is in it, and what it does without anything else. Who uses it is in consumers/.

import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { type Installed, install } from "./consumers/installed.js";

const run = promisify(execFile);
let installed: Installed;

beforeAll(async () => {
  installed = await install();
});

test("it has no run-time dependencies and no install script", async () => {
  const manifest = JSON.parse(
    await readFile(join(installed.directory, "package.json"), "utf8"),
  ) as Record<string, Record<string, string> | undefined>;
  expect(manifest.dependencies).toBeUndefined();
  for (const script of ["preinstall", "install", "postinstall"]) {
    expect(Object.keys(manifest.scripts ?? {})).not.toContain(script);
  }
  expect(await readdir(join(installed.folder, "node_modules"))).toEqual([
    ".bin",
    ".package-lock.json",
    "blockpt",
  ]);
});

test("it has what its users want, and nothing else", async () => {
  const wanted = [
    /^(package\.json|README\.md|CHANGELOG\.md|CONTRIBUTING\.md|LICENSE)$/,
    /^docs\/([\w-]+\/)*[\w-]+\.(md|svg|webp)$/,
    /^dist\/(browser\/)?[\w-]+\.js$/,
    /^dist\/(browser\/)?blockpt\.wasm$/,
    /^dist\/types\/([\w-]+\/)*[\w.-]+\.d\.ts$/,
    /^dist\/THIRD-PARTY-LICENSES\.txt$/,
    // What the guide to SQLite has copied.
    /^test\/sqlite\/block-vfs\.ts$/,
  ];
  const { files, tarballBytes, directory } = installed;
  expect(files.filter((path) => !wanted.some((pattern) => pattern.test(path)))).toEqual([]);
  // Less than two megabytes; what makes it much more is to be noticed.
  expect(tarballBytes).toBeLessThan(2_000_000);
  const report = await readFile(join(directory, "docs/performance.md"), "utf8");
  const [, reported = ""] = /^\| tarball \| \| ([\d,]+) \|/m.exec(report) ?? [];
  const share = tarballBytes / Number(reported.replaceAll(",", ""));
  expect(Math.abs(share - 1), "docs/performance.md is as old as that").toBeLessThan(0.1);
  // Debuggers and bundlers look for maps that scripts name.
  for (const path of files.filter((path) => path.endsWith(".js"))) {
    const text = await readFile(join(directory, path), "utf8");
    expect(text.includes("\n//# sourceMappingURL="), path).toBe(false);
  }
});

test("its documents lead to nothing that it has not, and have every picture in it", async () => {
  const { files, directory } = installed;
  const documents = files.filter((path) => path.endsWith(".md"));
  const targets = new Set<string>();
  for (const document of documents) {
    const text = await readFile(join(directory, document), "utf8");
    for (const [, inline, quoted] of text.matchAll(/\]\(([^)\s]+)\)|<img[^>]* src="([^"]+)"/g)) {
      const [path = ""] = (inline ?? quoted ?? "").split("#");
      if (path === "" || path.startsWith("https://")) continue;
      const target = join(dirname(document), path);
      expect(files, `${document} leads to ${path}`).toContain(target);
      targets.add(target);
    }
  }
  expect(targets.size).toBeGreaterThan(30);
  const pictures = files.filter((path) => path.startsWith("docs/images/"));
  expect(pictures.filter((path) => !targets.has(path))).toEqual([]);
});

test("it opens a partition without the packages that parse the table, and without a warning", async () => {
  await writeFile(
    join(installed.folder, "partition.js"),
    `import { createBus, MemoryDisc, PartitionDisc } from "blockpt";
     const bus = await createBus();
     const disc = MemoryDisc.create(bus, 1024 * 1024);
     const table = new DataView(bus.buffer, disc.busRange.offset, 512);
     table.setUint32(446 + 8, 64, true);
     table.setUint32(446 + 12, 128, true);
     table.setUint16(510, 0xaa55, true);
     console.log((await PartitionDisc.open(disc, 1)).sizeBytes);
     table.setUint8(446 + 4, 0xee);
     new Uint8Array(bus.buffer, disc.busRange.offset + 512).set(new TextEncoder().encode("EFI PART"));
     console.log((await PartitionDisc.open(disc, 1).catch((error) => error)).code);`,
  );
  const { stdout, stderr } = await run(process.execPath, ["partition.js"], {
    cwd: installed.folder,
  });
  expect({ stdout, stderr }).toEqual({ stdout: "65536\nERR_BLOCKPT_PARTITION\n", stderr: "" });
});
