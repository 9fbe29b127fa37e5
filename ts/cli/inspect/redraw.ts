// A page that is drawn again and again in place: on the terminal's other screen, which gives back what was
// there before when it is left.

import {
  cursorHide,
  cursorShow,
  cursorTo,
  enterAlternativeScreen,
  eraseDown,
  eraseEndLine,
  exitAlternativeScreen,
} from "ansi-escapes";
import type { Cleanup } from "../cleanup.js";

/** A line that is too long is cut by the terminal, which knows how wide its letters are. */
const NO_WRAP = "\u001b[?7l";
const WRAP = "\u001b[?7h";

export interface Page {
  draw(lines: readonly string[]): void;
}

/** Takes the terminal's other screen, until the command ends. */
export function openPage(terminal: NodeJS.WriteStream, cleanup: Cleanup): Page {
  let lines: readonly string[] = [];
  const show = (): void => {
    const fits = fitting(lines, terminal.rows);
    const text = fits.map((line) => `${line}${eraseEndLine}`).join("\n");
    // Not line by line: half of a page is not to be seen.
    terminal.write(`${cursorTo(0, 0)}${text}${eraseDown}`);
  };
  terminal.write(enterAlternativeScreen + cursorHide + NO_WRAP);
  terminal.on("resize", show);
  cleanup.add(() => {
    terminal.off("resize", show);
    terminal.write(WRAP + cursorShow + exitAlternativeScreen);
  });
  return {
    draw: (next) => {
      if (cleanup.started) return;
      lines = next;
      show();
    },
  };
}

/** As many lines as the terminal has; the last one says what is not shown. */
function fitting(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const shown = lines.slice(0, Math.max(0, rows - 1));
  return [...shown, `... ${lines.length - shown.length} more lines: blockpt inspect prints them`];
}
