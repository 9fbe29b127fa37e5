// `rmdir`: just-bash's own finds no directory of the tree empty, as its attributes are in it.

import { posix } from "node:path";
import { CommandFailure, type Definition, withPath } from "../command.js";
import { FileError } from "../system-error.js";

export const rmdir: Definition = {
  name: "rmdir",
  usage: "[-p] DIRECTORY…",
  help: `
Removes empty directories; in the config tree functions and discs, whose attributes go with them.

  -p  those above it, too`,
  options: { parents: { type: "boolean", short: "p" } },
  async run({ fs, operands, values, path }) {
    if (operands.length === 0) throw new CommandFailure("missing operand; see rmdir --help");
    for (const operand of operands) {
      let directory = operand;
      do {
        await withPath(`failed to remove '${directory}'`, async () => {
          const where = path(directory);
          const { isDirectory } = await fs.lstat(where);
          if (!isDirectory) throw new FileError("ENOTDIR", where);
          await fs.rm(where);
        });
        directory = posix.dirname(directory);
      } while (values.parents && directory !== "." && directory !== "/");
    }
    return 0;
  },
};
