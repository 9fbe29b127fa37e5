// Both engines, measured right here: a table, and its bars.

import { useMemo } from "preact/hooks";
import { coloursNow, plainAxis } from "../chart-style.js";
import type { ComparisonRow } from "../model/comparison.js";
import { describeJob } from "../model/describe-job.js";
import { formatRate, formatRatio } from "../model/format.js";
import { startComparison, stopComparison } from "../run-comparison.js";
import { comparing, comparison, environment, isWorking } from "../state.js";
import { isDark } from "../theme.js";
import { Plot } from "./plot.js";
import { Scroll } from "./scroll.js";

const ROW_HEIGHT = 34;

export function ComparisonPanel() {
  const isRunning = comparing.value !== "";
  const { hasWasm } = environment.value;
  return (
    <>
      <p class="hint">
        Random reads of a memory disc of 64 MiB, one queue, the load in a worker. Both engines take
        turns, three rounds each; the table has the medians, and a ratio is the median of the three
        rounds' ratios. It takes some 20 seconds, in which other tabs should be quiet.
      </p>
      <div class="buttons">
        {isRunning ? (
          <button type="button" class="main" onClick={stopComparison}>
            Stop the comparison
          </button>
        ) : (
          <button
            type="button"
            class="main"
            disabled={!hasWasm || isWorking.value}
            onClick={() => void startComparison()}
          >
            Compare the engines
          </button>
        )}
        <small role="status">{comparing.value}</small>
      </div>
      {comparison.value.length > 0 && <Results rows={comparison.value} />}
    </>
  );
}

function Results({ rows }: { rows: readonly ComparisonRow[] }) {
  const dark = isDark();
  const option = useMemo(() => optionOf(rows), [rows, dark]);
  return (
    <div class="pair">
      <Scroll class="scroll-x" label="The figures">
        <table class="results">
          <thead>
            <tr>
              <th scope="col">Reads a second</th>
              <th scope="col">
                <i data-colour="blue" /> wasm
              </th>
              <th scope="col">
                <i data-colour="orange" /> typescript
              </th>
              <th scope="col">Ratio</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ job, wasm, typescript, ratio }) => (
              <tr key={describeJob(job)}>
                <th scope="row">{describeJob(job)}</th>
                <td>{formatRate(wasm)}</td>
                <td>{formatRate(typescript)}</td>
                <td>{formatRatio(ratio)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <Plot
        label="Both engines as bars, each job's by the faster one; the table has the numbers"
        option={option}
        height={rows.length * ROW_HEIGHT + 8}
      />
    </div>
  );
}

/** Bars of each job by themselves, as long as they are of the faster engine's: rates differ too much for one scale. */
function optionOf(rows: readonly ComparisonRow[]) {
  const colours = coloursNow();
  const bars = (engine: "wasm" | "typescript", colour: string) => ({
    type: "bar",
    name: engine,
    color: colour,
    barGap: "10%",
    barCategoryGap: "25%",
    label: {
      show: true,
      position: "right",
      color: colours.muted,
      fontSize: 11,
      formatter: ({ dataIndex }: { dataIndex: number }) =>
        formatRate(rows[dataIndex]?.[engine] ?? Number.NaN),
    },
    data: rows.map((row) => row[engine] / Math.max(row.wasm, row.typescript)),
  });
  return {
    animation: false,
    grid: { left: 4, right: 52, top: 4, bottom: 2, containLabel: true },
    xAxis: { type: "value", min: 0, max: 1, show: false },
    yAxis: {
      type: "category",
      inverse: true,
      data: rows.map(({ job }) => describeJob(job)),
      ...plainAxis(colours),
    },
    series: [bars("wasm", colours.blue), bars("typescript", colours.orange)],
  };
}
