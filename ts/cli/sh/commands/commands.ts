// The commands that the shell has besides those of just-bash.

import type { Command } from "just-bash";
import { commandOf, type Definition, type Machine } from "../command.js";
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

export function ownCommands(machine: Machine): Command[] {
  return DEFINITIONS.map((definition) => commandOf(definition, machine));
}
