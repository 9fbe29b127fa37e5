// Numbers as the page shows them: three digits that matter, and a unit.

/** A rate: `870`, `12.3 k`, `1.24 M`. */
export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return "–";
  if (perSecond < 1000) return perSecond.toFixed(0);
  return perSecond < 1e6 ? `${digits(perSecond / 1e3)} k` : `${digits(perSecond / 1e6)} M`;
}

/** Microseconds with the unit that fits. */
export function formatMicroseconds(microseconds: number): string {
  if (!Number.isFinite(microseconds)) return "–";
  if (microseconds < 1000) return `${digits(microseconds)} µs`;
  return microseconds < 1e6
    ? `${digits(microseconds / 1e3)} ms`
    : `${digits(microseconds / 1e6)} s`;
}

export function formatMibPerSecond(mib: number): string {
  if (!Number.isFinite(mib)) return "–";
  return mib < 1024 ? `${digits(mib)} MiB/s` : `${digits(mib / 1024)} GiB/s`;
}

/** A ratio: `1.8 ×`. */
export function formatRatio(ratio: number): string {
  return Number.isFinite(ratio) ? `${ratio.toFixed(ratio < 9.95 ? 2 : 0)} ×` : "–";
}

function digits(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}
