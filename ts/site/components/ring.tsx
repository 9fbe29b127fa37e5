// A queue as two rings: how far the driver has written on the outer one, how far the device on the inner one, and
// between the two what is in flight.

import {
  arcPath,
  describeRings,
  mostInFlight,
  pointAt,
  slotDashes,
  type Trail,
} from "../model/rings.js";

export interface RingProps {
  readonly queue: number;
  readonly title: string;
  readonly numDescriptors: number;
  readonly trail: Trail | undefined;
  readonly isOff?: boolean;
}

const OUTER = 78;
const INNER = 62;
const MARK = 5;

export function Ring({ queue, title, numDescriptors, trail, isOff = false }: RingProps) {
  const positions = trail?.positions;
  const { driverIdx = 0, deviceIdx = 0, gone = false } = positions ?? {};
  const turn = (idx: number): number => (idx < numDescriptors ? idx / numDescriptors : 0);
  const label =
    positions === undefined ? "No queue" : describeRings(queue, numDescriptors, positions);
  const from = turn(deviceIdx);
  const frames = trail === undefined ? [] : [...trail.earlier, trail.positions];
  return (
    <figure class={isOff ? "ring is-off" : "ring"}>
      <svg viewBox="-96 -96 192 192" role="img" aria-label={label}>
        <circle
          class="track"
          r={OUTER}
          stroke-dasharray={slotDashes(OUTER, numDescriptors)}
          transform="rotate(-90)"
        />
        <circle
          class="track"
          r={INNER}
          stroke-dasharray={slotDashes(INNER, numDescriptors)}
          transform="rotate(-90)"
        />
        {frames.map((frame, age) => (
          <path
            key={age}
            class="flight"
            opacity={((age + 1) / frames.length) ** 2}
            d={arcPath(OUTER, turn(frame.deviceIdx), (frame.inFlight ?? 0) / numDescriptors)}
          />
        ))}
        {!isOff && !gone && (
          <>
            <Mark kind="driver" radius={OUTER + 10} turn={turn(driverIdx)} />
            <Mark kind="device" radius={INNER - 10} turn={from} />
          </>
        )}
        <text class="count" y="4">
          {isOff ? "–" : gone ? "gone" : trail === undefined ? 0 : mostInFlight(trail)}
        </text>
        <text class="unit" y="22">
          in flight
        </text>
      </svg>
      <figcaption>
        {title}
        <small>
          <i class="driver" /> {driverIdx} <i class="device" /> {gone ? "gone" : deviceIdx}
        </small>
      </figcaption>
    </figure>
  );
}

function Mark({ kind, radius, turn }: { kind: "driver" | "device"; radius: number; turn: number }) {
  const { x, y } = pointAt(radius, turn);
  return <circle class={`mark ${kind}`} cx={x.toFixed(2)} cy={y.toFixed(2)} r={MARK} />;
}
