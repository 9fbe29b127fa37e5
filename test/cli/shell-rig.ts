// What the tests of `blockpt sh` have in common: scripts, and what each of their statements printed.

import { expect } from "vitest";
import type { Ended, Place } from "./command-line.js";

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

/** The lines that export discs of `/dev`, and attach them as `pci-rd-NAME`. */
export function attached(...names: readonly string[]): string {
  return [
    `mkdir ${FUNC1}`,
    `ln -s ${FUNC1} ${EP}/controllers/44100000.pcie/`,
    ...names.map(
      (name) => `mkdir ${FUNC1}/${name}; echo /dev/${name} > ${FUNC1}/${name}/disc_name`,
    ),
    `echo 1 > ${START}`,
    "insmod pci-remote-disk",
    ...names.map((name) => `echo 1 > ${REMOTE}/${name}/attach`),
    "",
  ].join("\n");
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
