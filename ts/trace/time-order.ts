// The records of a file in the order of time: threads write each in its own order, and one may be a little behind another.

import type { TraceLost, TraceRecord } from "./trace-record.js";

/** One thread is behind another by less than so many records. */
const WINDOW_RECORDS = 8192;

/** Records in the order of time, as far as threads are not further apart than the window. */
export function* inTimeOrder(
  records: Iterable<TraceRecord | TraceLost>,
): Generator<TraceRecord | TraceLost, void, undefined> {
  let window: { record: TraceRecord | TraceLost; timeUs: number }[] = [];
  let timeUs = 0;
  for (const record of records) {
    if (record.event !== "lost") timeUs = record.timeUs;
    window.push({ record, timeUs });
    if (window.length < 2 * WINDOW_RECORDS) continue;
    window.sort((one, other) => one.timeUs - other.timeUs);
    for (const each of window.slice(0, WINDOW_RECORDS)) yield each.record;
    window = window.slice(WINDOW_RECORDS);
  }
  window.sort((one, other) => one.timeUs - other.timeUs);
  for (const each of window) yield each.record;
}
