// The results of attacks as tables: of Markdown, as docs/hostile.md has them.

/** @typedef {import("./runs.mjs").Run} Run */
/** @typedef {import("blockpt/testing").AttackResult} AttackResult */
/** @typedef {{ run: Run, results: AttackResult[] }} Done */

export const PASSED = "✓";
const FAILED = "✗";
const NOT_HERE = "–";

/**
 * The rows of a side's table: an attack each, and what came of it in each run.
 *
 * @param {Done[]} done - of one side
 */
export function rowsOf(done) {
  const head = ["attack", "§", "due", ...done.map(({ run }) => run.name), "while rewritten"];
  const attacks = [...new Set(done.flatMap(({ results }) => results.map(({ attack }) => attack)))];
  const body = attacks.map((attack) => {
    const all = done.map(({ run, results }) => ({
      run,
      plain: results.find((result) => result.attack === attack && !result.rewriting),
      rewritten: results.find((result) => result.attack === attack && result.rewriting),
    }));
    const [{ plain }] = all;
    return [
      attack,
      plain.section,
      plain.due.join(" or "),
      ...all.map(({ run, plain }) => cellOf(run, plain)),
      rewrittenCell(all.map(({ rewritten }) => rewritten)),
    ];
  });
  return { head, body };
}

/** Which of several outcomes an endpoint has follows from its disc; of a root complex the moment decides, too. */
function cellOf({ side }, result) {
  if (result.passed === undefined) return NOT_HERE;
  if (!result.passed) return `${FAILED} ${result.got.join("; ")}`;
  return result.due.length === 1 || side !== "endpoint" ? PASSED : result.got.join("; ");
}

function rewrittenCell(results) {
  const made = results.filter((result) => result?.passed !== undefined);
  if (made.length === 0) return "";
  const failed = made.filter(({ passed }) => !passed).map(({ got }) => got.join("; "));
  return failed.length > 0
    ? `${FAILED} ${failed.join("; ")}`
    : `${made[0].due.join(" or ")} ${PASSED}`;
}

/** @param {Done[]} done - of one side */
export function markdownOf(done) {
  const { head, body } = rowsOf(done);
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}
