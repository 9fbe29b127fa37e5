// Options of every command that makes a machine.

import { InvalidArgumentError, Option } from "commander";
import { type DiscOption, parseDiscOption } from "./disc-option.js";

export function controllerOption(): Option {
  return new Option("--controller <name>", "the endpoint's controller (default: 44100000.pcie)");
}

/** Parses a `--disc` behind those before it. */
export function collectDiscs(text: string, before: readonly DiscOption[] = []): DiscOption[] {
  const disc = parseDiscOption(text);
  if (before.some(({ name }) => name === disc.name)) {
    throw new InvalidArgumentError(`There is a disc ${disc.name} already.`);
  }
  return [...before, disc];
}
