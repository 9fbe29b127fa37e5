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
  switch (phase.value) {
    case "empty":
      return <p class="hint">Export a disc first: there is no endpoint on the bus yet.</p>;
    case "stepping":
      return <p class="hint">It has left the endpoint: you are the driver, under Single step.</p>;
    default:
      return <AttachForm />;
  }
}

function AttachForm() {
  const isAttached = phase.value === "attached";
  const doing = { attaching: "Attaching…", detaching: "Detaching…" }[busy.value];
  return (
    <>
      {/* One button for both, which keeps the focus. */}
      <form
        key="attach"
        class="attach"
        onSubmit={(event) => {
          event.preventDefault();
          void (isAttached ? detach() : attach());
        }}
      >
        <div key="what">
          {isAttached ? (
            <strong class="disk">/dev/pci-rd-{machine.value?.options.name}</strong>
          ) : (
            <Choice
              label="Descriptors a queue"
              value={numDescriptors.value}
              options={DESCRIPTORS}
              onChange={(chosen) => {
                numDescriptors.value = chosen;
              }}
            />
          )}
        </div>
        <button key="button" type="submit" class={isAttached ? "" : "main"}>
          {doing ?? (isAttached ? "Detach" : "Attach")}
        </button>
      </form>
      {isAttached && <SectorPanel />}
    </>
  );
}
