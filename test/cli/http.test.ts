// Images on an HTTP server, on the command line.

import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { ImageServer } from "../discs/image-server.js";
import { CLI, Place } from "./command-line.js";

const image = pattern(1024 * 1024 + 100);
const padded = Buffer.concat([image, Buffer.alloc(412)]);
let place: Place;
let server: ImageServer;

beforeEach(async () => {
  place = await Place.create();
  server = await ImageServer.start(image);
});
afterEach(() => place.remove());

test("run attaches one under its file's name, and dump has its URL", async () => {
  const { ready } = await place.startRun(["--disc", `web=${server.url}?version=2,,3`]);
  expect(ready.disks).toMatchObject([{ name: "disk.img" }]);
  const { stdout } = await place.run(["dump"]);
  expect(stdout).toContain(`disc_name: ${server.url}?version=2,3`);
  const inspected = await place.run(["inspect", "--json"]);
  expect(JSON.parse(inspected.stdout).endpoint.discs).toMatchObject([
    { kind: "http", readOnly: true },
  ]);
});

test("serve has it for NBD clients, of which copy is one", async () => {
  const copy = 'exec "$0" "$1" copy "$BLOCKPT_NBD_URI" copy.img';
  const served = await place.run([
    ...["serve", server.url, "--listen", "nbd+unix:///?socket=s"],
    ...["--", "sh", "-c", copy, process.execPath, CLI],
  ]);
  expect(served).toMatchObject({ exitCode: 0 });
  expect(padded.equals(await readFile(place.path("copy.img")))).toBe(true);
});

test("copy reads one, and writes none", async () => {
  const copied = await place.run(["copy", server.url, "copy.img", "--verify"]);
  expect(copied).toMatchObject({ exitCode: 0 });
  expect(padded.equals(await readFile(place.path("copy.img")))).toBe(true);
  const back = await place.run(["copy", "copy.img", server.url]);
  expect(back).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/ERR_COPY_TARGET: .*may only be read/),
  });
});

test("what is wrong with the server is said", async () => {
  server.always = (response) => response.writeHead(200).end("all of it");
  const ran = await place.run(["run", "--disc", `web=${server.url}`]);
  expect(ran.exitCode).not.toBe(0);
  expect(ran.stderr).toMatch(/it must answer with 206 and Content-Range/);
});
