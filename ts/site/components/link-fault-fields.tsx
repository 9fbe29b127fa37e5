// What goes wrong between the two sides: interrupts that get lost or come for nothing, and an endpoint that is slow.

import type { LinkFaults } from "blockpt";
import { setLinkFaults } from "../actions.js";
import { linkFaults, linkSwitches } from "../state.js";

/** A switch, and what it means. */
interface Switch {
  readonly name: string;
  readonly faults: LinkFaults;
}

const SWITCHES: readonly Switch[] = [
  { name: "Every third interrupt gets lost", faults: { loseInterrupts: { every: 3 } } },
  { name: "Interrupts for nothing, each 10 ms", faults: { spuriousInterruptsMs: 10 } },
  { name: "Commands wait for 300 ms", faults: { commandDelayMs: 300 } },
  { name: "Each look at a queue takes 2 ms more", faults: { queueDelayMs: 2 } },
];

export function LinkFaultFields({ isReady }: { isReady: boolean }) {
  const chosen = linkSwitches.value;
  const toggle = (name: string, isOn: boolean): void => {
    const next = isOn ? [...chosen, name] : chosen.filter((each) => each !== name);
    linkSwitches.value = next;
    const wanted = SWITCHES.filter((each) => next.includes(each.name));
    void setLinkFaults(Object.assign({}, ...wanted.map(({ faults }) => faults)));
  };
  const { lost, spurious } = linkFaults.value;
  return (
    <>
      <div class="switches">
        {SWITCHES.map(({ name }) => (
          <label class="check" key={name}>
            <input
              type="checkbox"
              checked={chosen.includes(name)}
              disabled={!isReady}
              onChange={(event) => toggle(name, event.currentTarget.checked)}
            />
            <span>{name}</span>
          </label>
        ))}
      </div>
      <p class="hint">
        Interrupts lost {lost}, for nothing {spurious}.
      </p>
    </>
  );
}
