// `ln`: just-bash's own makes no link in a directory, as `ln -s FUNCTION controllers/EPC/` binds a function.

import { posix } from "node:path";
import { discKindOf } from "blockpt";
import { type Call, CommandFailure, type Definition, withPath } from "../command.js";

export const ln: Definition = {
  name: "ln",
  usage: "[-s] [-f] TARGET… DIRECTORY | [-s] [-f] [-n] TARGET LINK",
  help: `
Links to TARGET; in the config tree only with -s. In controllers/EPC it binds a function, in /dev it
names a disc.

  -s  a symbolic link
  -f  in the place of what is there
  -n  a LINK to a directory is no directory`,
  options: {
    symbolic: { type: "boolean", short: "s" },
    force: { type: "boolean", short: "f" },
    "no-dereference": { type: "boolean", short: "n" },
  },
  async run(call) {
    const { operands, path } = call;
    const [last = ".", ...targets] = [...operands].reverse();
    if (operands.length === 0) throw new CommandFailure("missing file operand; see ln --help");
    const into = operands.length === 1 ? "." : last;
    const all = operands.length === 1 ? [last] : targets.reverse();
    const look = call.values["no-dereference"] ? "lstat" : "stat";
    const isDirectory = await call.fs[look](path(into)).then(
      (stats) => stats.isDirectory,
      () => false,
    );
    if (!isDirectory && all.length > 1)
      throw new CommandFailure(`target '${into}' is not a directory`);
    for (const target of all) {
      await makeLink(call, target, isDirectory ? posix.join(into, posix.basename(target)) : into);
    }
    return 0;
  },
};

async function makeLink(call: Call, target: string, link: string): Promise<void> {
  const { fs, values, path } = call;
  const where = path(link);
  await withPath(
    `failed to create ${values.symbolic ? "symbolic" : "hard"} link '${link}'`,
    async () => {
      if (values.force) await fs.rm(where, { force: true });
      if (!values.symbolic) return fs.link(path(target), where);
      // A name in /dev is a disc's: the tree knows no directory of the shell's, from which its target would lead.
      const isName = posix.dirname(where) === "/dev" && discKindOf(target) === "file";
      await fs.symlink(isName ? path(target) : target, where);
    },
  );
}
