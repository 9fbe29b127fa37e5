// The package as a package: packed, installed elsewhere, imported, run.

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "blockpt-package-"));
  // dist/ is built by `npm test` already; packing must not build it again under other tests.
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root });
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz")) ?? "";
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${tarball}`], {
    cwd: folder,
  });
}, 60_000);

afterAll(() => rm(folder, { recursive: true }));

test("it has no run-time dependencies and no install script", async () => {
  const manifest = JSON.parse(
    await readFile(join(folder, "node_modules/blockpt/package.json"), "utf8"),
  ) as Record<string, Record<string, string> | undefined>;
  expect(manifest.dependencies).toBeUndefined();
  expect(Object.keys(manifest.scripts ?? {})).not.toContain("install");
  expect(Object.keys(manifest.scripts ?? {})).not.toContain("postinstall");
  expect(await readdir(join(folder, "node_modules"))).toEqual([
    ".bin",
    ".package-lock.json",
    "blockpt",
  ]);
});

test("its two entry points are imported, and a disc goes through the rings", async () => {
  await writeFile(
    join(folder, "use.js"),
    `import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
     import { queueLayout } from "blockpt/abi";
     const bus = await createBus();
     const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
     await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
     await endpoint.start();
     const rc = await RootComplex.probe(bus);
     const disk = await rc.attach("ram0");
     await disk.write(new Uint8Array(4096).fill(7), 0);
     const back = new Uint8Array(4096);
     await disk.read(back, 0);
     await rc.detach("ram0");
     await endpoint.close();
     console.log(bus.engine.kind, back[4095], queueLayout(1024).bytes);`,
  );
  const { stdout, stderr } = await run(process.execPath, ["use.js"], { cwd: folder });
  expect({ stdout, stderr }).toEqual({ stdout: "wasm 7 28688\n", stderr: "" });
});

test("it opens a partition without the packages that parse the table, and without a warning", async () => {
  await writeFile(
    join(folder, "partition.js"),
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
  const { stdout, stderr } = await run(process.execPath, ["partition.js"], { cwd: folder });
  expect({ stdout, stderr }).toEqual({ stdout: "65536\nERR_BLOCKPT_PARTITION\n", stderr: "" });
});

test("its types stand on their own, under node16 and bundler resolution", async () => {
  await writeFile(
    join(folder, "use.ts"),
    `import { createBus, type RemoteDisk } from "blockpt";
     import { decodeDescriptor, type Descriptor } from "blockpt/abi";
     export const bus = await createBus({ hostMemoryBytes: 4096 });
     export const read = (disk: RemoteDisk): Promise<void> => disk.read(new Uint8Array(512), 0n);
     export const descriptor: Descriptor = decodeDescriptor(new Uint8Array(24), 0);
     // @ts-expect-error sizes are numbers
     await createBus({ hostMemoryBytes: "4096" });`,
  );
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags = "--noEmit --strict --target es2022 --lib es2024,dom --noUncheckedIndexedAccess";
  for (const [module, resolution] of [
    ["node16", "node16"],
    ["esnext", "bundler"],
  ] as const) {
    const output = await run(
      process.execPath,
      [tsc, ...flags.split(" "), "--module", module, "--moduleResolution", resolution, "use.ts"],
      { cwd: folder },
    ).catch((error: { stdout: string }) => error);
    expect(output.stdout).toBe("");
  }
});

test("its command runs", async () => {
  const { stdout } = await run(join(folder, "node_modules/.bin/blockpt"), ["--version"]);
  expect(stdout.trim()).toBe(
    (JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string }).version,
  );
});
