// An export as a mounted file system of this machine: nbdfuse makes a file of it, and a loop device a disk
// of that. Nothing of it is left behind, however a test ends.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { type Ended, type Place, until } from "../cli/command-line.js";
import { follow, type Running } from "../cli/follow.js";
import { run, succeed, TOOL_ENV } from "./tools.js";

/** Why nothing can be mounted here; undefined if something can. */
export function whyNotMounted(): string | undefined {
  if (process.getuid?.() !== 0) return "mounting takes root";
  for (const device of ["/dev/fuse", "/dev/loop-control"]) {
    try {
      accessSync(device, constants.R_OK | constants.W_OK);
    } catch {
      return `there is no ${device}`;
    }
  }
  return undefined;
}

export class NbdFile {
  /** The file that is the export. */
  readonly path: string;
  readonly #folder: string;
  readonly #mountPoint: string;
  readonly #fuse: Running;
  /** The loop device, while there is one. */
  #device: string | undefined;

  private constructor(place: Place, uri: string) {
    this.#folder = place.path("fuse");
    this.#mountPoint = place.path("mounted");
    this.path = `${this.#folder}/nbd`;
    const args = [this.#folder, uri];
    this.#fuse = follow(
      spawn("nbdfuse", args, { env: TOOL_ENV, stdio: ["ignore", "pipe", "pipe"] }),
    );
  }

  /** Has nbdfuse show an export as a file. */
  static async open(place: Place, uri: string): Promise<NbdFile> {
    await mkdir(place.path("fuse"), { recursive: true });
    await mkdir(place.path("mounted"), { recursive: true });
    const file = new NbdFile(place, uri);
    let gone: Ended | undefined;
    void file.#fuse.ended.then((how) => {
      gone = how;
    });
    const isThere = () => stat(file.path).then(Boolean, () => false);
    await until(async () => gone !== undefined || (await isThere()));
    if (gone !== undefined) throw new Error(`nbdfuse ends with ${gone.exitCode}: ${gone.stderr}`);
    return file;
  }

  /** Mounts the file system that is in it; resolves with its folder. */
  async mount(): Promise<string> {
    this.#device = (await succeed("losetup", ["--find", "--show", this.path])).trim();
    await succeed("mount", ["-t", "ext4", this.#device, this.#mountPoint]);
    return this.#mountPoint;
  }

  /** Unmounts the file system; the file stays. */
  async unmount(): Promise<void> {
    await succeed("umount", [this.#mountPoint]);
    await this.#detach();
  }

  /** Undoes all of it, also what a test that failed has left. */
  async close(): Promise<Ended> {
    if (this.#device !== undefined) {
      await run("umount", ["--lazy", this.#mountPoint]);
      await this.#detach();
    }
    // nbdfuse ends by that, but not while somebody uses the file: this is so only after a test has failed.
    await run("umount", [this.#folder]);
    const impatient = setTimeout(() => this.#fuse.kill("SIGKILL"), 5000);
    const ended = await this.#fuse.ended;
    clearTimeout(impatient);
    await run("umount", ["--lazy", this.#folder]);
    return ended;
  }

  async #detach(): Promise<void> {
    // Once, as somebody else may have a device of that name a moment later.
    const device = this.#device ?? "";
    this.#device = undefined;
    await run("losetup", ["--detach", device]);
  }
}
