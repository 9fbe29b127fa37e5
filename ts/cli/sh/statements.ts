// Statements out of lines: as many lines as they take, as a shell reads them.

import { parse, type StatementNode } from "just-bash";
import type { ShellState } from "./session.js";

/** A statement, and as it was written; or why there is none. */
export type Read =
  | { readonly statement: StatementNode; readonly text: string }
  | { readonly syntaxError: string; readonly text: string };

/** Where lines come from. */
export interface LineSource {
  /**
   * The next line; undefined at the end, null where what there is of a statement is to be forgotten.
   *
   * @param continues - whether it belongs to a statement that has begun
   */
  next(state: ShellState, continues: boolean): Promise<string | null | undefined>;
}

export class Statements {
  readonly #lines: LineSource;
  #queue: Read[] = [];

  constructor(lines: LineSource) {
    this.#lines = lines;
  }

  /** The next one; undefined at the end. */
  async next(state: ShellState): Promise<Read | undefined> {
    let lines: string[] = [];
    while (this.#queue.length === 0) {
      const line = await this.#lines.next(state, lines.length > 0);
      if (line === undefined && lines.length === 0) return undefined;
      lines = line === null ? [] : [...lines, ...(line === undefined ? [] : [line])];
      const text = lines.join("\n");
      const parsed = parseText(text);
      if ("syntaxError" in parsed) return { ...parsed, text };
      if ("statements" in parsed) {
        this.#queue = parsed.statements.map((statement) => read(statement, text));
        lines = [];
      } else if (line === undefined) {
        return { syntaxError: parsed.incomplete, text };
      }
    }
    return this.#queue.shift();
  }

  /** Forgets what else stands in the line. */
  discard(): void {
    this.#queue = [];
  }
}

/** The lines of a script. */
export function linesOfScript(lines: AsyncIterator<string> | Iterator<string>): LineSource {
  return {
    async next() {
      const { value, done } = await lines.next();
      return done ? undefined : value;
    },
  };
}

/** What a text is: statements, the beginning of one, or none. */
type Parsed =
  | { readonly statements: readonly StatementNode[] }
  | { readonly incomplete: string }
  | { readonly syntaxError: string };

function parseText(text: string): Parsed {
  if (ENDS_IN_BACKSLASH.test(text)) return { incomplete: END };
  let statements: readonly StatementNode[];
  try {
    ({ statements } = parse(text));
  } catch (error) {
    const { message } = error as Error;
    const isOpen = /got EOF|unexpected EOF/.test(message) || FUNCTION_WITHOUT_BODY.test(text);
    if (isOpen) return { incomplete: END };
    const why = message.replace(/^(?:Parse error at [\d:]+|line \d+): /, "");
    return { syntaxError: why.startsWith("syntax error") ? why : `syntax error: ${why}` };
  }
  // just-bash is content with these.
  const isOpen = hasOpenHereDoc(statements) || endsInOperator(text);
  return isOpen ? { incomplete: END } : { statements };
}

const END = "syntax error: unexpected end of file";

const FUNCTION_WITHOUT_BODY = /(?:\(\s*\)|\bfunction\s+[\w-]+)\s*$/;
const ENDS_IN_BACKSLASH = /(?:^|[^\\])(?:\\\\)*\\$/;

function endsInOperator(text: string): boolean {
  return /(?:&&|\|\|?)\s*$/.test(text) && !/#[^\n]*$/.test(text);
}

/** A statement with its text: of a here-document, whose statement has its first line only, all that was read. */
function read(statement: StatementNode, text: string): Read {
  const { sourceText, deferredError } = statement;
  // just-bash would tell it as an error of the statement, and go on.
  if (deferredError) return { syntaxError: deferredError.message, text };
  const isWhole = sourceText !== undefined && !/<<-?\s*['"\w]/.test(sourceText);
  return { statement, text: isWhole ? sourceText : text };
}

/** Whether a here-document lacks its last line. */
function hasOpenHereDoc(node: unknown): boolean {
  if (typeof node !== "object" || node === null) return false;
  if ("type" in node && node.type === "HereDoc" && "terminated" in node && !node.terminated) {
    return true;
  }
  return Object.values(node).some(hasOpenHereDoc);
}
