// The rings of a queue as the page sees them: where both sides are, and the arcs that draw it.

import { RING_GONE } from "blockpt/abi";

/** Where a queue is, in bytes from the start of the BAR. */
export interface QueuePlace {
  readonly numDescriptors: number;
  readonly driverRing: number;
  readonly deviceRing: number;
}

/** Where both sides are. */
export interface Positions {
  readonly driverIdx: number;
  readonly deviceIdx: number;
  /** Undefined where an `idx` is out of range. */
  readonly inFlight: number | undefined;
  readonly gone: boolean;
}

/** Reads both `idx` from the bytes of the BAR. */
export function readPositions(bar: Uint16Array, place: QueuePlace): Positions {
  const deviceIdx = Atomics.load(bar, place.deviceRing / 2);
  const driverIdx = Atomics.load(bar, place.driverRing / 2);
  const { numDescriptors } = place;
  const isSound = driverIdx < numDescriptors && deviceIdx < numDescriptors;
  return {
    driverIdx,
    deviceIdx,
    inFlight: isSound ? (driverIdx - deviceIdx + numDescriptors) % numDescriptors : undefined,
    gone: deviceIdx === RING_GONE,
  };
}

/** Frames that are still seen a little: at a frame's moment all may be answered, and nothing of it is to be seen. */
const TRAIL = 12;

/** What was in flight in the last frames, the latest last. */
export interface Trail {
  readonly positions: Positions;
  readonly earlier: readonly Positions[];
}

export function withPositions(trail: Trail | undefined, positions: Positions): Trail {
  if (trail === undefined) return { positions, earlier: [] };
  return { positions, earlier: [...trail.earlier, trail.positions].slice(-TRAIL) };
}

/** Whether there is nothing new to be seen. */
export function isAtRest(trail: Trail | undefined, now: Positions): boolean {
  return (
    trail?.earlier.every((each) => samePositions(each, now)) === true &&
    samePositions(trail.positions, now)
  );
}

/** The most that was in flight in one of the last frames. */
export function mostInFlight({ positions, earlier }: Trail): number {
  return Math.max(...[...earlier, positions].map(({ inFlight = 0 }) => inFlight));
}

function samePositions(one: Positions | undefined, other: Positions): boolean {
  return one?.driverIdx === other.driverIdx && one.deviceIdx === other.deviceIdx;
}

/** A point of a circle around 0, as a share of its turn clockwise from the top. */
export function pointAt(radius: number, turn: number): { x: number; y: number } {
  const angle = 2 * Math.PI * turn;
  return { x: radius * Math.sin(angle), y: -radius * Math.cos(angle) };
}

/** The path of an arc clockwise from one share of the turn on; empty for none. */
export function arcPath(radius: number, fromTurn: number, turns: number): string {
  if (turns <= 0) return "";
  const share = Math.min(turns, 0.9999);
  const from = pointAt(radius, fromTurn);
  const to = pointAt(radius, fromTurn + share);
  const isLarge = share > 0.5 ? 1 : 0;
  const at = ({ x, y }: { x: number; y: number }): string => `${x.toFixed(2)} ${y.toFixed(2)}`;
  return `M ${at(from)} A ${radius} ${radius} 0 ${isLarge} 1 ${at(to)}`;
}

/** Dashes that make a slot of each descriptor; undefined for rings whose slots would be too small to see. */
export function slotDashes(radius: number, numDescriptors: number): string | undefined {
  if (numDescriptors > 64) return undefined;
  const slot = (2 * Math.PI * radius) / numDescriptors;
  const gap = Math.min(2.5, slot / 4);
  return `${(slot - gap).toFixed(3)} ${gap.toFixed(3)}`;
}

/** A queue's rings in words. */
export function describeRings(
  queue: number,
  numDescriptors: number,
  { driverIdx, deviceIdx, inFlight, gone }: Positions,
): string {
  const rings = `Queue ${queue}: driver ring idx ${driverIdx}, device ring idx ${deviceIdx}`;
  if (gone) return `${rings}: the endpoint has left it`;
  const flight = inFlight === undefined ? "out of range" : `${inFlight} in flight`;
  return `${rings}, ${flight}, of at most ${numDescriptors - 1}`;
}
