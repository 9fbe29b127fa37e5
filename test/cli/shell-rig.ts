// What the tests of `blockpt sh` have in common: scripts, and what each of their statements printed.

import { truncate, writeFile } from "node:fs/promises";
import { expect } from "vitest";
import { type Ended, Place } from "./command-line.js";

/** A line of `blockpt sh --json`. */
export interface Statement {
  readonly command: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

const EP = "/sys/kernel/config/pci_ep";
export const FUNC1 = `${EP}/functions/pci_epf_blockpt/func1`;
export const START = `${EP}/controllers/44100000.pcie/start`;
export const REMOTE = "/sys/kernel/config/pci_remote_disk";

/** A place with an image of 64 MiB, `disk.img`. */
export async function placeWithImage(): Promise<Place> {
  const place = await Place.create();
  await writeFile(place.path("disk.img"), "");
  await truncate(place.path("disk.img"), 64 * 1024 * 1024);
  return place;
}

/** Discs: `disk.img` in the place, and one in memory. */
export const DISCS = ["--disc", "img=disk.img", "--disc", "ram0=memory:1M"];

/** Statements, a line each, that export both discs, and attach them as `pci-rd-img` and `pci-rd-ram0`. */
export const SETUP = [
  `mkdir ${FUNC1}`,
  `ln -s ${FUNC1} ${EP}/controllers/44100000.pcie/`,
  ...["img", "ram0"].map(
    (name) => `mkdir ${FUNC1}/${name}; echo /dev/${name} > ${FUNC1}/${name}/disc_name`,
  ),
  `echo 1 > ${START}`,
  "insmod pci-remote-disk",
  ...["img", "ram0"].map((name) => `echo 1 > ${REMOTE}/${name}/attach`),
  "",
].join("\n");

/** What statements do in a shell in which both discs are attached. */
export async function onceAttached(
  place: Place,
  ...statements: readonly string[]
): Promise<Statement[]> {
  const all = await statementsOf(place, `${SETUP}${statements.join("\n")}\n`, DISCS);
  return all.slice(-statements.length);
}

/** Runs statements, and gives what each one did. */
export async function statementsOf(
  place: Place,
  script: string,
  args: readonly string[] = [],
): Promise<Statement[]> {
  const { stdout } = await place.run(["sh", "--json", ...args], {}, script);
  return documentsIn(stdout);
}

export function documentsIn(stdout: string): Statement[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** Runs statements, and says whether the shell ends as it should. */
export async function expectScript(
  place: Place,
  script: string,
  expected: Partial<Ended>,
): Promise<void> {
  const ended = await place.run(["sh"], {}, script);
  expect({ script, ...ended }).toMatchObject({ script, exitCode: 0, stderr: "", ...expected });
}

/** The commands of a session, each behind a `#`, and the lines that each prints. */
export function stepsOf(text: string): { command: string; lines: string[] }[] {
  const steps = text.split(/^# /m).slice(1);
  return steps.map((step) => {
    const [command = "", ...lines] = step.trimEnd().split("\n");
    return { command, lines };
  });
}
