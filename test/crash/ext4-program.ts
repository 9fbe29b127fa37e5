// What a program does with files that it wants to find again: several of its tasks at once, each with files of its
// own, by the rules that it takes: the file is flushed, and then the folder that has its name.

import { type FileHandle, mkdir, open, rename, unlink, writeFile } from "node:fs/promises";
import type { FilePromises } from "./promises.js";
import { randomFrom } from "./recording.js";

const TASKS = 3;
/** Files that are there at once of those that come and go. */
const FILES = 4;

interface Surroundings {
  readonly folder: string;
  readonly promises: FilePromises;
  readonly position: () => number;
}

/** Does so many things in each task. */
export async function useFiles(around: Surroundings, seed: number, things: number): Promise<void> {
  const tasks = Array.from({ length: TASKS }, (_, task) =>
    new Task(around, `task${task}`, seed * TASKS + task + 1).run(things),
  );
  await Promise.all(tasks);
}

class Task {
  readonly #around: Surroundings;
  /** Its folder, in the file system. */
  readonly #name: string;
  readonly #random: () => number;
  #log = new Uint8Array(0);
  #number = 0;
  readonly #files: string[] = [];

  constructor(around: Surroundings, name: string, seed: number) {
    this.#around = around;
    this.#name = name;
    this.#random = randomFrom(seed);
  }

  async run(things: number): Promise<void> {
    await mkdir(this.#path(""));
    await this.#flush("..");
    await this.#flush("");
    const kinds = [this.#append, this.#append, this.#replace, this.#create, this.#forget];
    for (this.#number = 1; this.#number <= things; this.#number++) {
      const kind = kinds[Math.floor(this.#random() * kinds.length)] as () => Promise<void>;
      await kind.call(this);
    }
  }

  /** A line more in a log. */
  async #append(): Promise<void> {
    const more = this.#bytes(3000);
    this.#log = Buffer.concat([this.#log, more]);
    await this.#make("log", this.#log, true, async () => {
      const isNew = this.#log.length === more.length;
      await this.#write("log", more, "a");
      if (isNew) await this.#flush("");
    });
  }

  /** Another version of a file, by a rename over the one before. */
  async #replace(): Promise<void> {
    const name = `settings${this.#number % 2}`;
    const bytes = this.#bytes(20_000);
    await this.#make(name, bytes, false, async () => {
      await this.#write(`${name}.new`, bytes, "w");
      await rename(this.#path(`${name}.new`), this.#path(name));
      await this.#flush("");
    });
  }

  /** Another file, and one less when there are enough. */
  async #create(): Promise<void> {
    const name = `file${this.#number}`;
    const bytes = this.#bytes(60_000);
    await this.#make(name, bytes, true, async () => {
      await this.#write(name, bytes, "w");
      await this.#flush("");
    });
    this.#files.push(name);
    if (this.#files.length <= FILES) return;
    const oldest = this.#files.shift() as string;
    await this.#make(oldest, undefined, false, async () => {
      await unlink(this.#path(oldest));
      await this.#flush("");
    });
  }

  /** What nobody waits for, so that there is more to lose. */
  async #forget(): Promise<void> {
    await writeFile(this.#path(`forgotten${this.#number % 3}`), this.#bytes(30_000));
  }

  async #write(name: string, bytes: Uint8Array, flags: "a" | "w"): Promise<void> {
    const file = await open(this.#path(name), flags);
    await file.writeFile(bytes);
    await sync(file);
  }

  /** Has the names in a folder be there. */
  async #flush(folder: string): Promise<void> {
    await sync(await open(this.#path(folder), "r"));
  }

  #make(
    name: string,
    bytes: Uint8Array | undefined,
    isAppended: boolean,
    change: () => Promise<void>,
  ): Promise<void> {
    const { promises, position } = this.#around;
    return promises.make(`${this.#name}/${name}`, position, { bytes, isAppended }, change);
  }

  #path(name: string): string {
    return `${this.#around.folder}/${this.#name}/${name}`;
  }

  #bytes(most: number): Uint8Array {
    const bytes = new Uint8Array(1 + Math.floor(this.#random() * most));
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.#random() * 256;
    return bytes;
  }
}

async function sync(file: FileHandle): Promise<void> {
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
