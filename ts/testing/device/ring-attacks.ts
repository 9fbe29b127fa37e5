// Device rings that lie, and bytes of a queue that are not the device's to write (protocol, sections 3 and 5).

import { SLEEPING_OFFSET } from "../../abi/layout.js";
import { roundUp } from "../../abi/queue-layout.js";
import type { Plan } from "../attack.js";
import type { Patch } from "../tamperer.js";
import type { DeviceRings, RawRequest } from "./device-rings.js";
import type { DeviceStage } from "./stage.js";

/** A descriptor that is not outstanding while few are. */
const FREE = 9;
/** Reads while the rings are rewritten. */
const READS = 8;

const deviceRing = ({ start, layout }: DeviceRings): number => start + layout.deviceOffset;
const driverRing = ({ start, layout }: DeviceRings): number => start + layout.driverOffset;
const doorbell = (rings: DeviceRings): number => {
  const end = deviceRing(rings) + 2 + 2 * rings.layout.numDescriptors;
  return roundUp(end, 64);
};

/** Rewrites bytes of a queue while it is read; each round has a queue of its own. */
function rewriting(patches: (rings: DeviceRings) => Patch[], due: readonly string[]) {
  return {
    due,
    async act(stage: DeviceStage): Promise<string> {
      await stage.prepare();
      const outcome = await stage.attach();
      if (outcome !== "attached") return outcome;
      const outcomes = new Set<string>();
      await stage.tamperer.start(patches(stage.rings));
      for (let read = 0; read < READS; read++) outcomes.add(await stage.read());
      await stage.tamperer.stop();
      return [...outcomes].sort().join(" and ");
    },
  };
}

/** A lie on the device ring, while requests are outstanding. */
function ringLie(
  name: string,
  lie: (rings: DeviceRings, first: RawRequest, stage: DeviceStage) => void,
  due: readonly string[] = ["failed"],
): Plan<DeviceStage> {
  return {
    name,
    section: "3",
    due,
    act: (stage) => stage.readWhile((rings, first) => lie(rings, first, stage)),
  };
}

/** Serves the first request, and does not say so. */
function perform(stage: DeviceStage, request: RawRequest): void {
  request.rings.setStatus(request.index, stage.device.perform(request));
}

/** An `idx` of the device ring that is no place on it, or that nothing was put for. */
function badIdx(name: string, idx: (rings: DeviceRings) => number): Plan<DeviceStage> {
  return {
    ...ringLie(name, (rings) => rings.publish(idx(rings))),
    rewriting: rewriting(
      (rings) => [{ at: deviceRing(rings), width: 2, good: 0, bad: idx(rings) }],
      ["failed", "failed and served", "served"],
    ),
  };
}

/** An entry of the device ring that is no descriptor, or none that is outstanding. */
function badEntry(name: string, entry: (rings: DeviceRings) => number): Plan<DeviceStage> {
  return {
    ...ringLie(name, (rings) => rings.push(entry(rings))),
    rewriting: rewriting(
      // The first descriptor that a driver uses is 0, as a rule: else both are lies.
      (rings) => [{ at: deviceRing(rings) + 2, width: 2, good: 0, bad: entry(rings) }],
      ["failed", "failed and served", "served"],
    ),
  };
}

/** A word of a queue that is the driver's own, or means nothing: requests are served all the same. */
function foreignWord(
  name: string,
  section: string,
  word: (rings: DeviceRings) => Omit<Patch, "good">,
): Plan<DeviceStage> {
  return {
    name,
    section,
    due: ["served"],
    async act(stage) {
      const outcome = await stage.attach();
      if (outcome !== "attached") return outcome;
      const { at, width, bad } = word(stage.rings);
      const view = new DataView(stage.device.bus.buffer);
      if (width === 2) view.setUint16(at, Number(bad), true);
      else view.setUint32(at, Number(bad), true);
      return stage.read();
    },
  };
}

const statuses = [200, 255].map((status): Plan<DeviceStage> => {
  return {
    name: `a request is answered with status ${status}, unknown`,
    section: "3",
    due: ["failed"],
    async act(stage) {
      stage.device.lies.decide = ({ rings }) => (rings.devIdx === 0 ? status : undefined);
      return stage.attachAndRead();
    },
  };
});

export const ringAttacks: readonly Plan<DeviceStage>[] = [
  badIdx("the device ring's idx is num_desc", ({ layout }) => layout.numDescriptors),
  badIdx("the device ring's idx is 0xfffe", () => 0xfffe),
  badIdx("the device ring's idx is ahead of what is outstanding", () => 12),
  badIdx(
    "the device ring's idx is one short of the ring",
    ({ layout }) => layout.numDescriptors - 1,
  ),
  ringLie(
    "the device ring's idx goes back",
    (rings, first, stage) => {
      stage.device.complete(first);
      rings.publish(rings.layout.numDescriptors - 1);
    },
    ["failed", "failed and served"],
  ),
  badEntry("a descriptor is completed that is not there", ({ layout }) => layout.numDescriptors),
  badEntry("descriptor 0xffff is completed", () => 0xffff),
  badEntry("a descriptor is completed that is free", () => FREE),
  ringLie(
    "a descriptor is completed twice",
    (rings, first, stage) => {
      perform(stage, first);
      rings.push(first.index, first.index);
    },
    // The one that was served counts, or fails with the others.
    ["failed", "failed and served"],
  ),
  ringLie("a descriptor is completed that is no longer in use", (rings, { index }) => {
    rings.scribble(index, 0);
    rings.setStatus(index, 0);
    rings.push(index);
  }),
  ringLie(
    "all of a descriptor but in use is overwritten, then it is completed",
    (rings, _first, stage) => {
      for (const request of rings.held.splice(0)) {
        perform(stage, request);
        rings.scribble(request.index, 0xff);
        rings.push(request.index);
      }
    },
    ["served"],
  ),
  ...statuses,
  foreignWord("the driver ring's idx is overwritten", "3", (rings) => {
    return { at: driverRing(rings), width: 2, bad: 0 };
  }),
  foreignWord("the first entries of the driver ring are overwritten", "3", (rings) => {
    return { at: driverRing(rings) + 2, width: 4, bad: 0xffffffff };
  }),
  foreignWord("a bell is overwritten", "5", (rings) => {
    return { at: doorbell(rings), width: 4, bad: 0xffffffff };
  }),
  foreignWord("the word that the device sleeps is overwritten", "5", (rings) => {
    return { at: doorbell(rings) + SLEEPING_OFFSET, width: 4, bad: 0xffffffff };
  }),
];
