// A box that scrolls by itself where its content is too large: with a name, and for the keyboard, too.

import type { ComponentChildren } from "preact";

export interface ScrollProps {
  readonly label: string;
  readonly class?: string;
  readonly children: ComponentChildren;
}

export function Scroll({ label, class: name = "scroll", children }: ScrollProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
    <section class={name} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
