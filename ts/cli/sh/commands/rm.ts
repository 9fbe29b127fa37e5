// `rm`: just-bash's own removes no link to a directory, as one that binds a function is, and none that leads
// nowhere, and with -f says of nothing that it failed.

import { posix } from "node:path";
import { type Call, CommandFailure, type Definition, withPath } from "../command.js";
import { FileError } from "../system-error.js";

export const rm: Definition = {
  name: "rm",
  usage: "[-r] [-f] [-v] FILE…",
  help: `
Removes files and links; the link in controllers/EPC unbinds its function.

  -r  directories with all that is in them, too; also -R
  -f  what is not there is no error
  -v  says what was removed`,
  options: {
    recursive: { type: "boolean", short: "r" },
    R: { type: "boolean", short: "R" },
    force: { type: "boolean", short: "f" },
    verbose: { type: "boolean", short: "v" },
  },
  async run(call) {
    const { operands, values, err } = call;
    if (operands.length === 0 && !values.force) {
      throw new CommandFailure("missing operand; see rm --help");
    }
    let exitCode = 0;
    for (const operand of operands) {
      try {
        await withPath(`cannot remove '${operand}'`, () => remove(call, operand));
      } catch (error) {
        if (!(error instanceof CommandFailure)) throw error;
        err(`rm: ${error.message}\n`);
        exitCode = error.exitCode;
      }
    }
    return exitCode;
  },
};

async function remove({ fs, values, path, out }: Call, operand: string): Promise<void> {
  const recursive = values.recursive === true || values.R === true;
  const where = path(operand);
  // As GNU's does.
  const isHere = /^\.\.?$/.test(posix.basename(operand));
  if (where === "/" || isHere) throw new FileError("EPERM", where, "it is never removed");
  const stats = await fs.lstat(where).catch((error: FileError) => {
    if (values.force && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (stats === undefined) return;
  if (stats.isDirectory && !recursive) throw new FileError("EISDIR", where);
  await fs.rm(where, { recursive });
  if (values.verbose) out(`removed '${operand}'\n`);
}
