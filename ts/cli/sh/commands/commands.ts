// The commands that the shell has: its own, those of just-bash but for a few, and the built-in ones.

import { type Command, type CommandName, defineCommand, getCommandNames } from "just-bash";
import { commandOf, type Definition, type Resources } from "../command.js";
import { blockdev, sync } from "./blockdev.js";
import { dd } from "./dd.js";
import { dmesg } from "./dmesg.js";
import { head, tail } from "./ends.js";
import { hexdump } from "./hexdump.js";
import { ln } from "./ln.js";
import { lsblk } from "./lsblk.js";
import { lspci } from "./lspci.js";
import { insmod, lsmod, modprobe, rmmod } from "./modules.js";
import { mount, umount } from "./mount.js";
import { rm } from "./rm.js";
import { rmdir } from "./rmdir.js";

const DEFINITIONS: readonly Definition[] = [
  ...[blockdev, dd, dmesg, head, hexdump, insmod, ln, lsblk, lsmod, lspci],
  ...[modprobe, mount, rm, rmdir, rmmod, sync, tail, umount],
];

export function ownCommands(resources: Resources): Command[] {
  const notThere = NOT_THERE.map((name) =>
    defineCommand(name, async () => {
      return { stdout: "", stderr: `bash: ${name}: command not found\n`, exitCode: 127 };
    }),
  );
  return [...DEFINITIONS.map((definition) => commandOf(definition, resources)), ...notThere];
}

/** They need packages of their own: `scripts/build.mjs` leaves them out. Or have nothing to work on here. */
const LEFT_OUT: readonly string[] = [
  ...["file", "html-to-markdown", "sqlite3", "tar", "xan", "yq"],
  ...["history", "which"],
];

/** What just-bash says of commands that it could have is of browsers. */
const NOT_THERE = ["python", "python3", "sqlite3", "tar", "xan", "yq"];

export function bundledCommands(): CommandName[] {
  return (getCommandNames() as CommandName[]).filter((name) => !LEFT_OUT.includes(name));
}

const BUILT_IN =
  "cd command declare dirs eval exec exit getopts hash let local mapfile popd pushd read readarray readonly " +
  "return set shift shopt source test type unset";

/** Of everything that can be called. */
export function commandNames(): string[] {
  return [...DEFINITIONS.map(({ name }) => name), ...bundledCommands(), ...BUILT_IN.split(" ")];
}
