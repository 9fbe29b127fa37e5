// Single steps: one descriptor, what it is to say, and what becomes of it.

import { Operation } from "blockpt/abi";
import { beginSteps, leaveSteps, step } from "../actions.js";
import type { StepView } from "../machine/stepper.js";
import { EXAMPLES, STAGE_WORDS, STAGES, type StepRequest, stepObjection } from "../model/step.js";
import { isKilled, phase, stepRequest, stepView } from "../state.js";
import { Choice, Field, NumberField } from "./field.js";
import { useFocus } from "./focus.js";
import { StepDescriptor } from "./step-descriptor.js";
import { StepRings } from "./step-rings.js";

const UNKNOWN_OPERATION = 42;
const OPERATIONS = [
  ...Object.entries(Operation).map(([text, value]) => ({ value: value as number, text })),
  { value: UNKNOWN_OPERATION, text: `${UNKNOWN_OPERATION}, unknown` },
];

function change(changes: Partial<StepRequest>): void {
  stepRequest.value = { ...stepRequest.value, ...changes };
}

export function StepPanel() {
  const view = stepView.value;
  if (view === undefined) return <Begin />;
  return <Steps view={view} />;
}

function Steps({ view }: { view: StepView }) {
  const button = useFocus();
  const why = view.stage === "free" ? stepObjection(stepRequest.value) : undefined;
  return (
    <div class="steps">
      <Request isDisabled={view.stage !== "free"} />
      <ol class="stages">
        {STAGES.map((stage) => (
          <li key={stage} aria-current={stage === view.stage ? "step" : undefined}>
            {stage}
          </li>
        ))}
      </ol>
      <div class="buttons">
        <button
          ref={button}
          type="button"
          class="main"
          disabled={why !== undefined}
          onClick={() => void step()}
        >
          {STAGE_WORDS[view.stage].next}
        </button>
        <button type="button" disabled={view.stage !== "free"} onClick={() => void leaveSteps()}>
          End single steps
        </button>
        {why !== undefined && <small>{why}</small>}
      </div>
      <p class="story" role="status">
        {STAGE_WORDS[view.stage].done}
      </p>
      <StepDescriptor view={view} />
      <StepRings view={view} />
    </div>
  );
}

function Begin() {
  const button = useFocus();
  const isExported = phase.value === "exported" || phase.value === "attached";
  const isReady = isExported && !isKilled.value;
  return (
    <>
      <p class="hint">
        The root complex leaves, and you are the driver: a queue of 16 descriptors, and one of them
        at a time, byte by byte. What you ask for may be wrong; the endpoint has to answer all the
        same.
      </p>
      <div class="buttons">
        <button
          type="button"
          class="main"
          ref={button}
          disabled={!isReady}
          onClick={() => void beginSteps()}
        >
          Begin single steps
        </button>
        {!isExported && <small>Export a disc first.</small>}
        {isKilled.value && <small>The endpoint was killed: bring another one up first.</small>}
        {phase.value === "attached" && <small>This detaches the disk.</small>}
      </div>
    </>
  );
}

function Request({ isDisabled }: { isDisabled: boolean }) {
  const { opf, startSector, lenBytes, text } = stepRequest.value;
  return (
    <fieldset disabled={isDisabled} class="request">
      <legend class="unseen">What the descriptor is to ask for</legend>
      <div class="examples">
        {EXAMPLES.map(({ name, request }) => (
          <button
            key={name}
            type="button"
            onClick={() => {
              stepRequest.value = request;
            }}
          >
            {name}
          </button>
        ))}
      </div>
      <div class="fields">
        <Choice
          label="Operation"
          value={opf}
          options={OPERATIONS}
          onChange={(value) => change({ opf: value })}
        />
        <Field label="First sector">
          <input
            type="text"
            inputMode="numeric"
            pattern="[0-9]+"
            value={startSector}
            onInput={(event) => change({ startSector: event.currentTarget.value.trim() })}
          />
        </Field>
        <NumberField
          label="Length"
          unit="bytes"
          value={lenBytes}
          min={0}
          max={0xffff_ffff}
          onChange={(value) => change({ lenBytes: value })}
        />
        <Field label="Data to write">
          <input
            type="text"
            value={text}
            disabled={opf !== Operation.WRITE}
            onInput={(event) => change({ text: event.currentTarget.value })}
          />
        </Field>
      </div>
    </fieldset>
  );
}
