// What a user could take instead, in the report: the same job on each peer, ours among them in its colour.

import { bars } from "./bars.mjs";
import { latencies, PERCENTILES } from "./dots.mjs";
import { plain, slug, spread, times } from "./format.mjs";
import { colour } from "./palette.mjs";

/** @typedef {import("./read.mjs").PeerRow} PeerRow */
/** @typedef {import("./read.mjs").Summary} Summary */
/** @typedef {import("./page.mjs").Part} Part */
/** @typedef {PeerRow & { rate: Summary }} MeasuredRow */

/**
 * @param {{ name: string, rows: PeerRow[] }} job
 * @returns {Part}
 */
export function peersPart({ name, rows }) {
  const id = `peers-${slug(name)}`;
  const sorted = rows
    .filter(isMeasured)
    .sort((one, other) => (other.rate.median ?? 0) - (one.rate.median ?? 0));
  const labelled = sorted.map((row) => ({ ...row, label: labelOf(row) }));
  const servers = labelled.filter(({ serverCpu }) => serverCpu !== undefined);
  const timed = labelled.flatMap(({ label, latency }) => (latency ? [{ label, latency }] : []));
  return {
    id,
    title: name,
    notes: rows.flatMap(({ peer, failed }) =>
      failed === undefined ? [] : [`Failed: ${peer}: ${failed}`],
    ),
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
      ...(servers.length === 0
        ? []
        : [
            {
              plot: bars({
                id: `${id}-server-cpu`,
                title: name,
                what: "Servers' processor time a request, µs",
                series: [{ name: "processor time", colour: colour.grey }],
                rows: servers.map(({ label, peer, serverCpu = null }) => ({
                  label,
                  values: [{ median: serverCpu, min: serverCpu, max: serverCpu, rounds: [] }],
                  colour: isOurs(peer) ? colour.blue : colour.grey,
                })),
                format: plain,
                isLog: false,
              }),
            },
          ]),
    ],
    table: tableOf(labelled),
  };
}

/**
 * @param {PeerRow} row
 * @returns {row is MeasuredRow}
 */
function isMeasured({ rate }) {
  return rate !== undefined;
}

/** @param {string} peer */
function isOurs(peer) {
  return peer.startsWith("blockpt");
}

/** @param {PeerRow} row */
function labelOf({ peer, what }) {
  return what === "" ? peer : `${peer}, ${what}`;
}

/** @param {(MeasuredRow & { label: string })[]} rows */
function tableOf(rows) {
  return {
    head: [
      "peer",
      "requests/s",
      "blockpt is faster by",
      "blockpt serve is faster by",
      ...PERCENTILES.map(({ name }) => `${name} µs`),
      "CPU µs, both sides",
      "the server's",
      "",
    ],
    rows: rows.map(({ label, rate, ratio, nbdRatio, latency, cpu, serverCpu, note = "" }) => [
      label,
      spread(rate),
      spread(ratio, times),
      spread(nbdRatio, times),
      ...PERCENTILES.map(({ key }) => plain(latency?.[key])),
      plain(cpu),
      plain(serverCpu),
      note,
    ]),
    marked: rows.flatMap(({ peer }, index) => (isOurs(peer) ? [index] : [])),
  };
}
