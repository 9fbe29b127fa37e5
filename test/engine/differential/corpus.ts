// The scripts that are kept, in test/engine/corpus: each found something once, or gets somewhere that chance takes
// long to get to. Scripts and not seeds: a seed means another script after the next change of the generator.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Script } from "./script.js";

/** @param folder - of JSON files, a script each */
export function keptScripts(folder: string): { name: string; script: Script }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => ({ name, script: JSON.parse(readFileSync(join(folder, name), "utf8")) }));
}
