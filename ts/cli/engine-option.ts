// The option --engine, which is the same in each command that makes a bus.

import { Option } from "commander";

export function engineOption(): Option {
  const description = "what works the rings (default: $BLOCKPT_ENGINE, else auto)";
  return new Option("--engine <engine>", description).choices(["auto", "wasm", "typescript"]);
}
