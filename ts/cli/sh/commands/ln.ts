// `ln`: just-bash's, but a disc's name in `/dev` leads to where a relative target is from the shell's directory,
// as the tree knows no directory of ours.

import { posix } from "node:path";
import { type Command, defineCommand } from "just-bash";
import type { Machine } from "../command.js";

export function ln({ fs }: Machine): Command {
  return defineCommand("ln", async (args, { cwd, origCommand }) => {
    if (origCommand === undefined) throw new Error("just-bash has no ln");
    const operands = args.flatMap((arg, index) => (arg.startsWith("-") ? [] : [index]));
    const [targetAt, linkAt] = operands;
    const isSymbolic = args.some((arg) => /^-[a-zA-Z]*s|^--symbolic$/.test(arg));
    if (!isSymbolic || targetAt === undefined || linkAt === undefined || operands.length > 2) {
      return origCommand(args);
    }
    const target = args[targetAt] ?? "";
    const link = fs.resolvePath(cwd, args[linkAt] ?? "");
    const isName = posix.dirname(link) === "/dev" || link === "/dev";
    if (!isName || target.startsWith("memory:")) return origCommand(args);
    return origCommand(
      args.map((arg, at) => (at === targetAt ? fs.resolvePath(cwd, target) : arg)),
    );
  });
}
