// Values and bits by the names that the tables of the protocol give them.

/**
 * The name of a value in a table such as `BlkStatus`, `Operation` or `Register`; undefined where it has none.
 *
 * @example
 * ```ts
 * import { BlkStatus, nameOf } from "blockpt/abi";
 *
 * console.log(nameOf(BlkStatus, 10)); // IOERR
 * ```
 */
export function nameOf<Name extends string>(
  names: Readonly<Record<Name, number>>,
  value: number | undefined,
): Name | undefined {
  for (const name in names) if (names[name] === value) return name;
  return undefined;
}

/**
 * The names of the bits that are set, of a table such as `Status`, `Command` or `Feature`; behind them those that
 * have no name, in one hexadecimal number.
 *
 * @param bits - 32 bits
 *
 * @example
 * ```ts
 * import { bitNames, Status } from "blockpt/abi";
 *
 * console.log(bitNames(Status, 0x1300).join(" ")); // ERROR QUEUE_ADDRESS_INVALID 0x1000
 * ```
 */
export function bitNames(names: Readonly<Record<string, number>>, bits: number): string[] {
  const found = Object.entries(names).filter(([, bit]) => (bits & bit) !== 0);
  const rest = found.reduce((left, [, bit]) => left & ~bit, bits) >>> 0;
  return [...found.map(([name]) => name), ...(rest === 0 ? [] : [`0x${rest.toString(16)}`])];
}
