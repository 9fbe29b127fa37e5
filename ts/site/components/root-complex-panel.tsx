// The root complex's side: attach, detach, and a look at single sectors.

import { attach, detach } from "../actions.js";
import { busy, machine, numDescriptors, phase } from "../state.js";
import { Choice } from "./field.js";
import { SectorPanel } from "./sector-panel.js";

const DESCRIPTORS = [16, 64, 256, 1024].map((value) => ({ value, text: String(value) }));

export function RootComplexPanel() {
  return (
    <section class="card" aria-labelledby="root-complex-title">
      <h2 id="root-complex-title">
        Root complex <span>attaches it as a disk</span>
      </h2>
      <Inside />
    </section>
  );
}

function Inside() {
  const isBusy = busy.value !== "";
  switch (phase.value) {
    case "empty":
      return <p class="hint">Export a disc first: there is no endpoint on the bus yet.</p>;
    case "stepping":
      return <p class="hint">It has left the endpoint: you are the driver, under Single step.</p>;
    case "exported":
      return (
        <div class="fields">
          <Choice
            label="Descriptors a queue"
            value={numDescriptors.value}
            options={DESCRIPTORS}
            onChange={(chosen) => {
              numDescriptors.value = chosen;
            }}
          />
          <div class="buttons">
            <button type="button" class="main" disabled={isBusy} onClick={() => void attach()}>
              {busy.value === "attaching" ? "Attaching…" : "Attach"}
            </button>
          </div>
        </div>
      );
    default:
      return (
        <>
          <div class="buttons">
            <strong class="disk">/dev/pci-rd-{machine.value?.options.name}</strong>
            <button type="button" disabled={isBusy} onClick={() => void detach()}>
              Detach
            </button>
          </div>
          <SectorPanel />
        </>
      );
  }
}
