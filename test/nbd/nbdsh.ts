// Scripts for nbdsh: libnbd's client, with its own checks turned off, so that a server gets what no
// program of good manners sends.

import { succeed } from "./tools.js";

/** What every script has: `h` is a handle that is not connected yet. */
const PRELUDE = `
import errno, json, os
h.set_strict_mode(0)

def another():
    other = nbd.NBD()
    other.set_strict_mode(0)
    return other

def says(call, *args, **named):
    """The name of the error that a call ends with, or "done"."""
    try:
        call(*args, **named)
        return "done"
    except nbd.Error as error:
        return error.errno

def fill(byte, count):
    return bytes([byte]) * count

K = 1024
M = K * K
report = lambda value: print(json.dumps(value))
`;

/** Runs a script of Python; resolves with what it gave `report`. */
export async function nbdsh<T>(script: string): Promise<T> {
  return JSON.parse(await succeed("nbdsh", ["-c", "-"], { input: `${PRELUDE}\n${script}` })) as T;
}
