// A plot, drawn by ECharts on a canvas; what it shows is there as text, too.

import { BarChart, LineChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { type EChartsCoreOption, type EChartsType, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "preact/hooks";

use([BarChart, LineChart, GridComponent, CanvasRenderer]);

export interface PlotProps {
  /** What is to be heard instead of seen. */
  readonly label: string;
  readonly option: EChartsCoreOption;
  readonly height: number;
}

export function Plot({ label, option, height }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | undefined>(undefined);
  useEffect(() => {
    if (box.current === null) return;
    const made = init(box.current, null, { renderer: "canvas" });
    chart.current = made;
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      made.dispose();
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption(option, { notMerge: true });
    chart.current?.resize();
  }, [option]);
  return (
    <div ref={box} class="plot" role="img" aria-label={label} style={{ height: `${height}px` }} />
  );
}
