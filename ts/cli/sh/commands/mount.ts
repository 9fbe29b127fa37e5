// `mount` and `umount`: the config tree is there without them, and there is no kernel that could mount a disk.

import { CommandFailure, type Definition } from "../command.js";

/** What is mounted in the tree: on what, and of which type. */
const MOUNTS: readonly (readonly [device: string, path: string, type: string])[] = [
  ["sysfs", "/sys", "sysfs"],
  ["devtmpfs", "/dev", "devtmpfs"],
  ["none", "/sys/kernel/config", "configfs"],
];

export const mount: Definition = {
  name: "mount",
  usage: "[-t TYPE] [-o OPTIONS] [DEVICE DIRECTORY]",
  help: `
Without operands lists what is mounted. configfs, sysfs and devtmpfs are mounted already,
and mounting them again changes nothing. A disk cannot be mounted: this shell has no kernel.

  -t TYPE     the file system's type
  -o OPTIONS  ignored`,
  options: { types: { type: "string", short: "t" }, options: { type: "string", short: "o" } },
  run({ operands, values, out }) {
    const [device, directory] = operands;
    if (device === undefined) {
      const { types } = values;
      for (const [name, path, type] of MOUNTS) {
        if (types === undefined || types === type) out(`${name} on ${path} type ${type} (rw)\n`);
      }
      return 0;
    }
    const mounted = MOUNTS.find(([, , type]) => type === values.types);
    if (mounted === undefined) {
      const where = directory === undefined ? "" : ` on ${directory}`;
      throw new CommandFailure(
        `${device}: this shell has no kernel to mount it${where}. Copy the disk to an image, ` +
          `dd if=${device} of=disk.img bs=1M, and mount that: mount -o loop disk.img DIRECTORY`,
        32,
      );
    }
    const [, path, type] = mounted;
    if (directory === undefined || directory.replace(/\/+$/, "") === path) return 0;
    throw new CommandFailure(`${directory}: ${type} is at ${path}, and nowhere else here`, 32);
  },
};

export const umount: Definition = {
  name: "umount",
  usage: "DIRECTORY",
  help: "Refuses: configfs, sysfs and devtmpfs stay, and no disk can be mounted here.",
  options: { types: { type: "string", short: "t" } },
  run({ operands: [path] }) {
    if (path === undefined) throw new CommandFailure("a directory is wanted", 32);
    const mounted = MOUNTS.find(([, where]) => where === path.replace(/\/+$/, ""));
    throw new CommandFailure(
      mounted === undefined
        ? `${path}: not mounted; to give a disk back echo 0 to its attach`
        : `${path}: target is busy: it is there as long as the shell is`,
      32,
    );
  },
};
