// A disc of an NBD server, exported and attached.

import { type Disc, NbdDisc, type NbdDiscOptions, RootComplex } from "blockpt";
import { expect } from "vitest";
import { afterThisTest, makeEndpoint } from "../api/rig.js";

export async function attach(disc: Disc, queues = 1, extension = true) {
  const { bus, endpoint, stopped, log } = await makeEndpoint({
    hostMemoryBytes: 16 * 1024 * 1024,
  });
  await endpoint.exportDisc("nbd", disc, { queues });
  await endpoint.start();
  const rc = await RootComplex.probe(bus, { extension });
  afterThisTest(() => rc.close().catch(() => {}));
  const disk = await rc.attach("nbd", { queues, numDescriptors: 64 });
  return { bus, endpoint, rc, disk, stopped, log };
}

export async function attachNbd(uri: string, options: NbdDiscOptions = {}, queues = 1) {
  return attach(await NbdDisc.open(uri, options), queues);
}

export const code = (name: string) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}` });

/** What a request is answered with that the device refuses. */
export const status = (blkStatus: number) => expect.objectContaining({ blkStatus });
