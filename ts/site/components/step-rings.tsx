// Both rings of the single steps, entry by entry.

import type { StepView } from "../machine/stepper.js";
import { Scroll } from "./scroll.js";

export function StepRings({ view }: { view: StepView }) {
  const { stage, driverRing, driverIdx, driverSlot, deviceRing, deviceIdx, deviceSlot } = view;
  const isOnRing = stage === "published" || stage === "taken";
  return (
    <>
      <h3>Both rings</h3>
      <Scroll class="scroll-x" label="The rings">
        <table class="slots">
          <thead>
            <tr>
              <th scope="col">Ring</th>
              <th scope="col">idx</th>
              {driverRing.map((_, slot) => (
                <th scope="col" key={slot}>
                  {slot}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <Slots
              name="driver"
              idx={driverIdx}
              entries={driverRing}
              marked={isOnRing ? driverSlot : -1}
            />
            <Slots
              name="device"
              idx={deviceIdx}
              entries={deviceRing}
              marked={isOnRing ? deviceSlot : -1}
            />
          </tbody>
        </table>
      </Scroll>
      <p class="hint">Marked is this descriptor's entry; the next one goes where idx points.</p>
    </>
  );
}

interface SlotsProps {
  readonly name: "driver" | "device";
  readonly idx: number;
  readonly entries: readonly number[];
  readonly marked: number;
}

function Slots({ name, idx, entries, marked }: SlotsProps) {
  return (
    <tr>
      <th scope="row">
        <i class={name} /> {name}
      </th>
      <td>{idx}</td>
      {entries.map((entry, slot) => (
        <td
          key={slot}
          class={[slot === marked ? "is-marked" : "", slot === idx ? "is-next" : ""].join(" ")}
        >
          {entry}
        </td>
      ))}
    </tr>
  );
}
