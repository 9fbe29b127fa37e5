// The link of a bus: one endpoint has it, from the others' sight until its heart stands still.

import { EXT_MAGIC, MAGIC, REGISTERS_BYTES, Register } from "../abi/layout.js";
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

/** The registers, as words. */
export function registersOf({ buffer, bar }: Bus): Int32Array {
  return new Int32Array(buffer, bar.offset, REGISTERS_BYTES / 4);
}
