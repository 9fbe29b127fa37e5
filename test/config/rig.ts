// A config tree on a bus of its own, for tests, and the steps of the user guide to go through.

import { type Bus, ConfigTree, type ConfigTreeOptions, createBus } from "blockpt";
import { afterThisTest } from "../api/rig.js";

export const CONTROLLER = "/sys/kernel/config/pci_ep/controllers/44100000.pcie";
export const FUNCTIONS = "/sys/kernel/config/pci_ep/functions/pci_epf_blockpt";
export const FUNCTION = `${FUNCTIONS}/func1`;
export const DISC = `${FUNCTION}/disc`;
export const REMOTE = "/sys/kernel/config/pci_remote_disk";

export interface Rig {
  readonly bus: Bus;
  readonly tree: ConfigTree;
  /** What the drivers said. */
  readonly log: string[];
  /** An attribute's value without the newline that it ends with. */
  value(path: string): Promise<string>;
}

export async function makeTree(options: ConfigTreeOptions = {}): Promise<Rig> {
  const bus = await createBus({ hostMemoryBytes: 4 * 1024 * 1024 });
  const log: string[] = [];
  const tree = ConfigTree.create(bus, { log: (line) => log.push(line), ...options });
  afterThisTest(() => tree.close());
  const value = async (path: string): Promise<string> => {
    const text = await tree.readFile(path, "utf8");
    if (!text.endsWith("\n")) throw new Error(`${path} does not end its line: ${text}`);
    return text.slice(0, -1);
  };
  return { bus, tree, log, value };
}

/** How far the user guide was followed. */
export const STATES = ["made", "bound", "started", "attached"] as const;
export type State = (typeof STATES)[number];

/** A function with one disc, `DISC`, brought to a state. */
export async function bringTo(tree: ConfigTree, state: State, discName: string): Promise<void> {
  await tree.mkdir(FUNCTION);
  await tree.mkdir(DISC);
  await tree.writeFile(`${DISC}/disc_name`, discName);
  const steps = [
    () => tree.symlink(FUNCTION, `${CONTROLLER}/func1`),
    () => tree.writeFile(`${CONTROLLER}/start`, "1"),
    async () => {
      await tree.loadDriver();
      const [name] = await tree.readdir(REMOTE);
      await tree.writeFile(`${REMOTE}/${name}/attach`, "1");
    },
  ];
  for (const step of steps.slice(0, STATES.indexOf(state))) await step();
}

/** The code that a promise is rejected with; `ok` if it is not. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "ok",
    (error: NodeJS.ErrnoException) => error.code ?? String(error),
  );
}
