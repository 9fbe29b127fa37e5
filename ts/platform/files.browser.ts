// In place of the machine's files: a browser has none.

import { absent } from "./absent.browser.js";

/** Refuses. */
async function refuse(path: string): Promise<never> {
  throw absent(`the file ${path}`, "the config tree leads to discs by their names");
}

export { refuse as open, refuse as readFile, refuse as stat, refuse as writeFile };

/** No file is there to be asked. */
export function isSparse(): undefined {
  return undefined;
}
