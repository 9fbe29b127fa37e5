// All attacks of a device on a root complex, in one call.

import type { Bus } from "../bus/bus.js";
import { type AttackResult, runAll } from "./attack.js";
import {
  deviceAttacks,
  HostileDevice,
  type HostileDeviceOptions,
} from "./device/hostile-device.js";
import type { AttackedRootComplex } from "./device/stage.js";

/** How a root complex is attacked. */
export interface AttackRootComplexOptions extends HostileDeviceOptions {
  /** Whether attacks are made again while another thread rewrites what is attacked. Default true. */
  rewriting?: boolean | undefined;
}

/**
 * Attacks a root complex in every way of {@link deviceAttacks}, and says what came of each; the root complex passes if no
 * result's `passed` is false. No endpoint may be on the bus.
 *
 * @param probe - has the root complex find the endpoint on the bus: called for each attack, and again after it, with a
 * device that does nothing wrong
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if an option is out of its range
 *
 * @example
 * ```ts
 * import { createBus, RootComplex } from "blockpt";
 * import { attackRootComplex } from "blockpt/testing";
 *
 * const bus = await createBus({ hostMemoryBytes: 1024 * 1024 });
 * const probe = () => RootComplex.probe(bus, { commandTimeoutMs: 500 });
 * const results = await attackRootComplex(bus, probe, { rewriting: false });
 * console.log(results.filter(({ passed }) => passed === false)); // []
 * ```
 */
export async function attackRootComplex(
  bus: Bus,
  probe: () => Promise<AttackedRootComplex>,
  options: AttackRootComplexOptions = {},
): Promise<AttackResult[]> {
  const device = new HostileDevice(bus, probe, options);
  try {
    return await runAll(deviceAttacks, device, options.rewriting ?? true);
  } finally {
    await device.close();
  }
}
