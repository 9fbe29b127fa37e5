// A thread in which SQLite commits transactions on a queue of a crash disc, and writes down when it was told that
// they are.

import { parentPort, workerData } from "node:worker_threads";
import init from "@sqlite.org/sqlite-wasm";
import {
  type BusHandle,
  CrashDisc,
  type CrashDiscHandle,
  openBus,
  openQueue,
  type QueueHandle,
} from "blockpt";
import { installBlockVfs } from "../sqlite/block-vfs.js";
import type { Step } from "./recording.js";
import { createTables, perform, setUp } from "./transactions.js";

/** What it is started with. */
export interface SqliteWriterData {
  readonly bus: BusHandle;
  readonly queue: QueueHandle;
  readonly disc: CrashDiscHandle;
  readonly journalMode: string;
  /** What SQLite is told of how much to flush. */
  readonly synchronous: string;
  /** How many transactions the database has; undefined if it has no tables yet. */
  readonly done: number | undefined;
  /** How many it shall have. */
  readonly transactions: number;
}

/** How it went. */
export interface SqliteWriterReport {
  /** The tables, if they were to be made, then each transaction. */
  readonly steps: readonly Step[];
  /** What ended it early. */
  readonly error: string | undefined;
}

const data = workerData as SqliteWriterData;
const bus = openBus(data.bus);
const queue = openQueue(bus, data.queue);
const disc = CrashDisc.open(data.disc);
const sqlite3 = await init();
// What fails is told by the report.
sqlite3.config.error = () => {};
sqlite3.config.warn = () => {};
const vfs = installBlockVfs(sqlite3, "crash", queue);
const steps: Step[] = [];

/** Does something after which the database has to be in its next state. */
function take(step: () => void): void {
  const begunAt = disc.position;
  steps.push({ begunAt, acknowledgedAt: undefined });
  step();
  steps[steps.length - 1] = { begunAt, acknowledgedAt: disc.position };
}

let error: string | undefined;
try {
  const db = new sqlite3.oo1.DB({ filename: "app.db", flags: "c", vfs: "crash" });
  setUp(db, data.journalMode);
  db.exec(`pragma synchronous = ${data.synchronous}`);
  if (data.done === undefined) take(() => createTables(db));
  for (let tx = (data.done ?? 0) + 1; tx <= data.transactions; tx++) {
    db.exec("begin");
    perform(db, tx);
    take(() => db.exec("commit"));
  }
  db.close();
  vfs.uninstall();
} catch (thrown) {
  error = (vfs.lastError as { code?: string } | undefined)?.code ?? String(thrown);
}
queue.close();
bus.close();
parentPort?.postMessage({ steps, error } satisfies SqliteWriterReport);
