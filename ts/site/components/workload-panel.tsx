// The workload: what it is like, start and stop, and what it comes to.

import { formatSize } from "../../view/size.js";
import { work } from "../actions.js";
import { formatRate } from "../model/format.js";
import {
  BLOCK_SIZES,
  DEPTHS,
  MODE_WORDS,
  MODES,
  objection,
  type WorkloadSettings,
} from "../model/workload.js";
import { stopWorkload } from "../run-workload.js";
import { comparing, isWorking, machine, phase, settings, summary, workerQueues } from "../state.js";
import { Choice, Field } from "./field.js";
import { WorkloadPlots } from "./workload-plots.js";

const SIZES = BLOCK_SIZES.map((value) => ({ value, text: formatSize(value) }));
const DEPTH_OPTIONS = DEPTHS.map((value) => ({ value, text: String(value) }));
const MODE_OPTIONS = MODES.map((value) => ({ value, text: MODE_WORDS[value] }));
const ORDERS = [
  { value: true, text: "random places" },
  { value: false, text: "one after the other" },
];

function change(changes: Partial<WorkloadSettings>): void {
  settings.value = { ...settings.value, ...changes };
}

export function WorkloadPanel() {
  return (
    <>
      <Form />
      <Totals />
      <WorkloadPlots />
    </>
  );
}

function Form() {
  const { mode, isRandom, blockBytes, depth, queues } = settings.value;
  const isDisabled = isWorking.value;
  const most = Math.max(1, workerQueues.value);
  const counts = Array.from({ length: most }, (_, index) => index + 1);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void work();
      }}
    >
      <div class="fields">
        <Choice
          label="Block"
          value={blockBytes}
          options={SIZES}
          {...{ isDisabled }}
          onChange={(value) => change({ blockBytes: value })}
        />
        <Choice
          label="Depth"
          value={depth}
          options={DEPTH_OPTIONS}
          {...{ isDisabled }}
          onChange={(value) => change({ depth: value })}
        />
        <Choice
          label="Where"
          value={isRandom}
          options={ORDERS}
          {...{ isDisabled }}
          onChange={(value) => change({ isRandom: value })}
        />
        <ReadShare isDisabled={isDisabled} />
        <Choice
          label="How"
          value={mode}
          options={MODE_OPTIONS}
          {...{ isDisabled }}
          onChange={(value) => change({ mode: value })}
        />
        <Choice
          label="Queues"
          value={mode === "page" ? 1 : queues}
          options={counts.map((value) => ({ value, text: String(value) }))}
          isDisabled={isDisabled || mode === "page"}
          onChange={(value) => change({ queues: value })}
        />
        <StartStop />
      </div>
    </form>
  );
}

function ReadShare({ isDisabled }: { isDisabled: boolean }) {
  const { readPercent } = settings.value;
  return (
    <Field label={`Reads ${readPercent} %, writes ${100 - readPercent} %`}>
      <input
        type="range"
        min={0}
        max={100}
        step={10}
        value={readPercent}
        disabled={isDisabled}
        onInput={(event) => change({ readPercent: event.currentTarget.valueAsNumber })}
      />
    </Field>
  );
}

function StartStop() {
  const bounds = phase.value === "attached" ? machine.value?.bounds : undefined;
  const why =
    bounds === undefined
      ? "Attach a disc first."
      : comparing.value !== ""
        ? "The comparison runs: it is to have the machine for itself."
        : objection(settings.value, bounds);
  return (
    <div class="buttons">
      {isWorking.value ? (
        <button type="button" class="main" onClick={() => void stopWorkload()}>
          Stop the workload
        </button>
      ) : (
        <button type="submit" class="main" disabled={why !== undefined}>
          Start the workload
        </button>
      )}
      {why !== undefined && !isWorking.value && <small>{why}</small>}
    </div>
  );
}

function Totals() {
  const { requests, seconds, meanIops, mostIops, errors } = summary.value;
  if (requests === 0) return null;
  return (
    <p class="totals">
      <b>{requests.toLocaleString("en")}</b> requests in {seconds.toFixed(1)} s, on average{" "}
      <b>{formatRate(meanIops)}</b> a second, at most {formatRate(mostIops)}
      {errors > 0 && <strong class="errors">, {errors} failed</strong>}
    </p>
  );
}
