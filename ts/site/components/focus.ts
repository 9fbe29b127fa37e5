// Where the focus goes when the button that had it is gone.

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** A button that takes the focus when it comes in place of the one that was pressed. */
export function useFocus(): RefObject<HTMLButtonElement | null> {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) button.current?.focus();
  }, []);
  return button;
}
