import type { Browser } from "playwright-core";

/** Where the browser is; empty where it is not. */
export const executablePath: string;
/** What it is started with. */
export const browserArguments: readonly string[];
/** Starts it, with more arguments. */
export function launchBrowser(more?: readonly string[]): Promise<Browser>;
