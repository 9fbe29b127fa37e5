// A config file: read, parsed, checked, and errors told by file, line, column and key.
//
// It is YAML, and so JSON as well, whatever the file is called.

import { createReadStream } from "node:fs";
import { dirname, resolve } from "node:path";
import { discKindOf } from "blockpt";
import { formatNbdUri, type NbdAddress, parseNbdUri } from "blockpt/nbd";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import { CliError, failureOf } from "../failure.js";
import { checkDocument, type MachineDocument, type Problem } from "./schema.js";

/** A config file that was understood. */
export interface ConfigFile {
  /** Its relative paths are absolute here. */
  readonly document: MachineDocument;
  /** The error of applying it, with the place in the file that the keys lead to. */
  errorAt(keys: readonly string[], code: string, message: string): CliError;
}

/** The code of what is wrong in a file. */
export const CONFIG_ERROR = "ERR_CONFIG";
/** Larger ones are no config files. */
const MOST_BYTES = 512 * 1024;
/** As `-` for standard input. */
const STDIN = "-";

/**
 * Reads a config file; `-` is standard input. Relative paths in it are relative to its directory, so that it
 * means the same from wherever it is used; those of standard input to the current directory.
 *
 * Throws a `CliError`, or an `AggregateError` of several: all that is wrong.
 */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const name = path === STDIN ? "(stdin)" : path;
  const text = await read(path, name);
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const placeOf = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const complaints = complaintsOf(yaml, text);
  if (complaints.length > 0) {
    throw errorsOf(complaints.map(({ offset, message }) => `${placeOf(offset)}: ${message}`));
  }

  const checked = checkDocument(contentsOf(yaml, name));
  const tell = (problem: Problem): string => {
    const offset = offsetOf(yaml, problem.keys, problem.ofKey);
    const place = offset === undefined ? name : placeOf(offset);
    return [place, problem.keys.join("."), problem.message].filter(Boolean).join(": ");
  };
  if ("problems" in checked) {
    const offset = ({ keys, ofKey }: Problem): number => offsetOf(yaml, keys, ofKey) ?? 0;
    throw errorsOf(checked.problems.toSorted((a, b) => offset(a) - offset(b)).map(tell));
  }
  const base = path === STDIN ? process.cwd() : dirname(resolve(path));
  return {
    document: withAbsolutePaths(checked.document, base),
    errorAt: (keys, code, message) =>
      new CliError({ code, message: tell({ keys, ofKey: false, message }) }),
  };
}

/** What a disc is made of, if that is a path, from the root. */
export function absoluteDiscName(discName: string, base: string): string {
  const kind = discKindOf(discName);
  if (kind === "nbd") return absoluteUri(discName, base);
  return discName === "" || kind !== "file" ? discName : resolve(base, discName);
}

/** The paths that an NBD URI has in it. What is none is complained of by whoever opens it. */
function absoluteUri(uri: string, base: string): string {
  let address: NbdAddress;
  try {
    address = parseNbdUri(uri);
  } catch {
    return uri;
  }
  const { socketPath, parameters } = address;
  const folder = parameters["tls-certificates"];
  return formatNbdUri({
    ...address,
    socketPath: socketPath && resolve(base, socketPath),
    parameters: folder ? { ...parameters, "tls-certificates": resolve(base, folder) } : parameters,
  });
}

async function read(path: string, name: string): Promise<string> {
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of path === STDIN ? process.stdin : createReadStream(path)) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MOST_BYTES) break;
    }
    if (length <= MOST_BYTES) return Buffer.concat(chunks).toString();
  } catch (error) {
    const { code, message } = failureOf(error);
    throw new CliError({ code, message: `${name}: the config file cannot be read: ${message}` });
  }
  const message = `${name}: a config file has at most ${MOST_BYTES} bytes`;
  throw new CliError({ code: CONFIG_ERROR, message });
}

/** As one error, or several. */
function errorsOf(messages: readonly string[]): Error {
  const errors = messages.map((message) => new CliError({ code: CONFIG_ERROR, message }));
  const [first] = errors;
  return errors.length === 1 && first ? first : new AggregateError(errors, messages.join("; "));
}

/** What cannot be parsed, and aliases of nothing, which the parser leaves to whoever resolves them. */
function complaintsOf(yaml: Document, text: string): { offset: number; message: string }[] {
  const complaints = [...yaml.errors, ...yaml.warnings].map((error) => ({
    offset: error.pos[0],
    message: complaintOf(error, text),
  }));
  visit(yaml, {
    Alias: (_, alias) => {
      if (alias.resolve(yaml) !== undefined) return;
      const message = `*${alias.source} is no alias: no &${alias.source} stands before it`;
      complaints.push({ offset: startOf(alias) ?? 0, message });
    },
  });
  return complaints;
}

/** What the parser says, in our words where its own do not help. */
function complaintOf(error: YAMLError, text: string): string {
  const at = text.slice(error.pos[0]);
  switch (error.code) {
    case "DUPLICATE_KEY": {
      const key = /^("[^"\n]*"|'[^'\n]*'|[^\s:]+)/.exec(at)?.[0] ?? "a key";
      return `${key} is there twice: once in a map`;
    }
    case "MULTIPLE_DOCS":
      return "a second document begins: one a file";
    default:
      return error.message;
  }
}

/** The parsed values. Aliases that make too much of a little are refused. */
function contentsOf(yaml: Document, name: string): unknown {
  try {
    return yaml.toJS();
  } catch (error) {
    const { message } = failureOf(error);
    throw new CliError({ code: CONFIG_ERROR, message: `${name}: ${message}` });
  }
}

/** Where the keys lead to, or as far as they lead: the value if it stands behind its key, else the key. */
function offsetOf(yaml: Document, keys: readonly string[], ofKey: boolean): number | undefined {
  let found: Pair | undefined;
  let node: unknown = yaml.contents;
  let left = keys.length;
  for (const key of keys) {
    const map = isAlias(node) ? node.resolve(yaml) : node;
    const pair = isMap(map)
      ? map.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    if (pair === undefined) break;
    left--;
    found = pair;
    node = pair.value;
  }
  if (found === undefined) return startOf(yaml.contents);
  const isValue = isScalar(found.value) && left === 0 && !ofKey;
  return startOf(isValue ? found.value : found.key);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function withAbsolutePaths(document: MachineDocument, base: string): MachineDocument {
  const { dev, functions } = document;
  const absolute = (discName: string): string => absoluteDiscName(discName, base);
  const mapped = { ...document };
  if (dev !== undefined) mapped.dev = mapValues(dev, absolute);
  if (functions !== undefined) {
    mapped.functions = mapValues(functions, ({ discs, ...fields }) => ({
      ...fields,
      ...(discs && {
        discs: mapValues(discs, (disc) => ({ ...disc, disc_name: absolute(disc.disc_name) })),
      }),
    }));
  }
  return mapped;
}

function mapValues<T, U>(map: Record<string, T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}
