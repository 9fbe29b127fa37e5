// The commands that the shell has: its own, those of just-bash but for a few, and the built-in ones.

import { type Command, type CommandName, getCommandNames } from "just-bash";
import { commandOf, type Definition, type Resources } from "../command.js";
import { blockdev, sync } from "./blockdev.js";
import { dd } from "./dd.js";
import { dmesg } from "./dmesg.js";
import { hexdump } from "./hexdump.js";
import { ln } from "./ln.js";
import { lsblk } from "./lsblk.js";
import { lspci } from "./lspci.js";
import { insmod, lsmod, modprobe, rmmod } from "./modules.js";
import { mount, umount } from "./mount.js";

const DEFINITIONS: readonly Definition[] = [
  ...[blockdev, dd, dmesg, hexdump, insmod, ln, lsblk, lsmod, lspci],
  ...[modprobe, mount, rmmod, sync, umount],
];

export function ownCommands(resources: Resources): Command[] {
  return DEFINITIONS.map((definition) => commandOf(definition, resources));
}

/** They need packages of their own: `scripts/build.mjs` leaves them out. Or have nothing to work on here. */
const LEFT_OUT: readonly string[] = [
  ...["file", "html-to-markdown", "sqlite3", "tar", "xan", "yq"],
  "history",
];

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
