// The endpoint's side: which disc, and whether it is exported.

import type { EngineChoice } from "blockpt";
import { SECTOR_BYTES } from "blockpt/abi";
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
const QUEUES = [0, 1, 2, 4, 7].map((value) => ({
  value,
  text: value === 0 ? "the page's only" : `${value} + the page's`,
}));

export function EndpointPanel() {
  const isEmpty = phase.value === "empty";
  const source = sourceOf(sourceForm.value, document.baseURI);
  const why = isEmpty && typeof source === "string" ? source : undefined;
  const doing = { exporting: "Exporting…", stopping: "Stopping…" }[busy.value];
  return (
    <section class="card" aria-labelledby="endpoint-title">
      <h2 id="endpoint-title">
        Endpoint <span>exports a disc</span>
      </h2>
      {/* One form and one button for both, which keeps the focus. */}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void (isEmpty ? exportDisc() : stop());
        }}
      >
        <div key="what">{isEmpty ? <ExportFields /> : <Facts />}</div>
        <div key="buttons" class="buttons">
          <button type="submit" class={isEmpty ? "main" : ""} disabled={why !== undefined}>
            {doing ?? (isEmpty ? "Export" : "Stop")}
          </button>
          <small>{isEmpty ? why : "takes the link down, and the disc away"}</small>
        </div>
      </form>
    </section>
  );
}

function ExportFields() {
  const { hasWasm } = environment.value;
  return (
    <>
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
    </>
  );
}

function Facts() {
  const facts = disc.value;
  const rows: [string, string][] = [["disc", `/dev/${machine.value?.options.name}`]];
  if (facts !== undefined) {
    const { sectors, kind, features } = facts;
    rows.push(
      [
        "size",
        `${formatSize(sectors * SECTOR_BYTES)}, ${sectors} sector${sectors === 1 ? "" : "s"}`,
      ],
      ["kind", `${kind}${facts.readOnly ? ", read-only" : ""}`],
      ["offers", features.join(" ")],
    );
  }
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
