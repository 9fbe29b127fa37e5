// What a user could take instead, in the report: the same job on each peer, ours among them in its colour.

import { bars } from "./bars.mjs";
import { latencies, PERCENTILES } from "./dots.mjs";
import { plain, slug, spread, times } from "./format.mjs";
import { colour } from "./palette.mjs";

/** @typedef {import("./read.mjs").PeerRow} PeerRow */
/** @typedef {import("./page.mjs").Part} Part */

/**
 * @param {{ name: string, rows: PeerRow[] }} job
 * @returns {Part}
 */
export function peersPart({ name, rows }) {
  const id = `peers-${slug(name)}`;
  const sorted = [...rows].sort((one, other) => (other.rate.median ?? 0) - (one.rate.median ?? 0));
  const labelled = sorted.map((row) => ({ ...row, label: labelOf(row) }));
  const timed = labelled.flatMap(({ label, latency }) => (latency ? [{ label, latency }] : []));
  return {
    id,
    title: name,
    notes: [],
    cards: [
      {
        plot: bars({
          id: `${id}-rate`,
          title: name,
          what: "Requests a second",
          series: [{ name: "rate", colour: colour.grey }],
          rows: labelled.map(({ label, peer, rate }) => ({
            label,
            values: [rate],
            colour: isOurs(peer) ? colour.blue : colour.grey,
          })),
          isLog: true,
        }),
      },
      ...(timed.length === 0
        ? []
        : [
            {
              plot: latencies({
                id: `${id}-latency`,
                title: name,
                what: "Latency, µs",
                rows: timed,
              }),
            },
          ]),
    ],
    table: tableOf(labelled),
  };
}

/** @param {string} peer */
function isOurs(peer) {
  return peer.startsWith("blockpt");
}

/** @param {PeerRow} row */
function labelOf({ peer, what }) {
  return what === "" ? peer : `${peer}, ${what}`;
}

/** @param {(PeerRow & { label: string })[]} rows */
function tableOf(rows) {
  return {
    head: [
      "peer",
      "requests/s",
      "blockpt is faster by",
      ...PERCENTILES.map(({ name }) => `${name} µs`),
      "CPU µs, both sides",
      "",
    ],
    rows: rows.map(({ label, rate, ratio, latency, cpu, note = "" }) => [
      label,
      spread(rate),
      spread(ratio, times),
      ...PERCENTILES.map(({ key }) => plain(latency?.[key])),
      plain(cpu),
      note,
    ]),
    marked: rows.flatMap(({ peer }, index) => (isOurs(peer) ? [index] : [])),
  };
}
