// Groups of jobs in the report: rates beside what limits them, shares of it, and latencies.

import { nameOf } from "../../dist/bench.js";
import { bars } from "./bars.mjs";
import { latencies, PERCENTILES } from "./dots.mjs";
import { percent, plain, spread } from "./format.mjs";
import { colour } from "./palette.mjs";

/** @typedef {import("./read.mjs").Result} Result */
/** @typedef {import("./page.mjs").Part} Part */

const ENGINES = { wasm: colour.blue, typescript: colour.orange };

/**
 * @param {import("./read.mjs").Group} group
 * @returns {Part}
 */
export function jobsPart({ id, title, results }) {
  const jobs = results.map(({ job }) => job);
  const named = results.map((result) => ({
    ...result,
    label: nameOf(result.job, jobs) + markOf(result),
    colour: ENGINES[result.job.engine],
  }));
  const limited = named.filter(({ share }) => share !== undefined);
  const timed = named.flatMap(({ label, latency }) => (latency ? [{ label, latency }] : []));
  return {
    id,
    title,
    notes: results.some(({ disturbed }) => disturbed > 0) ? [DISTURBED] : [],
    cards: [
      {
        plot: bars({
          id: `${id}-rate`,
          title,
          what: "Requests a second",
          series: [
            ...(limited.length > 0
              ? [{ name: "limit", colour: colour.grey, mark: /** @type {const} */ ("tick") }]
              : []),
            { name: "rate", colour: colour.blue },
          ],
          rows: named.map((each) => ({
            ...each,
            values: limited.length > 0 ? [each.limit, each.rate] : [each.rate],
          })),
        }),
      },
      ...(limited.length === 0
        ? []
        : [
            {
              plot: bars({
                id: `${id}-share`,
                title,
                what: "Share of the limit",
                series: [{ name: "share", colour: colour.blue }],
                rows: limited.map((each) => ({ ...each, values: [each.share] })),
                format: percent,
                isLog: false,
              }),
            },
          ]),
      ...(timed.length === 0
        ? []
        : [
            {
              plot: latencies({
                id: `${id}-latency`,
                title,
                what: "Latency, µs",
                rows: timed,
              }),
            },
          ]),
    ],
    table: tableOf(named),
  };
}

export const DISTURBED =
  "!n: others used the processors in n rounds, which do not count; !!: in every round, so that it is no measurement.";

/** @param {Result} result */
export function markOf({ quiet, disturbed }) {
  return disturbed === 0 ? "" : quiet === 0 ? " !!" : ` !${disturbed}`;
}

/** @param {(Result & { label: string })[]} results */
function tableOf(results) {
  return {
    head: [
      "job",
      "requests/s",
      "MiB/s",
      "of the limit",
      ...PERCENTILES.map(({ name }) => `${name} µs`),
      "CPU µs, RC + EP",
    ],
    rows: results.map(({ label, rate, throughput, share, latency, cpu }) => [
      label,
      spread(rate),
      plain(throughput),
      spread(share, percent),
      ...PERCENTILES.map(({ key }) => plain(latency?.[key])),
      [cpu.rootComplex, cpu.rest]
        .filter((each) => each !== undefined)
        .map((each) => plain(each))
        .join(" + "),
    ]),
  };
}
