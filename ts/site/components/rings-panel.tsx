// The rings between the two sides, one drawing a queue, and the descriptors that are in flight.

import { BlkStatus, nameOf } from "blockpt/abi";
import { describeRings } from "../model/rings.js";
import { phase, queues, trails } from "../state.js";
import { Ring } from "./ring.js";

const MOST_LISTED = 8;

export function RingsPanel() {
  return (
    <section class="card rings" aria-labelledby="rings-title">
      <h2 id="rings-title">
        Rings <span>outside the driver's, inside the device's</span>
      </h2>
      {queues.value.length === 0 ? <Idle /> : <Queues />}
    </section>
  );
}

function Idle() {
  const why =
    phase.value === "empty"
      ? "The bus is empty."
      : "No queue is set: the driver says where its queues are when it attaches.";
  return (
    <div class="ring-row">
      <Ring queue={0} title="no queue" numDescriptors={16} trail={undefined} isOff />
      <p class="hint">{why}</p>
    </div>
  );
}

function Queues() {
  return (
    <>
      <div class="ring-row">
        {queues.value.map(({ index, place }, at) => (
          <Ring
            key={index}
            queue={index}
            title={titleOf(index)}
            numDescriptors={place.numDescriptors}
            trail={trails.value[at]}
          />
        ))}
      </div>
      <InFlight />
    </>
  );
}

function titleOf(index: number): string {
  if (phase.value === "stepping") return "queue 0, you";
  return index === 0 ? "queue 0, page" : `queue ${index}, worker`;
}

/** The numbers of the drawings, and the oldest descriptors in flight. */
function InFlight() {
  const rows = queues.value.flatMap(({ index, report }) =>
    (report?.rings?.descriptors ?? []).map((descriptor) => ({ queue: index, descriptor })),
  );
  return (
    <details class="numbers">
      <summary>In numbers, and the descriptors in flight</summary>
      <ul>
        {queues.value.map(({ index, place }, at) => {
          const known = trails.value[at]?.positions;
          return known && <li key={index}>{describeRings(index, place.numDescriptors, known)}</li>;
        })}
      </ul>
      <p class="hint">In the drawings is the most that was in flight in one of the last frames.</p>
      <table>
        <thead>
          <tr>
            <th scope="col">Queue</th>
            <th scope="col">No.</th>
            <th scope="col">Operation</th>
            <th scope="col">Sector</th>
            <th scope="col">Bytes</th>
            <th scope="col">Status</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MOST_LISTED).map(({ queue, descriptor }) => (
            <tr key={`${queue}-${descriptor.index}`}>
              <td>{queue}</td>
              <td>{descriptor.index}</td>
              <td>{descriptor.operation}</td>
              <td>{descriptor.startSector}</td>
              <td>{descriptor.lenBytes}</td>
              <td>{nameOf(BlkStatus, descriptor.status) ?? descriptor.status}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > MOST_LISTED && <p class="hint">and {rows.length - MOST_LISTED} more</p>}
      {rows.length === 0 && <p class="hint">None when it was looked at last.</p>}
    </details>
  );
}
