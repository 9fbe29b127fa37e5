// What may stand in a config file: its keys, and the values that each takes. Says of a value what is
// accepted; knows nothing of files, lines and columns.

import {
  BlockptError,
  type ConfigDocument,
  type EngineChoice,
  type FunctionField,
  parseFault,
  printFault,
} from "blockpt";
import * as z from "zod";
import { eitherOf, nearest } from "../nearest.js";
import { parseSize, SIZE_WANTED } from "../sizes.js";

/** How the bus is made. Sizes are in bytes. */
export interface BusDocument {
  host_memory_bytes?: number | undefined;
  bar_bytes?: number | undefined;
  endpoint_memory_bytes?: number | undefined;
  iommu?: boolean | undefined;
  engine?: EngineChoice | undefined;
}

/** A config file: the bus, and what is on it. */
export interface MachineDocument extends ConfigDocument {
  bus?: BusDocument | undefined;
}

/** Something in a document that is not accepted. */
export interface Problem {
  /** The keys that lead there, from the top. */
  readonly keys: readonly string[];
  /** Whether the last key is at fault, rather than what stands there. */
  readonly ofKey: boolean;
  readonly message: string;
}

/** The least and the largest value of each field, and how it is written. */
export const FIELDS: Readonly<
  Record<FunctionField, { least: number; most: number; digits?: number }>
> = {
  vendorid: { least: 0, most: 0xfffe, digits: 4 },
  deviceid: { least: 0, most: 0xffff, digits: 4 },
  revid: { least: 0, most: 0xff, digits: 2 },
  progif_code: { least: 0, most: 0xff, digits: 2 },
  subclass_code: { least: 0, most: 0xff, digits: 2 },
  baseclass_code: { least: 0, most: 0xff, digits: 2 },
  cache_line_size: { least: 0, most: 0xff, digits: 2 },
  subsys_vendor_id: { least: 0, most: 0xffff, digits: 4 },
  subsys_id: { least: 0, most: 0xffff, digits: 4 },
  interrupt_pin: { least: 0, most: 4 },
  msi_interrupts: { least: 0, most: 32 },
  msix_interrupts: { least: 1, most: 2048 },
};

/** A number in so many hexadecimal digits; in decimal ones without. */
export function printNumber(value: number, digits: number | undefined): string {
  return digits === undefined ? String(value) : `0x${value.toString(16).padStart(digits, "0")}`;
}

/** A value that `parse` makes something of; it gives undefined for one that is not accepted. */
function leaf<T>(wanted: string, parse: (input: unknown) => T | undefined) {
  return z.unknown().transform((input, { issues }): T => {
    const value = parse(input);
    if (value === undefined) issues.push({ code: "custom", message: wanted, input });
    return value as T;
  });
}

const whole = (least: number, most: number, digits?: number) =>
  leaf(
    `a whole number from ${printNumber(least, digits)} to ${printNumber(most, digits)}`,
    (input) => {
      // A string too, as JSON has no hexadecimal numbers.
      const isText = typeof input === "string" && /^(0x[0-9a-f]+|\d+)$/i.test(input);
      const value = isText ? Number(input) : input;
      const isIn = Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
      return isIn ? Number(value) : undefined;
    },
  );
const flag = leaf("true or false", (input) => (typeof input === "boolean" ? input : undefined));
const isLine = (input: unknown): input is string =>
  typeof input === "string" && !/\p{Cc}/u.test(input);
const text = (wanted: string) =>
  leaf(wanted, (input) => (isLine(input) && input !== "" ? input : undefined));
const size = leaf(SIZE_WANTED, (input) => {
  if (typeof input === "string") return parseSize(input);
  return Number.isSafeInteger(input) && Number(input) >= 0 ? Number(input) : undefined;
});
const engine = leaf("wasm, typescript or auto", (input) =>
  input === "wasm" || input === "typescript" || input === "auto" ? input : undefined,
);
const partition = leaf("a number from 1 on, a UUID or an empty text", (input) => {
  if (Number.isSafeInteger(input) && Number(input) > 0) return Number(input);
  return typeof input === "string" && /^[0-9a-f-]*$/i.test(input) ? input : undefined;
});
const name = z.string().refine(isEntryName, "a name is 1 to 255 bytes without / and controls");

const MAP = { error: "a map of keys and values" };
const DISC_NAME =
  "the path of a file or a block device, memory:SIZE, an NBD URI or the URL of an image";

const exportName = leaf("a text of at most 63 bytes", (input) =>
  typeof input === "string" && !/\p{Cc}/u.test(input) ? input : undefined,
);

/** What is wrong with a fault its parser says. */
const fault = z.unknown().transform((input, { issues }): string => {
  try {
    return printFault(parseFault(String(input)));
  } catch (error) {
    if (!(error instanceof BlockptError)) throw error;
    issues.push({ code: "custom", message: error.message, params: { isWhole: true }, input });
    return "";
  }
});

const disc = z.strictObject(
  {
    // Empty it is of a disc that is not exported yet.
    disc_name: leaf(DISC_NAME, (input) => (isLine(input) ? input : undefined)),
    partition: partition.optional(),
    export_name: exportName.optional(),
    read_only: flag.optional(),
    max_number_of_queues: whole(1, 255).optional(),
    fault: z.array(fault, { error: "a list of faults" }).optional(),
  },
  MAP,
);

const fields = Object.fromEntries(
  Object.entries(FIELDS).map(([field, { least, most, digits }]) => [
    field,
    whole(least, most, digits).optional(),
  ]),
) as Record<FunctionField, z.ZodOptional<ReturnType<typeof whole>>>;

const machine = z.strictObject(
  {
    bus: z
      .strictObject(
        {
          host_memory_bytes: size.optional(),
          bar_bytes: size.optional(),
          endpoint_memory_bytes: size.optional(),
          iommu: flag.optional(),
          engine: engine.optional(),
        },
        MAP,
      )
      .optional(),
    dev: z.record(name, text(DISC_NAME), MAP).optional(),
    functions: z
      .record(
        name,
        z.strictObject({ ...fields, discs: z.record(name, disc, MAP).optional() }, MAP),
        MAP,
      )
      .optional(),
    controllers: z
      .record(
        name,
        z.strictObject(
          { function: text("the name of a function").optional(), start: flag.optional() },
          MAP,
        ),
        MAP,
      )
      .optional(),
    remote_disks: z
      .record(
        name,
        z.strictObject({ local_name: text("a name").optional(), attach: flag.optional() }, MAP),
        MAP,
      )
      .optional(),
  },
  MAP,
);

/** Whether something can be called so in the config tree. */
export function isEntryName(text: string): boolean {
  const { length } = Buffer.from(text);
  const isText = !/[/\p{Cc}]/u.test(text) && text !== "." && text !== ".." && text !== "__proto__";
  return isText && length >= 1 && length <= 255;
}

/** Checks a value that came from outside. */
export function checkDocument(
  input: unknown,
): { readonly document: MachineDocument } | { readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const filled = fillIn(machine, input, [], problems);
  const result = machine.safeParse(filled, { reportInput: true });
  if (!result.success) problems.push(...result.error.issues.flatMap(problemsOf));
  return problems.length === 0 && result.success ? { document: result.data } : { problems };
}

/**
 * Has an empty value be an empty map where one is wanted: `remote_disks:` and nothing behind it. A key
 * that an object of JavaScript cannot have as its own would not be seen by anybody later.
 */
function fillIn(
  schema: z.core.$ZodType | undefined,
  input: unknown,
  keys: readonly string[],
  problems: Problem[],
): unknown {
  const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
  if (!(inner instanceof z.ZodObject || inner instanceof z.ZodRecord)) return input;
  if (input === null || input === undefined) return {};
  if (typeof input !== "object" || Array.isArray(input)) return input;
  const filled: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(input)) {
    if (key === "__proto__") {
      problems.push({ keys: [...keys, key], ofKey: true, message: "nothing can be called so" });
    } else filled[key] = fillIn(childOf(inner, key), value, [...keys, key], problems);
  }
  return filled;
}

function childOf(schema: z.ZodObject | z.ZodRecord, key: string): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return Object.hasOwn(schema.shape, key) ? schema.shape[key] : undefined;
}

/** The keys that may stand in the map that keys lead to. */
function keysAt(keys: readonly string[]): string[] {
  let at: z.core.$ZodType | undefined = machine;
  for (const key of keys) {
    at = at instanceof z.ZodObject || at instanceof z.ZodRecord ? childOf(at, key) : undefined;
    if (at instanceof z.ZodOptional) at = at.unwrap();
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const keys = issue.path.map(String);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        keys: [...keys, key],
        ofKey: true,
        message: `no such key; ${hint(key, keysAt(keys))}`,
      }));
    case "invalid_key":
      return [{ keys, ofKey: true, message: issue.issues[0]?.message ?? issue.message }];
    default: {
      if (issue.code === "custom" && issue.params?.isWhole) {
        return [{ keys, ofKey: false, message: issue.message }];
      }
      const wanted = `${issue.message} is wanted`;
      if (issue.input === undefined) return [{ keys, ofKey: true, message: `missing: ${wanted}` }];
      return [{ keys, ofKey: false, message: `${wanted}, not ${describe(issue.input)}` }];
    }
  }
}

function hint(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near.length < known.length
    ? `is ${eitherOf(near)} meant?`
    : `here may be ${eitherOf(known)}`;
}

/** A value as it stands in the file, nearly. */
function describe(input: unknown): string {
  if (input === null) return "nothing";
  if (Array.isArray(input)) return "a list";
  if (typeof input === "object") return "a map";
  const shown = typeof input === "string" ? JSON.stringify(input) : String(input);
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}
