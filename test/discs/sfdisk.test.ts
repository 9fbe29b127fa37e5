// Partition tables made by the real sfdisk, and found as it lists them.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { FileDisc, PartitionDisc } from "blockpt";
import { expect, test } from "vitest";
import { afterThisTest, makeImage } from "../api/rig.js";

/** What is used of `sfdisk --json`. */
interface Listing {
  partitiontable: {
    label: "gpt" | "dos";
    id: string;
    sectorsize: number;
    partitions: { node: string; start: number; size: number; type: string; uuid?: string }[];
  };
}

const EXTENDED = ["5", "f", "85"];
// A user's path often has no folders of the administrator's commands.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/** Why a test with sfdisk cannot be run here; undefined if it can. */
function whyNot(option?: string): string | undefined {
  const { error, stdout } = spawnSync("sfdisk", ["--help"], { env, encoding: "utf8" });
  if (error !== undefined) return `no sfdisk here: ${error.message}`;
  return option === undefined || stdout.includes(option)
    ? undefined
    : `this sfdisk has no ${option}`;
}

/** An image with the table of a script, and how sfdisk lists it. */
function partitioned(
  script: string,
  sizeBytes: number,
  options: readonly string[] = [],
): { path: string; listing: Listing["partitiontable"] } {
  const path = makeImage(new Uint8Array(sizeBytes));
  execFileSync("sfdisk", [...options, "--quiet", path], { env, input: script });
  const json = execFileSync("sfdisk", [...options, "--json", path], { env, encoding: "utf8" });
  return { path, listing: (JSON.parse(json) as Listing).partitiontable };
}

/** Expects to find by number and by UUID what sfdisk lists, and no number besides. */
async function expectAsListed(
  path: string,
  listing: Listing["partitiontable"],
  options: { logicalBlockBytes?: number } = {},
): Promise<number[]> {
  const inner = await FileDisc.open(path, { ...options, readOnly: true });
  afterThisTest(() => inner.close());
  const numbers: number[] = [];
  for (const { node, start, size, type, uuid } of listing.partitions) {
    if (listing.label === "dos" && EXTENDED.includes(type)) continue;
    const number = Number(node.slice(path.length));
    numbers.push(number);
    // Of an MBR sfdisk does not say it: Linux makes it of the disc's signature and the number.
    const wanted =
      uuid ?? `${listing.id.replace("0x", "")}-${number.toString(16).padStart(2, "0")}`;
    for (const which of [number, wanted]) {
      const disc = await PartitionDisc.open(inner, which);
      const { startBytes, sizeBytes } = disc;
      expect({ number: disc.number, uuid: disc.uuid, startBytes, sizeBytes }).toEqual({
        number,
        uuid: wanted.toLowerCase(),
        startBytes: start * listing.sectorsize,
        sizeBytes: size * listing.sectorsize,
      });
    }
  }
  for (let number = 1; number <= 20; number++) {
    if (numbers.includes(number)) continue;
    await expect(PartitionDisc.open(inner, number), `${number}`).rejects.toMatchObject({
      code: "ERR_BLOCKPT_PARTITION",
    });
  }
  return numbers;
}

test("a GPT with gaps in its slots", async (context) => {
  const reason = whyNot();
  if (reason !== undefined) return context.skip(reason);
  const script = `label: gpt
    2 : start=2048, size=4096, type=L
    5 : start=8192, size=1, type=L
    11 : start=10240, type=L`;
  const { path, listing } = partitioned(script, 16 * 1024 * 1024);
  expect(await expectAsListed(path, listing)).toEqual([2, 5, 11]);
});

test("a GPT with 8 entries", async (context) => {
  const reason = whyNot();
  if (reason !== undefined) return context.skip(reason);
  const script = `label: gpt
    table-length: 8
    1 : start=2048, size=4096, type=L
    8 : start=8192, size=8, type=L`;
  const { path, listing } = partitioned(script, 16 * 1024 * 1024);
  expect(await expectAsListed(path, listing)).toEqual([1, 8]);
});

test("an MBR with gaps in its slots and logical partitions", async (context) => {
  const reason = whyNot();
  if (reason !== undefined) return context.skip(reason);
  const logical = Array.from(
    { length: 12 },
    (_, index) => `${index + 5} : start=${4096 + index * 1024 + 64}, size=${100 + index}, type=83`,
  );
  const script = `label: dos
    2 : start=2048, size=100, type=83
    3 : start=4096, size=20480, type=f
    4 : start=26000, size=6000, type=c, bootable
    ${logical.join("\n")}`;
  const { path, listing } = partitioned(script, 16 * 1024 * 1024);
  const numbers = [2, 4, ...logical.map((_, index) => index + 5)];
  expect((await expectAsListed(path, listing)).sort((a, b) => a - b)).toEqual(numbers);
});

test("logical partitions of which one in the middle was deleted", async (context) => {
  const reason = whyNot();
  if (reason !== undefined) return context.skip(reason);
  const script = `label: dos
    1 : start=2048, size=20480, type=5
    5 : start=4096, size=100, type=83
    6 : start=8192, size=200, type=83
    7 : start=12288, size=300, type=83`;
  const { path } = partitioned(script, 16 * 1024 * 1024);
  execFileSync("sfdisk", ["--quiet", "--delete", path, "6"], { env });
  const json = execFileSync("sfdisk", ["--json", path], { env, encoding: "utf8" });
  const { partitiontable } = JSON.parse(json) as Listing;
  expect(await expectAsListed(path, partitiontable)).toEqual([5, 6]);
});

test("a GPT of which sfdisk reads the copy at the end", async (context) => {
  const reason = whyNot();
  if (reason !== undefined) return context.skip(reason);
  const { path, listing } = partitioned("label: gpt\n3 : start=2048, size=4096", 16 * 1024 * 1024);
  const image = readFileSync(path);
  writeFileSync(path, image.fill(0, 512, 1024));
  expect(await expectAsListed(path, listing)).toEqual([3]);
});

for (const label of ["gpt", "dos"]) {
  test(`blocks of 4096 bytes, label ${label}`, async (context) => {
    const reason = whyNot("--sector-size");
    if (reason !== undefined) return context.skip(reason);
    const script = `label: ${label}\n1 : start=256, size=512\n3 : start=1024, size=1024`;
    const options = ["--sector-size", "4096"];
    const { path, listing } = partitioned(script, 16 * 1024 * 1024, options);
    expect(listing.sectorsize).toBe(4096);
    expect(await expectAsListed(path, listing, { logicalBlockBytes: 4096 })).toEqual([1, 3]);
    // A GPT is found in an image, too, that does not say what its blocks are.
    if (label === "gpt") await expectAsListed(path, listing);
  });
}
