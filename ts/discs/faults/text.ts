// A fault as text: KIND[=VALUE][:OPERATION…][:KEY=VALUE…], one grammar for the command line, config files and the
// config tree. There is nothing in it that a shell or a comma-separated option would take for its own.
//
//   error=MEDIUM:read:sectors=100-199:every=10
//   delay=50ms:flush      stall=2s:after=1000      torn=3:probability=1%:seed=7
//   lost-flush            corrupt=8:read:times=1

import { BlkStatus } from "../../abi/layout.js";
import {
  checkFault,
  type Fault,
  type FaultKind,
  type FaultOperation,
  type FaultRule,
  OPERATIONS,
  refusal,
  ruleOf,
  statusName,
} from "./fault.js";

/** What the value behind a kind says. */
const VALUES: Readonly<Record<FaultKind, ((text: string) => Partial<FaultRule>) | undefined>> = {
  error: (status) => ({ status }),
  delay: (text) => ({ durationMs: milliseconds(text) }),
  stall: (text) => ({ durationMs: milliseconds(text) }),
  torn: (text) => ({ keepSectors: whole("torn", text) }),
  "lost-flush": undefined,
  corrupt: (text) => ({ bits: whole("corrupt", text) }),
};

const KEYS: Readonly<Record<string, (text: string) => Partial<FaultRule>>> = {
  status: (status) => ({ status }),
  sectors,
  after: (text) => ({ after: whole("after", text) }),
  every: (text) => ({ every: whole("every", text) }),
  probability: (text) => ({ probability: share(text) }),
  times: (text) => ({ times: whole("times", text) }),
  seed: (text) => ({ seed: whole("seed", text) }),
};

/**
 * A fault that is written as `KIND[=VALUE][:OPERATION...][:KEY=VALUE...]`.
 *
 * The kinds are `error[=STATUS]`, `delay=TIME`, `stall=TIME`, `torn[=SECTORS]`, `lost-flush` and `corrupt[=BITS]`, a
 * time as `50ms` or `1.5s`. The operations are `read`, `write`, `flush`, `discard` and `write-zeroes`. The keys are
 * `status`, `sectors=FIRST-LAST` (or `FIRST-`, or one), `after`, `every`, `probability` (as `0.01` or `1%`), `times`
 * and `seed`; {@link FaultRule} says what each means.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT`, which says what would be accepted
 *
 * @example
 * ```ts
 * import { parseFault, printFault } from "blockpt";
 *
 * const rule = parseFault("error=EIO:read:sectors=100-199:every=10");
 * console.log(rule.status, rule.firstSector, rule.every); // IOERR 100 10
 * console.log(printFault({ kind: "delay", durationMs: 50, operations: ["flush"] })); // delay=50ms:flush
 * ```
 */
export function parseFault(text: string): FaultRule {
  const [head = "", ...parts] = text.split(":");
  const [kind = "", value] = cut(head);
  if (!Object.hasOwn(VALUES, kind)) {
    const kinds = Object.keys(VALUES).join(", ");
    throw refusal(`kind is ${JSON.stringify(kind)} in ${JSON.stringify(text)}: ${kinds} are known`);
  }
  const rule: FaultRule = { kind: kind as FaultKind };
  const parse = VALUES[rule.kind];
  if (value !== undefined) {
    if (parse === undefined) throw refusal(`kind ${kind} has no value, as in ${head}`);
    Object.assign(rule, parse(value));
  }
  const operations: FaultOperation[] = [];
  const seen = new Set<string>();
  for (const part of parts) {
    const [key, argument] = cut(part);
    if (seen.has(key)) throw refusal(`${key} stands twice in ${JSON.stringify(text)}`);
    seen.add(key);
    if (argument === undefined) {
      operations.push(operation(rule.kind, key));
      continue;
    }
    const said = keyed(key, argument);
    if (Object.keys(said).some((name) => Object.hasOwn(rule, name))) {
      throw refusal(`${key} stands twice in ${JSON.stringify(text)}`);
    }
    Object.assign(rule, said);
  }
  if (operations.length > 0) rule.operations = operations;
  return ruleOf(checkFault(rule));
}

/**
 * The rules that a text has, with white space between them.
 *
 * @internal
 */
export function parseFaults(text: string): FaultRule[] {
  return text
    .split(/\s+/)
    .filter((part) => part !== "")
    .map(parseFault);
}

/**
 * A fault as text, as `parseFault` takes it; what goes without saying is left out.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is none
 */
export function printFault(rule: FaultRule): string {
  return textOf(checkFault(rule));
}

/** @internal */
export function textOf(fault: Fault): string {
  const { kind, status, keepSectors } = fault;
  const rule = ruleOf(fault);
  const value = {
    error: statusName(status),
    delay: duration(fault.durationMs),
    stall: duration(fault.durationMs),
    torn: keepSectors,
    "lost-flush": undefined,
    corrupt: rule.bits,
  }[kind];
  const { firstSector, lastSector = "" } = rule;
  const hasRange = firstSector !== undefined || rule.lastSector !== undefined;
  const range = firstSector === lastSector ? firstSector : `${firstSector ?? 0}-${lastSector}`;
  const said: readonly (readonly [string, unknown])[] = [
    ["status", kind === "torn" && status !== BlkStatus.OK ? statusName(status) : undefined],
    ["sectors", hasRange ? range : undefined],
    ["after", rule.after],
    ["every", rule.every],
    ["probability", rule.probability],
    ["times", rule.times],
    ["seed", rule.seed],
  ];
  return [
    value === undefined ? kind : `${kind}=${value}`,
    ...(rule.operations ?? []),
    ...said.filter(([, each]) => each !== undefined).map(([key, each]) => `${key}=${each}`),
  ].join(":");
}

function operation(kind: FaultKind, word: string): FaultOperation {
  const possible = OPERATIONS[kind];
  if (possible.includes(word as FaultOperation)) return word as FaultOperation;
  const keys = Object.keys(KEYS).map((key) => `${key}=`);
  throw refusal(
    `part is ${JSON.stringify(word)}: behind ${kind} may stand ${[...possible, ...keys].join(", ")}`,
  );
}

function keyed(key: string, argument: string): Partial<FaultRule> {
  const parse = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
  if (parse !== undefined) return parse(argument);
  throw refusal(`key is ${JSON.stringify(key)}: ${Object.keys(KEYS).join(", ")} are known`);
}

/** At the first `=`. */
function cut(part: string): [string, string?] {
  const at = part.indexOf("=");
  return at < 0 ? [part] : [part.slice(0, at), part.slice(at + 1)];
}

function whole(what: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw refusal(`${what} is ${JSON.stringify(text)}: a whole number is wanted`);
}

/** `50ms`, `1.5s`. */
function milliseconds(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text) ?? [];
  const value = Number(digits) * (unit === "s" ? 1000 : 1);
  // 1.1 s is 1100.0000000000002 ms.
  const rounded = Math.round(value);
  if (Math.abs(rounded - value) < 1e-6) return rounded;
  throw refusal(`time is ${JSON.stringify(text)}: whole milliseconds are wanted, as 50ms or 1.5s`);
}

function duration(durationMs: number): string {
  return durationMs % 1000 === 0 ? `${durationMs / 1000}s` : `${durationMs}ms`;
}

/** `0.01` or `1%`. */
function share(text: string): number {
  const [, digits, percent] = /^(\d*\.?\d+(?:e-?\d+)?)(%?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw refusal(`probability is ${JSON.stringify(text)}: a share is wanted, as 0.01 or 1%`);
  }
  return percent === "%" ? Number(digits) / 100 : Number(digits);
}

/** `100-199`, `100-` or `100`. */
function sectors(text: string): Partial<FaultRule> {
  const [, first, dash, last] = /^(\d+)(-(\d+)?)?$/.exec(text) ?? [];
  if (first === undefined) {
    throw refusal(`range is ${JSON.stringify(text)}: sectors=100-199, 100- or 100 is wanted`);
  }
  const firstSector = Number(first);
  if (dash === undefined) return { firstSector, lastSector: firstSector };
  return last === undefined ? { firstSector } : { firstSector, lastSector: Number(last) };
}
