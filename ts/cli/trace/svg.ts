// The course of a trace as an SVG: requests in flight, and below it the latency.

import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { TraceStatistics } from "./statistics.js";

const WIDTH = 860;
const HEIGHT = 520;
/** Of the two plots, from the top. */
const GRIDS = [
  { left: 64, right: 24, top: 48, height: 170 },
  { left: 64, right: 24, top: 302, height: 170 },
];
const COLOURS = ["#1c63b0", "#c65f10", "#0f8578"];

export function drawTimeline({ timeline, startedAt }: TraceStatistics): string {
  use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  const { moments, side } = timeline;
  const points = (of: (moment: (typeof moments)[number]) => number | undefined): unknown[] =>
    moments.map((moment) => [moment.timeUs / 1e6, of(moment) ?? null]);
  const line = (name: string, grid: number, data: unknown[]): object => ({
    ...{ type: "line", name, data, xAxisIndex: grid, yAxisIndex: grid },
    ...{ showSymbol: false, connectNulls: true },
    ...(grid === 0 ? { step: "end" } : {}),
  });
  const seconds = (gridIndex: number): object => ({
    ...{ type: "value", gridIndex, scale: true, name: "s", min: "dataMin", max: "dataMax" },
  });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    color: COLOURS,
    title: [
      {
        text: `Requests in flight, ${side}, ${startedAt}`,
        left: 8,
        top: 8,
        textStyle: { fontSize: 14 },
      },
      { text: "Latency, µs", left: 8, top: 262, textStyle: { fontSize: 14 } },
    ],
    legend: { data: ["median", "99th percentile"], right: 24, top: 262 },
    grid: GRIDS,
    xAxis: [seconds(0), seconds(1)],
    yAxis: [
      { type: "value", gridIndex: 0, minInterval: 1 },
      { type: "value", gridIndex: 1 },
    ],
    series: [
      line(
        "in flight",
        0,
        points(({ depth }) => depth),
      ),
      line(
        "median",
        1,
        points(({ p50Us }) => p50Us),
      ),
      line(
        "99th percentile",
        1,
        points(({ p99Us }) => p99Us),
      ),
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
