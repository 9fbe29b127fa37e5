// The endpoint's side: which disc, and whether it is exported.

import type { EngineChoice } from "blockpt";
import { formatSize } from "../../view/size.js";
import { exportDisc, stop } from "../actions.js";
import { sourceOf } from "../model/source.js";
import {
  busy,
  disc,
  engine,
  environment,
  machine,
  phase,
  readOnly,
  sourceForm,
  workerQueues,
} from "../state.js";
import { Choice } from "./field.js";
import { SourceFields } from "./source-fields.js";

const ENGINES: readonly { value: EngineChoice; text: string }[] = [
  { value: "auto", text: "auto" },
  { value: "wasm", text: "wasm" },
  { value: "typescript", text: "typescript" },
];
const QUEUES = [1, 2, 4, 7].map((value) => ({ value, text: `${value} + the page's` }));

export function EndpointPanel() {
  const isEmpty = phase.value === "empty";
  return (
    <section class="card" aria-labelledby="endpoint-title">
      <h2 id="endpoint-title">
        Endpoint <span>exports a disc</span>
      </h2>
      {isEmpty ? <ExportForm /> : <Exported />}
    </section>
  );
}

function ExportForm() {
  const source = sourceOf(sourceForm.value);
  const isReady = typeof source !== "string";
  const { hasWasm } = environment.value;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void exportDisc();
      }}
    >
      <SourceFields />
      <div class="fields">
        <Choice
          label="Engine"
          value={engine.value}
          options={hasWasm ? ENGINES : ENGINES.filter(({ value }) => value !== "wasm")}
          onChange={(chosen) => {
            engine.value = chosen;
          }}
        />
        <Choice
          label="Queues"
          value={workerQueues.value}
          options={QUEUES}
          onChange={(chosen) => {
            workerQueues.value = chosen;
          }}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={readOnly.value}
            onChange={(event) => {
              readOnly.value = event.currentTarget.checked;
            }}
          />
          <span>read-only</span>
        </label>
      </div>
      <div class="buttons">
        <button type="submit" class="main" disabled={!isReady || busy.value !== ""}>
          {busy.value === "exporting" ? "Exporting…" : "Export"}
        </button>
        {!isReady && <small>{source}</small>}
      </div>
    </form>
  );
}

function Exported() {
  const facts = disc.value;
  return (
    <>
      <dl class="facts">
        <div>
          <dt>disc</dt>
          <dd>/dev/{machine.value?.options.name}</dd>
        </div>
        {facts && (
          <>
            <div>
              <dt>size</dt>
              <dd>
                {formatSize(facts.sectors * 512)}, {facts.sectors} sectors
              </dd>
            </div>
            <div>
              <dt>kind</dt>
              <dd>
                {facts.kind}
                {facts.readOnly && ", read-only"}
              </dd>
            </div>
            <div>
              <dt>offers</dt>
              <dd>{facts.features.join(" ")}</dd>
            </div>
          </>
        )}
      </dl>
      <div class="buttons">
        <button type="button" disabled={busy.value !== ""} onClick={() => void stop()}>
          Stop
        </button>
        <small>takes the link down, and the disc away</small>
      </div>
    </>
  );
}
