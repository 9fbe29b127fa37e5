// Faults on demand: of the disc, as rules, and of the link, as switches.

import { parseFault } from "blockpt";
import { useState } from "preact/hooks";
import { killEndpoint, reviveEndpoint, rulesOf, setFaults } from "../actions.js";
import { busy, faults, faultText, isKilled, phase } from "../state.js";
import { LinkFaultFields } from "./link-fault-fields.js";

const EXAMPLES = [
  { name: "Bad sectors", rule: "error=MEDIUM:read:sectors=0-7" },
  { name: "One error in 100", rule: "error=IOERR:every=100" },
  { name: "Slow", rule: "delay=20ms" },
  { name: "Torn writes", rule: "torn:write:probability=10%:seed=7" },
  { name: "Flipped bits", rule: "corrupt=1:read:every=50" },
  { name: "A stall", rule: "stall=2s" },
];

export function FaultPanel() {
  const isReady = phase.value !== "empty";
  return (
    <>
      <p class="hint">
        What goes wrong on the disc on purpose, at any time, also while a workload runs. A rule a
        line, as <code>KIND[=VALUE][:OPERATION…][:KEY=VALUE…]</code>.
      </p>
      <Rules isReady={isReady} />
      <Hits />
      <h3>The link</h3>
      <LinkFaultFields isReady={isReady} />
      <Killing isReady={phase.value === "exported" || phase.value === "attached"} />
    </>
  );
}

function Rules({ isReady }: { isReady: boolean }) {
  const [text, setText] = useState(faultText.value);
  const type = (next: string): void => {
    setText(next);
    faultText.value = next;
  };
  const why = complaintOf(text);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void setFaults(text);
      }}
    >
      <div class="examples">
        {EXAMPLES.map(({ name, rule }) => (
          <button
            key={name}
            type="button"
            onClick={() => type([...rulesOf(text), rule].join("\n"))}
          >
            {name}
          </button>
        ))}
      </div>
      <label class="field is-wide">
        <span>Rules</span>
        <textarea
          rows={4}
          spellcheck={false}
          value={text}
          aria-invalid={why !== undefined}
          aria-describedby="rules-complaint"
          onInput={(event) => type(event.currentTarget.value)}
        />
      </label>
      <p class="failure" id="rules-complaint" role="status">
        {why}
      </p>
      <div class="buttons">
        <button type="submit" class="main" disabled={!isReady || why !== undefined}>
          Apply the rules
        </button>
        <button
          type="button"
          disabled={!isReady}
          onClick={() => {
            type("");
            void setFaults("");
          }}
        >
          No faults
        </button>
        {!isReady && <small>Export a disc first.</small>}
      </div>
    </form>
  );
}

function Hits() {
  if (faults.value.length === 0) return null;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Rule</th>
          <th scope="col">Hits</th>
          <th scope="col">Of requests</th>
        </tr>
      </thead>
      <tbody>
        {faults.value.map(({ text, hits, seen }, index) => (
          // The same rule may be there twice.
          <tr key={index}>
            <th scope="row">
              <code>{text}</code>
            </th>
            <td>{hits}</td>
            <td>{seen}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** An endpoint that dies, and another one that takes over: one button for both, which keeps the focus. */
function Killing({ isReady }: { isReady: boolean }) {
  const doing = { killing: "Killing…", reviving: "Taking over…" }[busy.value];
  return (
    <div class="buttons">
      <button
        type="button"
        disabled={!isReady}
        onClick={() => void (isKilled.value ? reviveEndpoint() : killEndpoint())}
      >
        {doing ?? (isKilled.value ? "Bring another endpoint up" : "Kill the endpoint")}
      </button>
      <small>
        as a process that is killed; the root complex notices in two seconds, and attaches again by
        itself
      </small>
    </div>
  );
}

/** What is wrong with the rules. */
function complaintOf(text: string): string | undefined {
  try {
    for (const rule of rulesOf(text)) parseFault(rule);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
