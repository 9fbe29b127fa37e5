// The workload's plots: requests a second, throughput, and how long a request takes.

import { useMemo } from "preact/hooks";
import { type Colours, coloursNow, plainAxis, valueAxis } from "../chart-style.js";
import { formatMibPerSecond, formatMicroseconds, formatRate } from "../model/format.js";
import type { Sample } from "../model/series.js";
import { samples, summary } from "../state.js";
import { isDark } from "../theme.js";
import { Plot } from "./plot.js";

/** What a plot has a line of. */
interface Line {
  readonly name: string;
  readonly colour: keyof Colours;
  readonly value: (sample: Sample) => number;
}

interface PlotKind {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  /** Of the axis, where it is another one. */
  readonly axisFormat?: (value: number) => string;
  readonly isLog?: boolean;
}

const PLOTS: readonly PlotKind[] = [
  {
    title: "Requests a second",
    lines: [{ name: "IOPS", colour: "blue", value: ({ iops }) => iops }],
    format: formatRate,
  },
  {
    title: "Throughput, the axis in MiB/s",
    lines: [{ name: "MiB/s", colour: "teal", value: ({ mibPerSecond }) => mibPerSecond }],
    format: formatMibPerSecond,
    axisFormat: String,
  },
  {
    title: "Latency",
    lines: [
      { name: "median", colour: "blue", value: ({ p50 }) => p50 },
      { name: "90 %", colour: "purple", value: ({ p90 }) => p90 },
      { name: "99 %", colour: "orange", value: ({ p99 }) => p99 },
    ],
    format: formatMicroseconds,
    isLog: true,
  },
];

/** Seconds that a plot shows at least. */
const LEAST_SPAN_S = 20;

export function WorkloadPlots() {
  return (
    <>
      <div class="plots">
        {PLOTS.map((kind) => (
          <OnePlot key={kind.title} kind={kind} />
        ))}
      </div>
      <SampleTable />
    </>
  );
}

function OnePlot({ kind }: { kind: PlotKind }) {
  const shown = samples.value;
  const dark = isDark();
  const option = useMemo(() => optionOf(kind, shown), [kind, shown, dark]);
  const { last } = summary.value;
  const now = (line: Line): string => (last === undefined ? "–" : kind.format(line.value(last)));
  const words = kind.lines.map((line) => `${line.name} ${now(line)}`).join(", ");
  return (
    <figure>
      <figcaption>
        <span>{kind.title}</span>
        {kind.lines.map((line) => (
          <b key={line.name}>
            {kind.lines.length > 1 && (
              <small>
                <i data-colour={line.colour} /> {line.name}
              </small>
            )}
            <output>{now(line)}</output>
          </b>
        ))}
      </figcaption>
      <Plot label={`${kind.title} over time: ${words}`} option={option} height={150} />
    </figure>
  );
}

function optionOf(
  { lines, format, axisFormat = format, isLog = false }: PlotKind,
  shown: readonly Sample[],
) {
  const colours = coloursNow();
  const end = Math.max(shown.at(-1)?.seconds ?? 0, LEAST_SPAN_S);
  const start = Math.max(0, shown.length > 0 ? (shown[0] as Sample).seconds - 0.3 : 0);
  return {
    animation: false,
    grid: { left: 4, right: 12, top: 10, bottom: 2, containLabel: true },
    xAxis: {
      type: "value",
      min: Math.floor(start),
      max: Math.ceil(Math.max(end, start + LEAST_SPAN_S)),
      ...plainAxis(colours),
      axisLabel: { ...plainAxis(colours).axisLabel, formatter: "{value} s" },
    },
    yAxis: {
      type: isLog ? "log" : "value",
      min: isLog ? undefined : 0,
      ...valueAxis(colours, axisFormat),
    },
    series: lines.map((line) => ({
      type: "line",
      showSymbol: false,
      lineStyle: { width: 2 },
      color: colours[line.colour],
      areaStyle: lines.length === 1 ? { opacity: 0.12 } : undefined,
      data: shown.map((sample) => [sample.seconds, line.value(sample)]),
    })),
  };
}

/** The last samples, as the plots' text. */
function SampleTable() {
  const last = samples.value.slice(-10).reverse();
  return (
    <details class="numbers">
      <summary>The last samples in numbers</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">IOPS</th>
            <th scope="col">Throughput</th>
            <th scope="col">Median</th>
            <th scope="col">90 %</th>
            <th scope="col">99 %</th>
            <th scope="col">Errors</th>
          </tr>
        </thead>
        <tbody>
          {last.map((sample) => (
            <tr key={sample.seconds}>
              <th scope="row">{sample.seconds.toFixed(1)} s</th>
              <td>{formatRate(sample.iops)}</td>
              <td>{formatMibPerSecond(sample.mibPerSecond)}</td>
              <td>{formatMicroseconds(sample.p50)}</td>
              <td>{formatMicroseconds(sample.p90)}</td>
              <td>{formatMicroseconds(sample.p99)}</td>
              <td>{sample.errors}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
