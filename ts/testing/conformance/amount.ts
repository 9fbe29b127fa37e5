// A number of a vector: said outright, or in terms of the endpoint that is tested, as `sectors - 1` or `host.end - 512`.

import { BlockptError } from "../../errors.js";

/**
 * A number, or a sum of numbers (decimal, `0x…`, `2^N`) and of these names, as `"host.end - 511"`:
 *
 * | name | is |
 * |---|---|
 * | `sectors` | the sectors of the disc that the vector is about |
 * | `sectors.N` | those of the disc at place N of GET_DEVICES' list |
 * | `queues` | the most queues that it supports |
 * | `host`, `host.end` | where host memory starts and ends |
 * | `bar`, `bar.end` | where the BAR starts and ends |
 * | `space` | bytes of descriptor space |
 * | `vectors` | MSI-X vectors |
 */
export type Amount = number | string;

/** What the names mean on one bus. */
export type AmountNames = Readonly<Record<string, bigint>>;

const TERM = /\s*([+-]?)\s*(?:(0x[0-9a-f]+|2\^\d+|\d+)|([a-z][a-z0-9.]*))\s*/giy;

/**
 * The number that an amount is.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is none
 */
export function amountOf(amount: Amount, names: AmountNames): bigint {
  if (typeof amount === "number") return BigInt(amount);
  let sum = 0n;
  TERM.lastIndex = 0;
  do {
    const from = TERM.lastIndex;
    const [, sign, literal, name] = TERM.exec(amount) ?? [];
    const value = literal === undefined ? names[name ?? ""] : literalOf(literal);
    if (value === undefined || (from > 0 && sign === "")) {
      const known = Object.keys(names).join(", ");
      const why = `${JSON.stringify(amount)} is no amount: a sum of numbers, of 2^N and of ${known}`;
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    sum += sign === "-" ? -value : value;
  } while (TERM.lastIndex > 0 && TERM.lastIndex < amount.length);
  return sum;
}

function literalOf(literal: string): bigint {
  return literal.startsWith("2^") ? 2n ** BigInt(literal.slice(2)) : BigInt(literal);
}
