// An NBD server in the test's own thread, as a program has one that embeds it; everything is closed after the test.

import { type AttachOptions, type Bus, type BusOptions, type Disc, RootComplex } from "blockpt";
import { type NbdExport, NbdServer, type NbdServerOptions, parseNbdUri } from "blockpt/nbd";
import { Option, OptionReply } from "../../ts/nbd/protocol.js";
import { afterThisTest, makeEndpoint } from "../api/rig.js";
import { metaData, RawClient } from "./raw-client.js";
import { makeFolder } from "./servers.js";

const PAGE_BYTES = 4096;

/** Discs that are exported and attached; the disks are in the discs' order. */
export async function attachAll(
  discs: Readonly<Record<string, (bus: Bus) => Disc | Promise<Disc>>>,
  busOptions: BusOptions = {},
  attachOptions: AttachOptions = {},
) {
  const { bus, endpoint } = await makeEndpoint({
    hostMemoryBytes: 32 * 1024 * 1024,
    ...busOptions,
  });
  for (const [name, make] of Object.entries(discs)) {
    await endpoint.exportDisc(name, await make(bus));
  }
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  afterThisTest(() => rc.close().catch(() => {}));
  const names = Object.keys(discs);
  const disks = await Promise.all(
    names.map((name) => rc.attach(name, { numDescriptors: 256, ...attachOptions })),
  );
  return { bus, endpoint, rc, disks, disk: disks[0] as (typeof disks)[0] };
}

/** A server of these exports, on a Unix socket unless something else is said. */
export async function listen(
  exports: Iterable<NbdExport>,
  options: Partial<NbdServerOptions> = {},
): Promise<NbdServer> {
  const uri = options.uri ?? `nbd+unix:///?socket=${makeFolder()}/s`;
  const server = await NbdServer.listen({ ...options, uri, exports });
  afterThisTest(() => server.close());
  return server;
}

/** Where a server's clients connect. */
export function placeOf(server: NbdServer): string | number {
  const { socketPath, port } = parseNbdUri(server.uri());
  return socketPath ?? port;
}

/** A client that is greeted, and has no export. */
export async function greeted(server: NbdServer): Promise<RawClient> {
  const client = await RawClient.connect(placeOf(server));
  // It does not keep the server waiting at the end.
  afterThisTest(() => client.destroy());
  await client.greet();
  return client;
}

/** A client that is ready for requests, without structured replies. */
export async function openSimple(server: NbdServer, name = ""): Promise<RawClient> {
  const client = await greeted(server);
  await client.go(name);
  return client;
}

/** A client that is ready for requests, with structured replies and `base:allocation`. */
export async function openStructured(server: NbdServer, name = ""): Promise<RawClient> {
  const client = await greeted(server);
  for (const [option, data] of [
    [Option.STRUCTURED_REPLY, undefined],
    [Option.SET_META_CONTEXT, metaData(name, "base:allocation")],
  ] as const) {
    const { reply } = await client.ask(option, data);
    if (reply !== OptionReply.ACK) throw new Error(`option ${option} is answered by ${reply}`);
  }
  await client.go(name);
  return client;
}

/** How many pages of host memory can be allocated now. */
export function freePages(disk: {
  allocate(bytes: number): Uint8Array;
  free(buffer: Uint8Array): void;
}): number {
  const pages: Uint8Array[] = [];
  try {
    for (;;) pages.push(disk.allocate(PAGE_BYTES));
  } catch {
    // There are no more.
  }
  for (const page of pages) disk.free(page);
  return pages.length;
}
