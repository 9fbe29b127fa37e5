// The transactions of the SQLite workload: the same ones for the same numbers, so that the database of a
// crash can be compared with one that never crashed.

import { createHash } from "node:crypto";
import type { Database } from "@sqlite.org/sqlite-wasm";

/** Pages of SQLite's cache: few, so that large transactions write to the file before they are committed. */
const CACHE_PAGES = 20;
/** Rows live for so many transactions. */
const LIFE = 12;
/** One of so many transactions is large. */
const LARGE_EVERY = 9;

export function createTables(db: Database): void {
  db.exec(`begin;
    create table entry(id integer primary key, tx integer, data text);
    create index by_tx on entry(tx);
    commit;`);
}

/** What a connection needs to be told, on a VFS without locks and shared memory. */
export function setUp(db: Database, journalMode: string): void {
  db.exec(`pragma locking_mode = exclusive;
    pragma cache_size = ${CACHE_PAGES};
    pragma synchronous = full;`);
  const mode = db.selectValue(`pragma journal_mode = ${journalMode}`);
  if (mode !== journalMode)
    throw new Error(`journal mode ${journalMode} is wanted, and is ${mode}`);
  // So that the log begins anew now and then.
  if (journalMode === "wal") db.exec("pragma wal_autocheckpoint = 30");
}

/** Does all of a transaction but begin and commit it. */
export function perform(db: Database, tx: number): void {
  const rows = tx % LARGE_EVERY === 0 ? 60 : 6;
  for (let row = 0; row < rows; row++) {
    const data = `${tx}.${row} `.repeat(20 + ((tx * 37 + row * 91) % 250));
    db.exec({ sql: "insert into entry(tx, data) values (?, ?)", bind: [tx, data] });
  }
  db.exec({
    sql: "update entry set data = data || ' ' || ? where tx = ?",
    bind: [tx, tx - 5],
  });
  db.exec({ sql: "delete from entry where tx = ?", bind: [tx - LIFE] });
}

/** Stands for all that is in the tables. */
export function digestOf(db: Database): string {
  const hash = createHash("sha1");
  for (const [id, tx, data] of db.selectArrays("select id, tx, data from entry order by id")) {
    hash.update(`${id}|${tx}|${data}\n`);
  }
  return hash.digest("hex");
}
