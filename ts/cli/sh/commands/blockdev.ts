// `blockdev` and `sync`: sizes of disks, and what was written on stable storage.

import { CommandFailure, type Definition, withPath } from "../command.js";
import type { FileSystem } from "../files/file-system.js";

const SECTOR_BYTES = 512;

export const blockdev: Definition = {
  name: "blockdev",
  usage: "--getsize64|--getsz|--getro|--flushbufs DEVICE…",
  help: `
  --getsize64  size in bytes
  --getsz      size in sectors of 512 bytes
  --getro      1 if it can only be read
  --flushbufs  what was written is on stable storage after it`,
  options: {
    getsize64: { type: "boolean" },
    getsz: { type: "boolean" },
    getro: { type: "boolean" },
    flushbufs: { type: "boolean" },
  },
  async run({ fs, operands, values, path, out }) {
    const [command, ...others] = Object.keys(values);
    if (command === undefined || others.length > 0 || operands.length === 0) {
      throw new CommandFailure("one command and a device are wanted; see blockdev --help");
    }
    for (const operand of operands) {
      await withPath(operand, async () => {
        const device = path(operand);
        const { size, isFile, mode } = await fs.stat(device);
        if (!isFile) throw new CommandFailure(`${operand}: not a block device`);
        if (command === "getsize64") out(`${size}\n`);
        else if (command === "getsz") out(`${Math.floor(size / SECTOR_BYTES)}\n`);
        else if (command === "getro") out(`${(mode & 0o222) === 0 ? 1 : 0}\n`);
        else await flush(fs, device);
      });
    }
  },
};

async function flush(fs: FileSystem, path: string): Promise<void> {
  const file = await fs.open(path, "read");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

export const sync: Definition = {
  name: "sync",
  usage: "",
  help: "What was written to attached disks is on stable storage after it.",
  async run({ tree }) {
    for (const disk of tree.rootComplex?.disks ?? []) await disk.flush();
  },
};
