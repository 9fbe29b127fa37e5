// What may stand at the cursor of a command line, as the commands themselves have it: their names,
// arguments and options, and what the help calls a value. No command is listed here.

import type { Command, Option } from "commander";
import { runningProcesses } from "../control/socket-path.js";

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What the shell offers where there are no candidates: files and commands it knows better. */
export type Otherwise = "files" | "commands" | "nothing";

export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly otherwise: Otherwise;
  /** What of the word stands before all that: `--engine=`, or `nvme0=` of a disc. */
  readonly prefix: string;
}

/** Where the words before the cursor lead to. */
interface Place {
  readonly command: Command;
  /** How many of its arguments are there. */
  readonly given: number;
  /** Whether `--` has ended the options. */
  readonly dashed: boolean;
  /** The option whose value comes next. */
  readonly awaiting: Option | undefined;
}

const NOTHING: Completion = { candidates: [], otherwise: "nothing", prefix: "" };
const FILES: Completion = { ...NOTHING, otherwise: "files" };

/** @param words - those behind the program's name, up to the cursor; the last one may be empty */
export async function completionAt(
  program: Command,
  words: readonly string[],
): Promise<Completion> {
  const word = words.at(-1) ?? "";
  const start: Place = { command: program, given: 0, dashed: false, awaiting: undefined };
  const place = words.slice(0, -1).reduce(placeBehind, start);
  const { command, given, dashed, awaiting } = place;
  // A dash may become an option.
  const isDash = word.startsWith("-");
  if (awaiting !== undefined && (awaiting.required || !isDash)) return valueAt(awaiting, word);
  if (!dashed && isDash) return optionAt(command, word);
  // Commander's own `help`, too, has no parent, and takes the name of a command.
  const names = given === 0 ? visibleCommands(command.parent === null ? program : command) : [];
  if (names.length > 0) return { ...NOTHING, candidates: names.map(candidateOf) };
  return argumentAt(place);
}

function placeBehind(place: Place, word: string): Place {
  const { command, given, dashed, awaiting } = place;
  if (awaiting !== undefined && (awaiting.required || !isOption(word))) {
    return { ...place, awaiting: undefined };
  }
  if (!dashed && word === "--") return { ...place, dashed: true, awaiting: undefined };
  if (!dashed && isOption(word)) return { ...place, awaiting: valuedOption(command, word) };
  const next = given === 0 ? visibleCommands(command).find((each) => each.name() === word) : null;
  return next ? { ...place, command: next } : { ...place, given: given + 1 };
}

/** A dash alone is an argument, as for standard input. */
function isOption(word: string): boolean {
  return /^-./.test(word);
}

/** The option that is called so, if it has a value. */
function valuedOption(command: Command, name: string): Option | undefined {
  return command.options.find(({ long, short, required, optional }) => {
    return (long === name || short === name) && (required || optional);
  });
}

async function optionAt(command: Command, word: string): Promise<Completion> {
  const [, name, value = ""] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
  if (name === undefined) return { ...NOTHING, candidates: visibleOptions(command) };
  const option = valuedOption(command, name);
  if (option === undefined) return NOTHING;
  const completion = await valueAt(option, value);
  return { ...completion, prefix: `${name}=${completion.prefix}` };
}

/** By what the help calls the value; one that is called otherwise is a number, or a new name. */
async function valueAt({ flags, argChoices }: Option, word: string): Promise<Completion> {
  if (argChoices !== undefined) return choiceOf(argChoices);
  switch (/[<[](\w+)/.exec(flags)?.[1]) {
    case "file":
    case "path":
    case "directory":
      return FILES;
    case "disc": {
      const [prefix] = /^[^=]*=/.exec(word) ?? [];
      return prefix === undefined ? NOTHING : { ...FILES, prefix };
    }
    case "socket": {
      const running = (await runningProcesses()).filter(({ path }) => path.startsWith(word));
      const candidates = running.map(({ path, pid }) => {
        return { value: path, description: `pid ${pid}` };
      });
      return running.length === 0 ? FILES : { ...NOTHING, candidates };
    }
    default:
      return NOTHING;
  }
}

/** A file, where nothing else is said. */
function argumentAt({ command, given, dashed }: Place): Completion {
  const { registeredArguments } = command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[given] ?? (last?.variadic ? last : undefined);
  if (argument === undefined) return NOTHING;
  if (argument.argChoices !== undefined) return choiceOf(argument.argChoices);
  if (argument.name() !== "command") return FILES;
  // One of the system's, which stands behind `--`, and then its own arguments.
  if (!dashed) return NOTHING;
  return given === 0 ? { ...NOTHING, otherwise: "commands" } : FILES;
}

function choiceOf(choices: readonly string[]): Completion {
  return { ...NOTHING, candidates: choices.map((value) => ({ value, description: "" })) };
}

function visibleCommands(command: Command): Command[] {
  return command.createHelp().visibleCommands(command);
}

function visibleOptions(command: Command): Candidate[] {
  const options = command.createHelp().visibleOptions(command);
  return options.map(({ long, short, description }) => {
    return { value: long ?? short ?? "", description };
  });
}

function candidateOf(command: Command): Candidate {
  return { value: command.name(), description: command.description() };
}
