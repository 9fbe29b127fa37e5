// The head of the page: what it is, how the link is, and light or dark.

import { isKilled, machine, phase } from "../state.js";
import { setTheme, THEMES, theme } from "../theme.js";
import { Segments } from "./segments.js";

const PHASES = {
  empty: { text: "no link", state: "off" },
  exported: { text: "link up", state: "up" },
  attached: { text: "attached", state: "on" },
  stepping: { text: "single steps", state: "on" },
} as const;

const KILLED = { text: "endpoint killed", state: "off" } as const;

export function Header() {
  const { text, state } = isKilled.value ? KILLED : PHASES[phase.value];
  return (
    <header>
      <div class="title">
        <h1>
          blockpt <span>see the protocol work</span>
        </h1>
        <p class="lamps">
          <span class="lamp" data-state={state}>
            {text}
          </span>
          {machine.value && <span class="engine">engine {machine.value.bus.engine.kind}</span>}
        </p>
      </div>
      <Segments
        legend="Colours"
        isLegendHidden
        name="theme"
        options={THEMES.map((each) => ({ value: each, text: each }))}
        value={theme.value}
        onChange={setTheme}
      />
    </header>
  );
}
