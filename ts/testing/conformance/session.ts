// One vector on the endpoint of a bus: its steps by a raw driver, with what each says compared with what is found.

import {
  BlkStatus,
  Command,
  DEV_NAME_BYTES,
  Feature,
  MAX_NAME_BYTES,
  Operation,
  Register,
  Status,
} from "../../abi/layout.js";
import { bitNames, nameOf } from "../../abi/names.js";
import type { Bus } from "../../bus/bus.js";
import type { RawArguments, RawDriver } from "../driver/raw-driver.js";
import type { RawCompletion, RawQueue } from "../driver/raw-queue.js";
import type { RegisterName } from "../raw-registers.js";
import { until } from "../wait.js";
import { type Amount, type AmountNames, amountOf } from "./amount.js";
import type { DiscRole, PatternRange, Step } from "./vector.js";

/** Long enough for an endpoint that looks now and then to have looked again. */
const SILENCE_MS = 50;

/** What a step found that it should not have. */
export class Breach extends Error {}

/** What is known of the endpoint. */
export interface Target {
  readonly bus: Bus;
  readonly driver: RawDriver;
  /** `dev_idx` of the disc of each role that there is. */
  readonly discs: ReadonlyMap<DiscRole, number>;
  readonly names: AmountNames;
  readonly answerTimeoutMs: number;
}

export class Session {
  readonly #target: Target;
  readonly #disc: DiscRole;
  readonly #queues = new Map<string, RawQueue>();
  /** What was completed and no step has named yet. */
  readonly #early = new Map<RawQueue, RawCompletion[]>();
  readonly #bytes: Uint8Array;

  constructor(target: Target, disc: DiscRole) {
    this.#target = target;
    this.#disc = disc;
    this.#bytes = new Uint8Array(target.bus.buffer);
  }

  /** Takes a step; throws a `Breach` that says what was found in place of what should be. */
  async take(step: Step): Promise<void> {
    if ("open" in step) this.#open(step.open);
    else if ("command" in step) await this.#command(step);
    else if ("registers" in step) this.#registers(step.registers);
    else if ("bits" in step) this.#bits(step.bits);
    else if ("moves" in step) await this.#moves(step.moves);
    else if ("names" in step) this.#names();
    else if ("fill" in step) this.#range(step.fill).set(patternOf(step.fill));
    else if ("holds" in step) this.#holds(step.holds);
    else if ("descriptor" in step) this.#descriptor(step.descriptor);
    else if ("push" in step) this.#queue(step.queue).push(...step.push);
    else if ("publish" in step) this.#queue(step.queue).publish(step.publish);
    else if ("completions" in step) await this.#completions(step);
    else if ("silence" in step) await this.#silence(step.queue);
    else if ("deviceIdx" in step) await this.#deviceIdx(step);
    else if ("vector" in step) this.#vector(step.vector);
    else if ("raised" in step) await this.#raised(step.raised);
    else await this.#pending(step.pending);
  }

  /** Leaves the endpoint as it was: every disc stopped, every vector masked, nothing enabled. */
  async end(): Promise<void> {
    const { driver, names } = this.#target;
    for (const devIdx of new Set(this.#target.discs.values()))
      await driver.command(Command.STOP, { devIdx });
    driver.write("extEnabled", 0);
    for (const irq of [1, 2, Number(names.vectors)]) driver.writeMsixEntry(irq, { control: 1 });
  }

  #open({ name = "a", disc, place, ...options }: Extract<Step, { open: unknown }>["open"]): void {
    const { driver } = this.#target;
    const devIdx = this.#devIdx(disc);
    const { qidx = 0, numDescriptors: numDesc = 16, queueOffset = 0, doorbell = false } = options;
    const extEnabled = doorbell ? Feature.DOORBELL : 0;
    const queue =
      place === undefined
        ? driver.openQueue({ ...options, devIdx })
        : driver.openQueueOf({ devIdx, qidx, numDesc, queueOffset, extEnabled, ...place });
    this.#queues.set(name, queue);
  }

  async #command(step: Extract<Step, { command: unknown }>): Promise<void> {
    const { command, queue, disc, status = ["SUCCESS"], with: changes = {} } = step;
    const bits = typeof command === "number" ? command : sumOf(Command, command);
    const told: RawArguments =
      queue === undefined ? { devIdx: this.#devIdx(disc) } : this.#queue(queue).arguments;
    const args = { ...told, ...this.#numbers(changes) };
    const found = await this.#target.driver.command(bits, args);
    const what = typeof command === "number" ? `0x${command.toString(16)}` : command.join(" | ");
    if (status === "*") return;
    expect(`${what} is answered`, bitsText(found), bitsText(sumOf(Status, status)));
  }

  #registers(wanted: Extract<Step, { registers: unknown }>["registers"]): void {
    for (const [name, value] of Object.entries(this.#numbers(wanted))) {
      expect(name, this.#register(name as RegisterName), BigInt(value));
    }
  }

  #bits({ of, set = 0, clear = 0 }: Extract<Step, { bits: unknown }>["bits"]): void {
    const found = Number(this.#register(of));
    expect(`${of} has of 0x${(set | clear).toString(16)}`, found & (set | clear), set);
  }

  async #moves(name: RegisterName): Promise<void> {
    const before = this.#register(name);
    await this.#await(`${name} to move`, () => this.#register(name) !== before);
  }

  #names(): void {
    const { driver } = this.#target;
    const bytes = new Uint8Array(driver.bar.buffer, driver.bar.byteOffset + Register.devName);
    const end = bytes.subarray(0, DEV_NAME_BYTES).indexOf(0);
    if (end < 0) throw new Breach("dev_name has no NUL");
    const text = Buffer.from(bytes.slice(0, end)).toString("latin1");
    if (text !== "" && !text.endsWith(";"))
      throw new Breach("dev_name's last name has no ; behind");
    const names = text.split(";").slice(0, -1);
    const odd = names.find((name) => name.length < 1 || name.length > MAX_NAME_BYTES);
    if (odd !== undefined) throw new Breach(`a name in dev_name has ${odd.length} bytes`);
    if (new Set(names).size < names.length) throw new Breach("a name is in dev_name twice");
  }

  #holds(wanted: PatternRange): void {
    const found = this.#range(wanted);
    const pattern = patternOf(wanted);
    const at = found.findIndex((byte, index) => byte !== pattern[index]);
    if (at < 0) return;
    throw new Breach(
      `byte ${at} of ${wanted.lenBytes} at ${wanted.at} is ${found[at]}, where ${pattern[at]} is due`,
    );
  }

  #descriptor(fields: Extract<Step, { descriptor: unknown }>["descriptor"]): void {
    const { index, queue: name, operation, startSector, lenBytes, address, flags } = fields;
    const queue = this.#queue(name);
    const honest = queue.read();
    const given = (amount: Amount | undefined, otherwise: bigint): bigint =>
      amount === undefined ? otherwise : this.#amount(amount);
    queue.fill(index, {
      ...honest,
      startSector: given(startSector, honest.startSector),
      address: given(address, honest.address),
      lenBytes: Number(given(lenBytes, BigInt(honest.lenBytes))),
      opf: typeof operation === "string" ? Operation[operation] : (operation ?? honest.opf),
      flags: flags ?? honest.flags,
    });
  }

  async #completions(step: Extract<Step, { completions: unknown }>): Promise<void> {
    const wanted = Object.entries(step.completions);
    const found = await this.#completed(step);
    for (const [index, status] of wanted) {
      const those = found.filter((completion) => completion.index === Number(index));
      const text = those
        .map((completion) => nameOf(BlkStatus, completion.status) ?? completion.status)
        .join(", ");
      if (status === "*" ? those.length === 1 : text === status) continue;
      const others = found.map((completion) => completion.index).join(", ");
      const got = text === "" ? `is not; ${others} are` : `with ${text}`;
      throw new Breach(`descriptor ${index} is completed ${got}, where ${status} is due`);
    }
  }

  /** As many as are wanted; where others may be among them, until those are that are wanted. */
  async #completed({
    completions,
    queue: name,
    others = false,
  }: Extract<Step, { completions: unknown }>): Promise<RawCompletion[]> {
    const queue = this.#queue(name);
    const wanted = Object.keys(completions).map(Number);
    if (!others) return queue.completions(wanted.length);
    const early = this.#early.get(queue) ?? [];
    const missing = (): number[] =>
      wanted.filter((index) => !early.some((each) => each.index === index));
    await this.#await(
      `descriptors ${wanted.join(", ")} to be completed`,
      () => early.push(...queue.take()) >= wanted.length && missing().length === 0,
      () => `${missing().join(", ")} ${missing().length === 1 ? "is" : "are"} not`,
    );
    this.#early.set(
      queue,
      early.filter(({ index }) => !wanted.includes(index)),
    );
    return early.filter(({ index }) => wanted.includes(index));
  }

  async #silence(name: string | undefined): Promise<void> {
    const { driver } = this.#target;
    const queue = this.#queue(name);
    const index = queue.numDescriptors - 1;
    const before = queue.deviceIdx;
    queue.fill(index, queue.read());
    await driver.command(Command.GET_PERMISSION, { devIdx: queue.devIdx });
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    expect("the device ring's idx is", queue.deviceIdx, before);
  }

  async #deviceIdx({
    deviceIdx,
    queue: name,
  }: Extract<Step, { deviceIdx: unknown }>): Promise<void> {
    const queue = this.#queue(name);
    await this.#await(
      `the device ring's idx to be ${deviceIdx}`,
      () => queue.deviceIdx === deviceIdx,
      () => `it is ${queue.deviceIdx}`,
    );
  }

  #vector(vector: Extract<Step, { vector: unknown }>["vector"]): void {
    const { irq, address, data, masked } = vector;
    const at = Number(this.#amount(address));
    const entry = { addressLow: at, addressHigh: 0, data, control: masked ? 1 : 0 };
    Atomics.store(this.#word(address), 0, 0);
    this.#target.driver.writeMsixEntry(Number(this.#amount(irq)), entry);
  }

  async #raised({ at, data }: Extract<Step, { raised: unknown }>["raised"]): Promise<void> {
    const word = this.#word(at);
    const found = (): number => Atomics.load(word, 0) >>> 0;
    await this.#await(
      `an interrupt to write ${data} at ${at}`,
      () => found() === data,
      () => `${found()} is there`,
    );
  }

  async #pending({ irq, is }: Extract<Step, { pending: unknown }>["pending"]): Promise<void> {
    const vector = Number(this.#amount(irq));
    const { driver } = this.#target;
    const what = `vector ${vector} ${is ? "" : "not "}to be pending`;
    await this.#await(what, () => driver.isPending(vector) === is);
  }

  async #await(what: string, holds: () => boolean, found = () => "it is not"): Promise<void> {
    try {
      await until(what, "ERR_BLOCKPT_TIMEOUT", this.#target.answerTimeoutMs, holds);
    } catch {
      throw new Breach(`${what} was waited for, and ${found()}`);
    }
  }

  #register(name: RegisterName): bigint {
    return BigInt(this.#target.driver.read(name));
  }

  #numbers(amounts: Readonly<Record<string, Amount | undefined>>): Record<string, number> {
    const given = Object.entries(amounts).filter(
      (entry): entry is [string, Amount] => entry[1] !== undefined,
    );
    return Object.fromEntries(given.map(([name, amount]) => [name, Number(this.#amount(amount))]));
  }

  #amount(amount: Amount): bigint {
    return amountOf(amount, this.#target.names);
  }

  #range({ at, lenBytes }: PatternRange): Uint8Array {
    const from = Number(this.#amount(at));
    return this.#bytes.subarray(from, from + lenBytes);
  }

  #word(at: Amount): Int32Array {
    return new Int32Array(this.#target.bus.buffer, Number(this.#amount(at)), 1);
  }

  #devIdx(role: DiscRole = this.#disc): number {
    return this.#target.discs.get(role) as number;
  }

  #queue(name = "a"): RawQueue {
    return this.#queues.get(name) as RawQueue;
  }
}

function expect<T extends number | bigint | string>(what: string, found: T, wanted: T): void {
  if (found !== wanted) throw new Breach(`${what} ${found}, where ${wanted} is due`);
}

/** The bytes of a seed: none twice in a row; zeros for 0. */
function patternOf({ lenBytes, seed }: PatternRange): Uint8Array {
  const step = (index: number): number => (index * 7 + (index >> 8) * 13 + seed * 31) & 0xff;
  return Uint8Array.from({ length: lenBytes }, (_, index) => (seed === 0 ? 0 : step(index)));
}

function sumOf(bits: Readonly<Record<string, number>>, names: readonly string[]): number {
  return names.reduce((sum, name) => sum | (bits[name] as number), 0);
}

function bitsText(bits: number): string {
  return bitNames(Status, bits).join(" | ") || "0x0";
}
