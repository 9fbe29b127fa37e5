// Prints a document as a config file: what `blockpt dump` gives.

import { Document, type ScalarTag } from "yaml";
import { printSize } from "../sizes.js";
import { FIELDS, type MachineDocument, printNumber } from "./schema.js";

/** A number that is printed as the config tree prints it. */
class FieldNumber {
  readonly text: string;

  constructor(value: number, digits: number) {
    this.text = printNumber(value, digits);
  }
}

/** `0x` and as many digits as the field has, which the parser's own way of printing would not keep. */
const fieldNumberTag: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  identify: (value) => value instanceof FieldNumber,
  resolve: (text) => text,
  test: /^(?!)/,
  stringify: ({ value }) => (value as unknown as FieldNumber).text,
};

const HEAD = ` What is on a bus of blockpt, and how: blockpt run --config FILE, blockpt apply FILE.
 Sizes are in bytes, or with K, M, G and T; relative paths start at this file's directory.`;

/** A document as YAML. */
export function printConfigFile(document: MachineDocument): string {
  const yaml = new Document(presented(document), { customTags: [fieldNumberTag] });
  yaml.commentBefore = HEAD;
  return yaml.toString({ lineWidth: 0 });
}

/** With numbers and sizes as people write them. */
function presented(document: MachineDocument): unknown {
  const { bus, functions, ...rest } = document;
  return {
    ...(bus && { bus: Object.fromEntries(Object.entries(bus).map(presentSize)) }),
    ...(document.dev && { dev: document.dev }),
    ...(functions && {
      functions: Object.fromEntries(
        Object.entries(functions).map(([name, fields]) => [
          name,
          Object.fromEntries(Object.entries(fields).map(presentField)),
        ]),
      ),
    }),
    ...rest,
  };
}

function presentSize([key, value]: [string, unknown]): [string, unknown] {
  const isSize = typeof value === "number" && key.endsWith("_bytes");
  const text = isSize ? printSize(value) : "";
  return [key, /[KMGT]$/.test(text) ? text : value];
}

function presentField([key, value]: [string, unknown]): [string, unknown] {
  const digits = key in FIELDS ? FIELDS[key as keyof typeof FIELDS].digits : undefined;
  const isHex = typeof value === "number" && digits !== undefined;
  return [key, isHex ? new FieldNumber(value, digits) : value];
}
