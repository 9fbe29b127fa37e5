// Where the bytes of a disc really are, so that two names of the same bytes are known for
// it, an export's URI apart: links, device nodes, the kernel's partitions and loop devices.

import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { type Disc, discKindOf, PartitionDisc } from "blockpt";
import { formatNbdUri, parseNbdUri } from "blockpt/nbd";

/** A range of a file or of a whole block device. */
export interface Extent {
  /** Tells files and devices apart. */
  readonly of: string;
  readonly startBytes: number;
  readonly endBytes: number;
}

/** The kernel counts in these, whatever a device's blocks are. */
const SECTOR_BYTES = 512;

/** Of the disc that was opened of that path. */
export function extentOf(path: string, disc: Disc): Extent {
  const { of, startBytes } = originOf(path);
  const start = startBytes + (disc instanceof PartitionDisc ? disc.startBytes : 0);
  return { of, startBytes: start, endBytes: start + disc.sizeBytes };
}

/** Whether some byte is in both. */
export function overlap(one: Extent, other: Extent): boolean {
  return one.of === other.of && one.startBytes < other.endBytes && other.startBytes < one.endBytes;
}

interface Origin {
  readonly of: string;
  readonly startBytes: number;
}

function originOf(path: string): Origin {
  // What a server serves, and whether two of its exports have bytes in common, is its own to know.
  const kind = discKindOf(path);
  if (kind === "nbd") return { of: formatNbdUri(parseNbdUri(path)), startBytes: 0 };
  if (kind === "http") return { of: path, startBytes: 0 };
  const { dev, ino, rdev, ...stat } = statSync(path, { bigint: true });
  if ((stat.mode & 0o170000n) !== 0o060000n) return { of: `file ${dev} ${ino}`, startBytes: 0 };
  // Linux's encoding of a device number.
  const major = (rdev >> 8n) & 0xfffn;
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n);
  return deviceOrigin(`${major}:${minor}`);
}

/** A block device's, by its number: what sysfs knows of it, and where that ends the device itself. */
function deviceOrigin(number: string): Origin {
  const folder = `/sys/dev/block/${number}`;
  const read = (name: string): string => readFileSync(`${folder}/${name}`, "utf8").trim();
  if (existsSync(`${folder}/partition`)) {
    const whole = readFileSync(`${dirname(realpathSync(folder))}/dev`, "utf8").trim();
    return moved(deviceOrigin(whole), Number(read("start")) * SECTOR_BYTES);
  }
  if (existsSync(`${folder}/loop/backing_file`)) {
    const backing = read("loop/backing_file");
    // A file that was removed since has no other name.
    if (existsSync(backing)) return moved(originOf(backing), Number(read("loop/offset")));
  }
  return { of: `device ${number}`, startBytes: 0 };
}

function moved({ of, startBytes }: Origin, byBytes: number): Origin {
  return { of, startBytes: startBytes + byBytes };
}
