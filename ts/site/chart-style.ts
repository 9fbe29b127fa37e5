// What all plots have in common: the page's colours, as they are now, and axes that stay behind the data.

/** Colours of the style sheet that plots use. */
const NAMES = ["ink", "muted", "grid", "surface", "blue", "orange", "teal", "purple"] as const;
export type Colours = Readonly<Record<(typeof NAMES)[number], string>>;

/** The colours as they are computed: which of the two modes it is, the style sheet says. */
export function coloursNow(): Colours {
  const probe = document.createElement("span");
  document.body.append(probe);
  const entries = NAMES.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(entries) as Colours;
}

const FONT = { fontFamily: "system-ui, sans-serif", fontSize: 12 };

/** An axis has round numbers, and no room for zeros behind a point. */
const short = (text: string): string => text.replace(/\.0+(?=\D|$)/, "");

export function valueAxis(colours: Colours, format: (value: number) => string) {
  return {
    axisLabel: {
      color: colours.muted,
      formatter: (value: number) => short(format(value)),
      hideOverlap: true,
      ...FONT,
    },
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: colours.grid } },
    splitNumber: 3,
  };
}

export function plainAxis(colours: Colours) {
  return {
    axisLabel: { color: colours.muted, hideOverlap: true, ...FONT },
    axisLine: { lineStyle: { color: colours.grid } },
    axisTick: { show: false },
    splitLine: { show: false },
  };
}
