// A program that needs its disk synchronous: SQLite, in a thread of its own, on a queue of a
// remote disk. Commits transactions until it is told to stop, or dies.

import { parentPort, workerData } from "node:worker_threads";
import init from "@sqlite.org/sqlite-wasm";
import { type BusHandle, openBus, openQueue, type QueueHandle } from "blockpt";
import { installBlockVfs } from "./block-vfs.js";

/** What it is started with. */
export interface SqliteThreadData {
  bus: BusHandle;
  queue: QueueHandle;
  /** How many transactions were committed; word 1 is not 0 when it shall stop. */
  committed: Int32Array;
}

/** What it finds when it has opened the database, and how it ends. */
export interface SqliteReport {
  integrity: unknown;
  transactions: unknown;
  rows: unknown;
  /** How many rows have as many bytes as they should. */
  whole: unknown;
  error: string | undefined;
}

/** Rows of a transaction. */
export const ROWS = 20;
/** Bytes of a row. */
const LENGTH = "100 + (tx * 37 + id) % 5000";

const { bus: handle, queue: queueHandle, committed } = workerData as SqliteThreadData;
const bus = openBus(handle);
const queue = openQueue(bus, queueHandle);
const sqlite3 = await init();
// Its failures are expected here, and told by `error`.
sqlite3.config.error = () => {};
sqlite3.config.warn = () => {};
const vfs = installBlockVfs(sqlite3, "block", queue);
const db = new sqlite3.oo1.DB({ filename: "app.db", flags: "c", vfs: "block" });
db.exec(`pragma cache_size = 20;
  create table if not exists t(id integer primary key, tx integer, data blob);`);
const report: SqliteReport = {
  integrity: db.selectValue("pragma integrity_check"),
  transactions: db.selectValue("select coalesce(max(tx), 0) from t"),
  rows: db.selectValue("select count(*) from t"),
  whole: db.selectValue(`select coalesce(sum(length(data) = ${LENGTH}), 0) from t`),
  error: undefined,
};
parentPort?.postMessage(report);

let tx = Number(report.transactions);
try {
  while (Atomics.load(committed, 1) === 0) {
    tx++;
    db.exec("begin");
    for (let row = 0; row < ROWS; row++) {
      db.exec({ sql: "insert into t(tx) values (?)", bind: [tx] });
    }
    // Of another size each, and some old ones anew, so that a torn transaction would show.
    db.exec({
      sql: `update t set data = randomblob(${LENGTH}) where tx in (?, ? - 5)`,
      bind: [tx, tx],
    });
    db.exec("commit");
    Atomics.store(committed, 0, tx);
  }
  db.close();
  vfs.uninstall();
  queue.close();
  bus.close();
} catch (error) {
  report.error = (vfs.lastError as { code?: string } | undefined)?.code ?? String(error);
}
parentPort?.postMessage(report);
