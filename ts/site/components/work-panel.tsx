// What is done with the machine: one of four, as tabs.

import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { ComparisonPanel } from "./comparison-panel.js";
import { FaultPanel } from "./fault-panel.js";
import { StepPanel } from "./step-panel.js";
import { WorkloadPanel } from "./workload-panel.js";

const TABS = [
  { id: "workload", text: "Workload", Panel: WorkloadPanel },
  { id: "comparison", text: "WASM against TypeScript", Panel: ComparisonPanel },
  { id: "step", text: "Single step", Panel: StepPanel },
  { id: "faults", text: "Faults", Panel: FaultPanel },
] as const;

const chosen = signal(0);

export function WorkPanel() {
  const buttons = useRef<(HTMLButtonElement | null)[]>([]);
  const current = TABS[chosen.value] ?? TABS[0];
  const choose = (index: number): void => {
    chosen.value = (index + TABS.length) % TABS.length;
    buttons.current[chosen.value]?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const target = {
      ArrowRight: chosen.value + 1,
      ArrowLeft: chosen.value - 1,
      Home: 0,
      End: TABS.length - 1,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    choose(target);
  };
  return (
    <section class="card work" aria-label="What is done with it">
      <div class="tabs" role="tablist" aria-label="What is done with it" onKeyDown={onKeyDown}>
        {TABS.map(({ id, text }, index) => (
          <button
            key={id}
            ref={(button) => {
              buttons.current[index] = button;
            }}
            type="button"
            role="tab"
            id={`tab-${id}`}
            aria-controls={`panel-${id}`}
            aria-selected={index === chosen.value}
            tabIndex={index === chosen.value ? 0 : -1}
            onClick={() => choose(index)}
          >
            {text}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`panel-${current.id}`} aria-labelledby={`tab-${current.id}`}>
        <current.Panel />
      </div>
    </section>
  );
}
