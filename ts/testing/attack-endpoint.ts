// All attacks of a driver on the endpoint of a bus, in one call.

import type { Bus } from "../bus/bus.js";
import { type AttackResult, runAll } from "./attack.js";
import {
  driverAttacks,
  HostileDriver,
  type HostileDriverOptions,
} from "./driver/hostile-driver.js";

/** How an endpoint is attacked. */
export interface AttackEndpointOptions extends HostileDriverOptions {
  /** Whether each attack is made again while another thread rewrites what is attacked. Default true. */
  rewriting?: boolean | undefined;
}

/**
 * Attacks the endpoint on a bus in every way of {@link driverAttacks}, and says what came of each; the endpoint passes
 * if no result's `passed` is false.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_NO_ENDPOINT` if no endpoint is started on the bus;
 * `ERR_BLOCKPT_NO_SUCH_DISC` if it has no disc that may be written; `ERR_BLOCKPT_INVALID_ARGUMENT` if the bus has less
 * than 128 KiB of host memory, or an option is out of its range
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc } from "blockpt";
 * import { attackEndpoint } from "blockpt/testing";
 *
 * const bus = await createBus({ hostMemoryBytes: 256 * 1024 });
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
 * await endpoint.exportDisc("ram1", MemoryDisc.create(bus, 65536));
 * await endpoint.start();
 *
 * const results = await attackEndpoint(bus, { rewriting: false });
 * console.log(results.filter(({ passed }) => passed === false)); // []
 * await endpoint.close();
 * ```
 */
export async function attackEndpoint(
  bus: Bus,
  options: AttackEndpointOptions = {},
): Promise<AttackResult[]> {
  const driver = new HostileDriver(bus, options);
  try {
    return await runAll(driverAttacks, driver, options.rewriting ?? true);
  } finally {
    await driver.close();
  }
}
