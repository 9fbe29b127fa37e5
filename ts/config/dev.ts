// `/dev`: the endpoint's discs by the names that they have there, each a link to what it is made of, and
// the root complex's attached disks.

import { Refusal } from "./config-error.js";
import { checkEntryName, type DirectoryNode } from "./node.js";
import type { RootComplexSide } from "./root-complex-side.js";

/** Where the directory is. */
export const DEV = "/dev";

export class Dev {
  /** What discs are made of, by name: a path of the machine that the tree runs on, `memory:SIZE`, an NBD URI or the URL of an image. */
  readonly #discs = new Map<string, string>();
  readonly #side: RootComplexSide | undefined;

  constructor(side: RootComplexSide | undefined) {
    this.#side = side;
  }

  /** The discs by their names here. */
  get discs(): ReadonlyMap<string, string> {
    return this.#discs;
  }

  /** Gives a disc a name. */
  add(name: string, target: string): void {
    checkEntryName(name);
    if (target === "")
      throw new Refusal("ENOENT", "a path, memory:SIZE, an NBD URI or a URL is wanted");
    this.#discs.set(name, target);
  }

  /** What a `disc_name` leads to. */
  locate(discName: string): string {
    const isHere = discName.startsWith(`${DEV}/`);
    return (isHere && this.#discs.get(discName.slice(DEV.length + 1))) || discName;
  }

  get directory(): DirectoryNode {
    return {
      kind: "directory",
      names: () => [...this.#discs.keys(), ...this.#disks().map(({ localName }) => localName)],
      find: (name) => {
        const target = this.#discs.get(name);
        if (target !== undefined) return { kind: "link", target, leavesTree: true };
        const disk = this.#disks().find(({ localName }) => localName === name);
        return disk && { kind: "disk", disk };
      },
      symlink: (name, target) => this.add(name, target),
      unlink: (name) => {
        if (!this.#discs.delete(name)) {
          throw new Refusal("EPERM", `${name} is an attached disk: echo 0 to its attach`);
        }
      },
    };
  }

  #disks() {
    return this.#side?.rootComplex?.disks ?? [];
  }
}
