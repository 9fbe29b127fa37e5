// SQLite on a disc that crashes: every transaction whose COMMIT has returned is there, each is there as a
// whole or not at all, and the database is intact.

import { expect, test } from "vitest";
import { crashOften, type Finding } from "./recording.js";
import { JOURNAL_MODES, recordSqlite } from "./sqlite-recording.js";

/** Crashes of a journal mode. */
const ROUNDS = 18;

const told = (findings: readonly Finding[]): string[] =>
  findings.map(
    ({ recording, options, complaints }) =>
      `${recording}, ${JSON.stringify(options)}: ${complaints.join("; ")}`,
  );

test.each(JOURNAL_MODES)("a database with journal mode %s survives", async (journalMode) => {
  const lives = await recordSqlite({ journalMode, seed: 1, transactions: 24, lives: 2 });
  expect(lives).toHaveLength(2);
  for (const life of lives) {
    expect(life.disc.position).toBeGreaterThan(200);
    expect(told(await crashOften(life, ROUNDS / 2, 1))).toEqual([]);
  }
});

test("a database survives when the power is cut while it is at work", async () => {
  for (const journalMode of ["delete", "wal"] as const) {
    const run = { journalMode, seed: 1, transactions: 1000, lives: 1, cutAt: 1500 };
    const [recording] = await recordSqlite(run);
    if (recording === undefined) throw new Error("nothing was written down");
    const { disc } = recording;
    expect(disc.isCut).toBe(true);
    for (let seed = 1; seed <= 8; seed++) {
      expect(await recording.examine(disc.crash({ seed }), disc.position)).toEqual([]);
    }
  }
});

test("what these checks are worth: a disc that loses flushes is found out, and a program that does not flush", async () => {
  for (const journalMode of ["delete", "wal"] as const) {
    const [honest] = await recordSqlite({ journalMode, seed: 1, transactions: 24, lives: 1 });
    if (honest === undefined) throw new Error("nothing was written down");
    const lost = await crashOften(honest, 20, 1, { flushesLostFrom: 0 });
    expect(lost.length).toBeGreaterThan(10);
    // With all that was written kept nothing can be wrong, whatever was lost: it is the crash that is found out.
    expect(await crashOften(honest, 5, 1, { flushesLostFrom: 0, keep: "all" })).toEqual([]);
  }
  const [careless] = await recordSqlite({
    journalMode: "delete",
    synchronous: "off",
    seed: 1,
    transactions: 24,
    lives: 1,
  });
  if (careless === undefined) throw new Error("nothing was written down");
  expect((await crashOften(careless, 20, 1)).length).toBeGreaterThan(5);
});
