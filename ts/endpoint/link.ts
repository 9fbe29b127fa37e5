// The link of a bus: one endpoint has it, from the others' sight until its heart stands still; and what its registers say
// when it comes up.

import {
  EXT_MAGIC,
  EXT_VERSION,
  Feature,
  MAGIC,
  MAX_DEVICES,
  MAX_LEN_BYTES,
  REGISTERS_BYTES,
  Register,
} from "../abi/layout.js";
import type { Registers } from "../abi/registers.js";
import type { Bus } from "../bus/bus.js";

/** The heartbeat moves twice as often as the protocol asks for. */
export const HEARTBEAT_MS = 500;
/** An endpoint whose heartbeat stands still for so long is gone: two of the protocol's heartbeats. */
const GONE_MS = 2000;

/**
 * Takes the link, if need be from an endpoint that is gone; gives the generation that begins, or 0 if another
 * endpoint has it.
 *
 * @param onAbandoned - hears that an endpoint was gone, before it is taken over
 */
export async function takeLink(bus: Bus, onAbandoned: () => void): Promise<number> {
  const { owners } = bus;
  const last = owners.generation;
  if (!hasLink(bus) && owners.takeLink()) return owners.nextGeneration(owners.generation);
  if (!(await isAbandoned(bus))) return 0;
  onAbandoned();
  // Of all who waited for it one is the first.
  const generation = owners.nextGeneration(last);
  if (generation !== 0) owners.takeLink();
  return generation;
}

/** Whether an endpoint is on the bus, this one or another: one that knows no configuration space has its magic. */
function hasLink(bus: Bus): boolean {
  return (
    bus.configSpace.read() !== undefined ||
    Atomics.load(registersOf(bus), Register.magic / 4) === MAGIC
  );
}

/** Whether the endpoint that has the link is gone: nothing is heard of it for two heartbeats. */
async function isAbandoned(bus: Bus): Promise<boolean> {
  const registers = registersOf(bus);
  // Of one that is not ours, and has no extension block, no heartbeat is to be expected.
  const hasBlock = Atomics.load(registers, Register.extMagic / 4) === EXT_MAGIC;
  if (!hasBlock && !bus.owners.isLinkTaken) return false;
  const pulse = (): string =>
    [Register.generation, Register.heartbeat]
      .map((register) => Atomics.load(registers, register / 4))
      .join();
  const before = pulse();
  const deadline = performance.now() + GONE_MS;
  while (performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MS / 5));
    if (pulse() !== before) return false;
  }
  return true;
}

/** Writes all registers of an endpoint that starts. */
export function writeRegisters(
  bus: Bus,
  values: Pick<Registers, "availableQsize" | "numQueues"> & { readonly generation: number },
): void {
  const bar = bus.barView();
  // Descriptor space stays as it is: zeroed rings would read as completions to a root complex
  // that is still attached to what was there before.
  new Uint8Array(bar.buffer, bar.byteOffset, REGISTERS_BYTES).fill(0);
  bar.setUint32(Register.queueBarOffset, REGISTERS_BYTES, true);
  bar.setUint32(Register.availableQsize, values.availableQsize, true);
  bar.setUint32(Register.maxDevs, MAX_DEVICES, true);
  bar.setUint32(Register.numQueues, values.numQueues, true);
  bar.setUint32(Register.extVersion, EXT_VERSION, true);
  bar.setUint32(Register.extFeatures, Feature.DOORBELL, true);
  bar.setUint32(Register.maxLen, MAX_LEN_BYTES, true);
  bar.setInt32(Register.generation, values.generation, true);
  bar.setUint32(Register.extMagic, EXT_MAGIC, true);
  // Last: who finds the magic finds the rest.
  Atomics.store(registersOf(bus), Register.magic / 4, MAGIC);
}

/** The registers, as words. */
export function registersOf({ buffer, bar }: Bus): Int32Array {
  return new Int32Array(buffer, bar.offset, REGISTERS_BYTES / 4);
}
