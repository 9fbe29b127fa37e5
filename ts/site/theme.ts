// Light or dark: as the system has it, or as the person says, who is remembered where there is a storage.

import { effect, signal } from "@preact/signals";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "blockpt-theme";
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(darkSystem.matches);
darkSystem.addEventListener("change", ({ matches }) => {
  isSystemDark.value = matches;
});

export const theme = signal<Theme>(remembered());

effect(() => {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});

export function setTheme(wanted: Theme): void {
  theme.value = wanted;
  try {
    localStorage.setItem(KEY, wanted);
  } catch {
    // A browser that keeps nothing: it lasts as long as the page.
  }
}

/** What the colours go by: whoever reads it is drawn anew when they change. */
export function isDark(): boolean {
  return theme.value === "system" ? isSystemDark.value : theme.value === "dark";
}

function remembered(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return THEMES.find((each) => each === kept) ?? "system";
  } catch {
    // As above.
    return "system";
  }
}
