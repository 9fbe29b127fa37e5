// A block device as a disc: a loop device, where this machine lets us make one.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { FileDisc, RootComplex } from "blockpt";
import { expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern } from "../api/rig.js";

/** A loop device over an image; undefined if none can be made, as without root. */
function makeLoopDevice(image: string): string | undefined {
  try {
    const device = execFileSync("losetup", ["--find", "--show", image], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
    afterThisTest(() => {
      execFileSync("losetup", ["--detach", device]);
    });
    return device;
  } catch {
    return undefined;
  }
}

test("a block device has the size the kernel says, and is read and written", async ({ skip }) => {
  const image = pattern(3 * 65536 + 512);
  const path = makeImage(image);
  const device = makeLoopDevice(path);
  if (device === undefined)
    return skip("no loop device can be made here: it takes root and losetup");
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("loop", await FileDisc.open(device), { discName: device });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach(device);
  expect(disk.sizeBytes).toBe(image.length);
  const back = new Uint8Array(image.length);
  await disk.read(back, 0);
  expect(Buffer.from(back).equals(image)).toBe(true);
  const change = pattern(1024, 9);
  await disk.write(change, image.length - 1024);
  await rc.detach(device);
  await endpoint.close();
  execFileSync("blockdev", ["--flushbufs", device]);
  expect(readFileSync(path).subarray(-1024).equals(change)).toBe(true);
});
