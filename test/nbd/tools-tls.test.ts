// TLS, by libnbd's clients and QEMU's: those are GnuTLS, and ours is Node's.

import { copyFile, mkdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { Place } from "../cli/command-line.js";
import { makeSparse } from "../cli/copy-images.js";
import { makeCertificates } from "./certificates.js";
import { type NbdServer, startServer } from "./server-rig.js";
import { json, need, run, succeed } from "./tools.js";

const MIB = 1024 ** 2;
let place: Place;
/** The server's certificates, and what a client of it has. */
let certificates: string;
let trusting: string;

beforeEach(async (context) => {
  place = await Place.create();
  need(context, "openssl", "nbdinfo", "nbdcopy");
  certificates = await makeCertificates(place.path("tls"));
  trusting = place.path("trusting");
  await mkdir(trusting);
  await copyFile(`${certificates}/ca-cert.pem`, `${trusting}/ca-cert.pem`);
});

afterEach(() => place.remove());

function start(scheme: string): Promise<NbdServer> {
  const where = scheme.includes("unix") ? `/?socket=${place.path("nbd.sock")}` : "localhost:0";
  const listen = `${scheme}//${where}`;
  return startServer(place, ["ram0=memory:16M"], { listen, tlsCertificates: certificates });
}

/** The URI of the export with TLS, or without, for a client that trusts whom it finds in a directory. */
function uriOf(server: NbdServer, tls: boolean, directory?: string): string {
  const uri = server.uri("ram0").replace(/^nbds?/, tls ? "nbds" : "nbd");
  if (directory === undefined) return uri;
  return `${uri}${uri.includes("?") ? "&" : "?"}tls-certificates=${directory}`;
}

const exitCodeOf = async (uri: string): Promise<number | null> =>
  (await run("nbdinfo", ["--size", uri])).exitCode;

describe.each([
  { where: "TCP", scheme: "nbds:" },
  { where: "a Unix socket", scheme: "nbds+unix:" },
])("required, on $where", ({ scheme }) => {
  test("data goes in and out, over several connections", async () => {
    const server = await start(scheme);
    await makeSparse(place.path("from"), 16 * MIB, [[MIB, pattern(9 * MIB)]]);
    const uri = uriOf(server, true, trusting);
    const info = await json("nbdinfo", ["--json", uri]);
    expect(info).toMatchObject({ TLS: true, structured: true });
    await succeed("nbdcopy", ["--connections=4", place.path("from"), uri]);
    await succeed("nbdcopy", ["--connections=4", uri, place.path("out")]);
    await succeed("cmp", [place.path("from"), place.path("out")]);
  });

  test("who comes without TLS is told nothing, and who comes with it goes on", async () => {
    const server = await start(scheme);
    const plain = await run("nbdinfo", ["--json", uriOf(server, false)]);
    expect(plain.exitCode).toBe(1);
    expect(plain.stdout).not.toContain("export");
    const listing = await run("nbdinfo", ["--list", uriOf(server, false)]);
    expect(listing.stdout).not.toContain("ram0");
    expect(await exitCodeOf(uriOf(server, true, trusting))).toBe(0);
  });
});

// On a Unix socket libnbd has no name of a host that it could look for, and looks for nothing.
test("who does not know the authority refuses the server, which takes the next", async () => {
  const server = await start("nbds:");
  const another = await makeCertificates(place.path("another"));
  expect(await exitCodeOf(uriOf(server, true, another))).toBe(1);
  expect(await exitCodeOf(uriOf(server, true, trusting))).toBe(0);
});

test("who has to have a certificate, and has none of that authority, is refused", async () => {
  const listen = `nbds+unix:///?socket=${place.path("nbd.sock")}`;
  const tls = { listen, tlsCertificates: certificates, tlsVerifyPeer: true };
  const server = await startServer(place, ["ram0=memory:1M"], tls);
  const another = await makeCertificates(place.path("another"));
  await copyFile(`${certificates}/ca-cert.pem`, `${another}/ca-cert.pem`);
  // Refused is who has none, and who has one of somebody else; and neither is in the way of the next.
  expect(await exitCodeOf(uriOf(server, true, trusting))).toBe(1);
  expect(await exitCodeOf(uriOf(server, true, another))).toBe(1);
  expect(await exitCodeOf(uriOf(server, true, certificates))).toBe(0);
});

test("offered: some come with it, some without, and have the same disc", async () => {
  const server = await start("nbd:");
  const [secret, plain] = [uriOf(server, true, trusting), uriOf(server, false)];
  await makeSparse(place.path("from"), 16 * MIB, [[MIB, pattern(9 * MIB)]]);
  expect(await json("nbdinfo", ["--json", secret])).toMatchObject({ TLS: true });
  expect(await json("nbdinfo", ["--json", plain])).toMatchObject({ TLS: false });
  await succeed("nbdcopy", ["--flush", place.path("from"), secret]);
  await succeed("nbdcopy", [plain, place.path("out")]);
  await succeed("cmp", [place.path("from"), place.path("out")]);
});

test("a server without certificates has none to offer", async () => {
  const server = await startServer(place, ["ram0=memory:1M"], { listen: "nbd://localhost:0" });
  expect(await exitCodeOf(uriOf(server, true, trusting))).toBe(1);
  expect(await exitCodeOf(uriOf(server, false))).toBe(0);
});

test("QEMU's client writes and reads what it wrote", async (context) => {
  need(context, "qemu-io");
  const server = await start("nbds:");
  const { port } = new URL(server.uri("ram0"));
  const credentials = `tls-creds-x509,id=tls0,endpoint=client,dir=${trusting}`;
  const where = `file.server.type=inet,file.server.host=localhost,file.server.port=${port}`;
  const disk = `driver=raw,file.driver=nbd,file.export=ram0,file.tls-creds=tls0,${where}`;
  const list = ["write -P 7 0 16M", "write -z 1M 1M", "read -P 7 0 1M", "read -P 0 1M 1M"];
  const stdout = await succeed("qemu-io", [
    ...["--object", credentials, "--image-opts", disk],
    ...list.flatMap((command) => ["-c", command]),
  ]);
  expect(stdout).not.toContain("failed");
});

test.each([{ missing: "server-key.pem" }, { missing: "server-cert.pem" }])(
  "without $missing blockpt serve does not begin, and says which file it wants",
  async ({ missing }) => {
    await succeed("rm", [`${certificates}/${missing}`]);
    const listen = `nbds+unix:///?socket=${place.path("nbd.sock")}`;
    const args = [
      "serve",
      "--listen",
      listen,
      "--tls-certificates",
      certificates,
      "ram0=memory:1M",
    ];
    const { exitCode, stderr } = await place.run(args);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(missing);
  },
);
