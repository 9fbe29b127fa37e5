// Options of every command that makes a machine.

import { InvalidArgumentError, Option } from "commander";
import { failureOf } from "../failure.js";
import { type DiscOption, parseDiscOption } from "./disc-option.js";

export function controllerOption(): Option {
  return new Option("--controller <name>", "the endpoint's controller (default: 44100000.pcie)");
}

export function engineOption(): Option {
  const says = "wasm, typescript or auto (default: $BLOCKPT_ENGINE, else auto)";
  return new Option("--engine <engine>", says).argParser((text: string) => {
    if (["wasm", "typescript", "auto"].includes(text)) return text;
    throw new InvalidArgumentError("wasm, typescript or auto is wanted.");
  });
}

/** Parses a `--disc` behind those before it. */
export function collectDiscs(text: string, before: readonly DiscOption[]): DiscOption[] {
  let disc: DiscOption;
  try {
    disc = parseDiscOption(text);
  } catch (error) {
    throw new InvalidArgumentError(failureOf(error).message);
  }
  if (before.some(({ name }) => name === disc.name)) {
    throw new InvalidArgumentError(`There is a disc ${disc.name} already.`);
  }
  return [...before, disc];
}
