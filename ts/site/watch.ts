// What is read from the bus again and again: registers and rings with every frame, straight from its bytes; and what
// only the endpoint knows a few times a second, by asking it.

import { REGISTERS_BYTES } from "blockpt/abi";
import type { Machine } from "./machine/machine.js";
import { registerRows, takeChanges } from "./model/registers.js";
import { isAtRest, readPositions, withPositions } from "./model/rings.js";
import * as state from "./state.js";

const ASK_MS = 300;

/** Watches a machine until the result is called. */
export function watch(machine: Machine, onLost: (error: unknown) => void): () => void {
  const { bus } = machine;
  const bar = bus.barView();
  const words = new Uint16Array(bus.buffer, bus.bar.offset, bus.bar.length / 2);
  const live = new Uint8Array(bus.buffer, bus.bar.offset, REGISTERS_BYTES);
  const kept = new Uint8Array(REGISTERS_BYTES);
  let isOver = false;
  let frame = 0;

  const look = (): void => {
    if (takeChanges(kept, live) || state.registers.value.length === 0) {
      state.registers.value = registerRows(bar, state.registers.value);
    }
    lookAtRings(words);
    frame = requestAnimationFrame(look);
  };
  const ask = async (): Promise<void> => {
    try {
      const report = await machine.inspect();
      const faulty = await machine.linkFaults();
      if (isOver) return;
      takeReport(report.discs[0]);
      state.linkFaults.value = faulty;
      timer = setTimeout(ask, ASK_MS);
    } catch (error) {
      if (!isOver) onLost(error);
    }
  };
  let timer = setTimeout(ask);
  look();
  return () => {
    isOver = true;
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    state.registers.value = [];
    state.queues.value = [];
    state.trails.value = [];
    state.disc.value = undefined;
    state.faults.value = [];
  };
}

function lookAtRings(words: Uint16Array): void {
  const before = state.trails.value;
  const now = state.queues.value.map(({ place }) => readPositions(words, place));
  const isSame =
    now.length === before.length && now.every((each, at) => isAtRest(before[at], each));
  if (isSame) return;
  const isOther = now.length !== before.length;
  state.trails.value = now.map((each, at) => withPositions(isOther ? undefined : before[at], each));
}

function takeReport(
  disc: Awaited<ReturnType<Machine["inspect"]>>["discs"][number] | undefined,
): void {
  state.disc.value = disc;
  state.faults.value = disc?.faults ?? [];
  state.queues.value = (disc?.queues ?? []).flatMap((report) => {
    const { placed, index } = report;
    if (placed === undefined) return [];
    const { offset, drvOffset, devOffset, numDescriptors } = placed;
    const place = {
      numDescriptors,
      driverRing: offset + drvOffset,
      deviceRing: offset + devOffset,
    };
    return [{ index, place, report }];
  });
}
