// Opens the database that a crash has left, lets SQLite recover it, and says which of the transactions are in it.

import init, { type Database, type Sqlite3Static } from "@sqlite.org/sqlite-wasm";
import { installBlockVfs, type SyncDisk } from "../sqlite/block-vfs.js";
import { createTables, digestOf, perform, setUp } from "./transactions.js";

/** What is in a database. */
export interface Found {
  /** How many of the steps are done: the first one makes the tables, each other one is a transaction. */
  readonly steps: number | undefined;
  /** What is wrong with it. */
  readonly complaint: string | undefined;
}

/** An image as a disk: recovery writes to it. */
function diskOf(image: Uint8Array): SyncDisk {
  return {
    sizeBytes: image.length,
    readSync: (target, offset) => target.set(image.subarray(offset, offset + target.length)),
    writeSync: (source, offset) => image.set(source, offset),
    flushSync: () => {},
  };
}

export class SqliteExaminer {
  readonly #sqlite3: Sqlite3Static;
  /** A database that never crashes, and how often it came by each state. */
  readonly #model: Database;
  readonly #digests: string[];
  #vfsNumber = 0;

  private constructor(sqlite3: Sqlite3Static) {
    this.#sqlite3 = sqlite3;
    this.#model = new sqlite3.oo1.DB(":memory:");
    createTables(this.#model);
    this.#digests = [digestOf(this.#model)];
  }

  static async create(): Promise<SqliteExaminer> {
    const sqlite3 = await init();
    // What is wrong is told by the examination.
    sqlite3.config.error = () => {};
    sqlite3.config.warn = () => {};
    return new SqliteExaminer(sqlite3);
  }

  /**
   * @param image - recovered by this
   * @param most - no more steps than these can be done
   */
  examine(image: Uint8Array, journalMode: string, most: number): Found {
    const name = `image${this.#vfsNumber++}`;
    let db: Database | undefined;
    let uninstall = (): void => {};
    try {
      ({ uninstall } = installBlockVfs(this.#sqlite3, name, diskOf(image)));
      db = new this.#sqlite3.oo1.DB({ filename: "app.db", flags: "c", vfs: name });
      setUp(db, journalMode);
      const integrity = db.selectValue("pragma integrity_check");
      if (integrity !== "ok") return { steps: undefined, complaint: `integrity: ${integrity}` };
      if (db.selectValue("select count(*) from sqlite_schema") === 0) {
        return { steps: 0, complaint: undefined };
      }
      const digest = digestOf(db);
      const transactions = this.#digestsTo(most).indexOf(digest);
      return transactions < 0
        ? { steps: undefined, complaint: "it is in a state between two transactions" }
        : { steps: transactions + 1, complaint: undefined };
    } catch (error) {
      return { steps: undefined, complaint: `it cannot be read: ${String(error)}` };
    } finally {
      db?.close();
      uninstall();
    }
  }

  /** The states after 0, 1, 2, … transactions. */
  #digestsTo(transactions: number): readonly string[] {
    while (this.#digests.length <= transactions) {
      perform(this.#model, this.#digests.length);
      this.#digests.push(digestOf(this.#model));
    }
    return this.#digests;
  }
}
