// The log: what one would type, and what both drivers say.

import { useLayoutEffect, useRef } from "preact/hooks";
import { formatSeconds } from "../model/log.js";
import { log } from "../state.js";

/** From the end, in pixels: who has scrolled farther up reads, and is left there. */
const NEAR_END = 60;

export function LogPanel() {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const entries = log.value;
  useLayoutEffect(() => {
    const { current } = box;
    if (current !== null && isAtEnd.current) current.scrollTop = current.scrollHeight;
  }, [entries]);
  return (
    <section class="card log" aria-labelledby="log-title">
      <h2 id="log-title">
        Log <span>in the user guide's words</span>
      </h2>
      <div
        ref={box}
        class="scroll"
        role="log"
        aria-label="Log"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          isAtEnd.current = scrollHeight - clientHeight - scrollTop < NEAR_END;
        }}
      >
        {entries.length === 0 && <p class="hint">Nothing was done yet.</p>}
        {entries.map(({ id, kind, seconds, text }) => (
          <p key={id} data-kind={kind}>
            {kind === "command" ? (
              <span class="prompt"># </span>
            ) : (
              <time>{formatSeconds(seconds)} </time>
            )}
            {text}
          </p>
        ))}
      </div>
    </section>
  );
}
