// `insmod`, `modprobe`, `rmmod` and `lsmod`: the root complex's driver can be loaded, and the endpoint's is
// built in.

import { posix } from "node:path";
import { type Call, CommandFailure, type Definition } from "../command.js";

/** The root complex's driver. */
export const DRIVER = "pci-remote-disk";
/** By the name of its source file and by that of its functions. */
const BUILT_IN = ["pci-epf-blockpt", "pci-epf-block-passthru"];

/** Which module is meant: by a file, or a name with either kind of dash. */
function moduleOf({ operands: [text] }: Call): string {
  if (text === undefined) throw new CommandFailure("a module is wanted");
  const name = posix.basename(text).replace(/\.ko$/, "").replaceAll("_", "-");
  if (name === DRIVER || BUILT_IN.includes(name)) return name;
  throw new CommandFailure(
    `module ${text} not found: there are ${DRIVER} and, built in, ${BUILT_IN.join(" and ")}`,
  );
}

export const insmod: Definition = {
  name: "insmod",
  usage: "MODULE[.ko]",
  help: `Loads a module. There are ${DRIVER} and, built in, ${BUILT_IN.join(" and ")}.`,
  async run(call) {
    const module = moduleOf(call);
    const { tree } = call;
    if (module !== DRIVER) return 0;
    if (tree.driverLoaded) {
      throw new CommandFailure(`could not insert module ${call.operands[0]}: File exists`);
    }
    await tree.loadDriver();
    return 0;
  },
};

export const modprobe: Definition = {
  name: "modprobe",
  usage: "[-r] MODULE",
  help: `Loads a module if it is not loaded.

  -r  unloads it`,
  options: { remove: { type: "boolean", short: "r" } },
  async run(call) {
    const { tree } = call;
    if (call.values.remove) return rmmod.run(call);
    if (moduleOf(call) === DRIVER && !tree.driverLoaded) await tree.loadDriver();
    return 0;
  },
};

export const rmmod: Definition = {
  name: "rmmod",
  usage: "MODULE",
  help: "Unloads a module; its disks are detached.",
  async run(call) {
    const module = moduleOf(call);
    const { tree } = call;
    if (module !== DRIVER) throw new CommandFailure(`Module ${module} is builtin.`);
    if (!tree.driverLoaded) throw new CommandFailure(`Module ${module} is not currently loaded`);
    await tree.unloadDriver();
    return 0;
  },
};

export const lsmod: Definition = {
  name: "lsmod",
  usage: "",
  help: "Lists the modules that are loaded. Used by: the disks that are attached.",
  run({ tree, out }) {
    out("Module                  Size  Used by\n");
    if (!tree.driverLoaded) return 0;
    const disks = tree.rootComplex?.disks ?? [];
    const users = disks.map(({ localName }) => localName).join(",");
    const row = `${DRIVER.replaceAll("-", "_").padEnd(19)} ${"0".padStart(8)}  ${disks.length} ${users}`;
    out(`${row.trimEnd()}\n`);
    return 0;
  },
};
