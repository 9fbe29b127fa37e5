// The stage of a hostile device: a root complex that is attacked, a device with a disc for the attack and one that must
// not suffer, and all that must not be harmed by it. Each attack has a device of its own, on a BAR that is new.

import { REGISTERS_BYTES, Register } from "../../abi/layout.js";
import type { BusRange } from "../../engine/engine.js";
import { BlockptError } from "../../errors.js";
import { complaintOf, type Stage } from "../attack.js";
import { Canary } from "../canary.js";
import { Seeded } from "../seeded.js";
import { Tamperer } from "../tamperer.js";
import { pause } from "../wait.js";
import type { DeviceRings, RawRequest } from "./device-rings.js";
import type { HostileDevice } from "./hostile-device.js";
import type { RawDisc } from "./raw-device.js";

/** A disk of a root complex that is attacked. `RemoteDisk` is one. */
export interface AttackedDisk {
  /** Reads `target.length` bytes; rejects if that failed, and then leaves `target` as it was. */
  read(target: Uint8Array, offsetBytes: number): Promise<void>;
  /** Writes; rejects if that failed. */
  write(source: Uint8Array, offsetBytes: number): Promise<void>;
}

/** A root complex that is attacked. `RootComplex` is one. */
export interface AttackedRootComplex {
  /** Attaches a disc by its name; rejects if the endpoint makes no sense. */
  attach(name: string): Promise<AttackedDisk>;
  /** Detaches all disks, and lets go of the endpoint. */
  close(): Promise<void>;
}

export const DISC_BYTES = 16384;
const HOSTILE = 0;
/** The attacked disc, and the one that must not suffer. */
export const DISCS = ["/dev/hostile", "/dev/bystander"] as const;
const READ_BYTES = 512;
/** What of host memory was never touched is not looked at. */
const UNTOUCHED_BYTES = 64 * 1024;

export class DeviceStage implements Stage {
  readonly device: HostileDevice;
  readonly tamperer: Tamperer;
  readonly rounds: number;
  readonly discs: readonly RawDisc[];
  readonly #probe: () => Promise<AttackedRootComplex>;
  readonly #timeoutMs: number;
  readonly #depth: number;
  readonly #chance: Seeded;
  readonly #canary: Canary;
  #rc: AttackedRootComplex | undefined;
  #disk: AttackedDisk | undefined;
  #bystander: AttackedDisk | undefined;
  #reads = 0;

  constructor(
    device: HostileDevice,
    discs: readonly RawDisc[],
    probe: () => Promise<AttackedRootComplex>,
    options: { seed: number; rounds: number; depth: number; timeoutMs: number },
  ) {
    this.device = device;
    this.discs = discs;
    this.rounds = options.rounds;
    this.#depth = options.depth;
    this.#timeoutMs = options.timeoutMs;
    this.#probe = probe;
    this.#timeoutMs = options.timeoutMs;
    this.#chance = new Seeded(options.seed);
    this.tamperer = new Tamperer(device.bus, options.seed);
    for (const { data } of discs) this.#chance.fill(data);
    const { offset, length } = device.bus.endpointMemory;
    const { configSpace } = device.bus;
    // Where no root complex has anything to write.
    this.#canary = new Canary(device.bus.buffer, [
      configSpace.range,
      { offset, length: Math.min(length, UNTOUCHED_BYTES) },
      ...this.#registers(),
    ]);
  }

  /** The rings of the attacked queue: of several the one that was set last. */
  get rings(): DeviceRings {
    const rings = this.device.rings(HOSTILE).at(-1);
    if (rings === undefined) throw new BlockptError("ERR_BLOCKPT_STATE", "no queue was set");
    return rings;
  }

  async prepare(): Promise<void> {
    await this.#leave();
    this.device.lies = {};
    for (const disc of this.discs) disc.features = 0;
    this.device.start();
    this.#canary.look();
  }

  /** What is there now must stay: for an attack that has written registers itself. */
  watch(): void {
    this.#canary.look();
  }

  /** Has the root complex probe, and attach both discs; says whether it does. */
  async attach(): Promise<string> {
    try {
      this.#rc = await this.#inTime("a probe", this.#probe());
      this.#disk = await this.#inTime("an attach", this.#rc.attach(DISCS[0]));
      this.#bystander = await this.#inTime("an attach", this.#rc.attach(DISCS[1]));
    } catch (error) {
      return rejection("refused", error);
    }
    return "attached";
  }

  /** Attaches, and has something read: what comes of that. */
  async attachAndRead(): Promise<string> {
    const outcome = await this.attach();
    return outcome === "attached" ? this.read() : outcome;
  }

  /** Has so many sectors read at the same time; what comes of them. */
  async read(count = 1): Promise<string> {
    const reads = Array.from({ length: count }, () => this.#readOne());
    return [...new Set(await Promise.all(reads))].sort().join(" and ");
  }

  /**
   * Has sectors read, lies once the device holds them, and says what comes of them, and of a read that follows:
   * a lie may be seen only then.
   */
  async readWhile(lie: (rings: DeviceRings, first: RawRequest) => unknown): Promise<string> {
    const outcome = await this.attach();
    if (outcome !== "attached") return outcome;
    this.device.lies.decide = ({ rings }) => (rings.devIdx === HOSTILE ? "hold" : undefined);
    const { rings } = this;
    const reads = Array.from({ length: this.#depth }, () => this.#readOne());
    await this.until("the reads", () => rings.held.length >= this.#depth);
    await lie(rings, rings.held[0] as RawRequest);
    this.device.raise(rings);
    const outcomes = new Set(await Promise.all(reads));
    this.device.lies.decide = undefined;
    return [...outcomes.add(await this.#readOne())].sort().join(" and ");
  }

  /** Waits until something holds. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + this.#timeoutMs;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`${what} did not come`);
      await pause(1);
    }
  }

  async lookOver({ endsLink }: { endsLink?: boolean }): Promise<string[]> {
    const harm = this.#canary.changed([]).map((at) => `wrote at 0x${at.toString(16)} of the bus`);
    this.device.lies = {};
    try {
      if (this.#bystander !== undefined) {
        const outcome = await this.#readOne(this.#bystander, 1);
        const mayFail = endsLink === true && outcome.startsWith("failed (");
        if (outcome !== "served" && !mayFail) harm.push(`the other disk: ${outcome}`);
      }
      await this.#leave();
      harm.push(...(await this.#honest()));
    } catch (error) {
      harm.push(`afterwards: ${complaintOf(error)}`);
    }
    return harm;
  }

  async close(): Promise<void> {
    await this.#leave();
    this.device.stop();
    await this.tamperer.close();
  }

  /** With a device that does nothing wrong the root complex is as it ever was. */
  async #honest(): Promise<string[]> {
    this.device.start();
    const harm: string[] = [];
    const outcomes = [await this.attachAndRead(), await this.#writeOne()];
    for (const outcome of outcomes) if (outcome !== "served") harm.push(`afterwards: ${outcome}`);
    await this.#leave();
    return harm;
  }

  /** Closes the root complex, of which a device that answered nothing may be due an answer still: then again. */
  async #leave(): Promise<void> {
    const rc = this.#rc;
    this.#rc = undefined;
    this.#disk = undefined;
    this.#bystander = undefined;
    if (rc === undefined) return;
    this.device.lies = {};
    const close = (): Promise<void> => this.#inTime("a close", rc.close());
    await close().catch(close);
  }

  async #readOne(disk = this.#disk, index: number = HOSTILE): Promise<string> {
    if (disk === undefined) return "not attached";
    // Another pattern and place each time: bytes of another read are wrong, too. No two are merged.
    const canary = ++this.#reads & 0xff;
    const target = new Uint8Array(new SharedArrayBuffer(READ_BYTES)).fill(canary);
    const offset = ((2 * this.#reads) % (DISC_BYTES / READ_BYTES)) * READ_BYTES;
    const due = this.discs[index]?.data.subarray(offset, offset + READ_BYTES);
    try {
      await this.#inTime("a read", disk.read(target, offset));
    } catch (error) {
      const isTouched = target.some((byte) => byte !== canary);
      return rejection(isTouched ? "failed, and wrote" : "failed", error);
    }
    return target.every((byte, at) => byte === due?.[at]) ? "served" : "served other bytes";
  }

  async #writeOne(): Promise<string> {
    if (this.#disk === undefined) return "not attached";
    const source = new Uint8Array(READ_BYTES);
    this.#chance.fill(source);
    try {
      await this.#inTime("a write", this.#disk.write(source, 0));
    } catch (error) {
      return rejection("failed", error);
    }
    const now = this.discs[HOSTILE]?.data;
    return source.every((byte, at) => byte === now?.[at]) ? "served" : "wrote other bytes";
  }

  async #inTime<T>(what: string, promise: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new BlockptError("ERR_BLOCKPT_TIMEOUT", `${what}: hangs`);
      timer = setTimeout(() => reject(error), this.#timeoutMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Registers that are the endpoint's alone, and stand still once it is up, and what lies behind them. */
  #registers(): BusRange[] {
    const { bar } = this.device.bus;
    const ranges = [
      [Register.maxDevs, 4],
      [Register.extMagic, 8],
      [Register.maxLen + 4, REGISTERS_BYTES - Register.maxLen - 4],
    ] as const;
    return ranges.map(([at, length]) => ({ offset: bar.offset + at, length }));
  }
}

/** What a rejection is, with its code in parentheses. */
function rejection(what: string, error: unknown): string {
  if (error instanceof BlockptError && error.message.endsWith("hangs")) return error.message;
  const code = (error as { code?: unknown } | undefined)?.code;
  return `${what} (${typeof code === "string" ? code : complaintOf(error)})`;
}
