// What scripts reached: so that a fuzzer that finds nothing can be told from one that gets nowhere.

import { Counter, QueueFault } from "blockpt";
import { BlkStatus, nameOf, Operation } from "blockpt/abi";

/** Completions from which on a script counts as deep. */
export const DEEP = 64;

export class Reach {
  scripts = 0;
  steps = 0;
  /** Descriptors that devices answered. */
  completions = 0;
  /** Scripts that ended with at least {@link DEEP} of them. */
  deep = 0;
  /** Scripts in which a position passed the end of a ring. */
  turned = 0;
  /** Scripts in which a queue broke. */
  broken = 0;
  readonly #seen = new Map<string, number>();
  #ofScript = { completions: 0, turned: false, broken: false };

  begin(): void {
    this.#ofScript = { completions: 0, turned: false, broken: false };
  }

  end(): void {
    const { completions, turned, broken } = this.#ofScript;
    this.scripts++;
    this.completions += completions;
    if (completions >= DEEP) this.deep++;
    if (turned) this.turned++;
    if (broken) this.broken++;
  }

  step(name: string): void {
    this.steps++;
    this.note(`step ${name}`);
  }

  note(what: string): void {
    this.#seen.set(what, (this.#seen.get(what) ?? 0) + 1);
  }

  threw(step: string, what: string): void {
    this.note(`${step} throws ${what.split(" ", 1)[0]}`);
  }

  fault(step: string, result: number): void {
    this.#ofScript.broken = true;
    this.note(`${step} stops with ${nameOf(QueueFault, -result) ?? -result}`);
  }

  status(value: number): void {
    const name = nameOf(BlkStatus, value);
    this.note(`status ${name ?? "of no name"}`);
  }

  fetched(opf: number): void {
    this.note(`hands out ${nameOf(Operation, opf) ?? opf}`);
  }

  /** @param before - counters of the device, and @param after - what it did */
  answered(before: readonly number[], after: readonly number[]): void {
    for (const [name, word] of Object.entries(Counter)) {
      const change = (after[word] as number) - (before[word] as number);
      if (change <= 0) continue;
      this.note(`counts ${name}`);
      if (!name.startsWith("bytes")) this.#ofScript.completions += change;
    }
  }

  position(before: number, after: number): void {
    if (after < before) this.#ofScript.turned = true;
  }

  /** How often something was seen. */
  times(what: string): number {
    return this.#seen.get(what) ?? 0;
  }

  /** All that was seen, and how often. */
  seen(): [string, number][] {
    return [...this.#seen].sort(([one], [other]) => one.localeCompare(other));
  }

  share(part: "deep" | "turned" | "broken"): number {
    return this[part] / Math.max(1, this.scripts);
  }
}
