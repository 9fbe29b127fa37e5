// Statements out of lines: as many lines as they take, as a shell reads them.

import { parse, type StatementNode } from "just-bash";
import type { ShellState } from "./session.js";

/** A statement, and as it was written; or why there is none. */
export type Read =
  | { readonly statement: StatementNode; readonly text: string }
  | { readonly syntaxError: string; readonly text: string };

/** Where a session has its statements from. */
export interface StatementSource {
  /** The next one; undefined at the end. */
  next(state: ShellState): Promise<Read | undefined>;
}

/** What a text is: statements, the beginning of one, or none. */
export type Parsed =
  | { readonly statements: readonly StatementNode[] }
  | { readonly incomplete: string }
  | { readonly syntaxError: string };

export function parseText(text: string): Parsed {
  let statements: readonly StatementNode[];
  try {
    ({ statements } = parse(text));
  } catch (error) {
    const { message } = error as Error;
    if (/got EOF|unexpected EOF/.test(message)) return { incomplete: message };
    return { syntaxError: message };
  }
  if (hasOpenHereDoc(statements) || /(?:^|[^\\])(?:\\\\)*\\\n?$/.test(text)) {
    return { incomplete: "unexpected end of file" };
  }
  if (/(?:&&|\|\|?)\s*$/.test(text) && !/#[^\n]*$/.test(text)) {
    return { incomplete: "syntax error: unexpected end of file" };
  }
  return { statements };
}

/** The statements of a script, each read when the one before has ended. */
export function statementsOfLines(
  lines: AsyncIterator<string> | Iterator<string>,
): StatementSource {
  const queue: Read[] = [];
  return {
    async next() {
      let text = "";
      while (queue.length === 0) {
        const { value: line, done } = await lines.next();
        const before = text;
        if (!done) text += `${text === "" ? "" : "\n"}${line}`;
        const parsed = parseText(done ? before : text);
        if ("statements" in parsed) {
          queue.push(...parsed.statements.map((statement) => read(statement, text)));
          text = "";
          if (done) break;
        } else if ("syntaxError" in parsed) {
          return { syntaxError: parsed.syntaxError, text };
        } else if (done) {
          return { syntaxError: parsed.incomplete, text };
        }
      }
      return queue.shift();
    },
  };
}

/** A statement with its text: of a here-document, whose statement has its first line only, all that was read. */
export function read(statement: StatementNode, text: string): Read {
  const { sourceText } = statement;
  const isWhole = sourceText !== undefined && !/<<-?\s*['"\w]/.test(sourceText);
  return { statement, text: isWhole ? sourceText : text };
}

/** Whether a here-document lacks its last line. */
function hasOpenHereDoc(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(hasOpenHereDoc);
  if (typeof node !== "object" || node === null) return false;
  if ("type" in node && node.type === "HereDoc" && "terminated" in node && !node.terminated) {
    return true;
  }
  return Object.values(node).some(hasOpenHereDoc);
}
