// The root complex's end of the command register: write the arguments, write the
// command, wait for the status (protocol, section 2). One command at a time: its caller sees to that.

import { Command, DEV_NAME_BYTES, MAGIC, Register, Status } from "../abi/layout.js";
import { bitNames } from "../abi/names.js";
import { Doorbell } from "../bus/doorbell.js";
import { BlockptError } from "../errors.js";
import { nextTurn, sleep } from "../platform/turns.js";
import type { CommandRecorder } from "../trace/recorder.js";

/** Registers that a command reads; those it does not read are left out. */
export interface CommandArguments {
  devIdx?: number;
  qidx?: number;
  irq?: number;
  queueOffset?: number;
  drvOffset?: number;
  devOffset?: number;
  numDesc?: number;
  qsize?: number;
}

/** For so long the answer is looked for on every turn of the event loop; then each millisecond. */
const EAGER_MS = 20;

/** Indices of the two registers, in words. */
const COMMAND = Register.command / 4;
const STATUS = Register.status / 4;

export class CommandChannel {
  readonly #bar: DataView;
  readonly #words: Int32Array;
  readonly #timeoutMs: number;
  readonly #doorbell: Doorbell | undefined;
  readonly #recorder: CommandRecorder | undefined;
  /** A command that was given up after the endpoint had taken it; 0 if there is none. */
  #owed = 0;

  /**
   * @param hasDoorbell - whether the endpoint may sleep until it is rung (protocol, section 5)
   * @param recorder - where commands are recorded, if they are
   */
  constructor(
    bar: DataView,
    timeoutMs: number,
    hasDoorbell: boolean,
    recorder: CommandRecorder | undefined,
  ) {
    this.#recorder = recorder;
    if (hasDoorbell) this.#doorbell = Doorbell.ofCommands(bar);
    this.#bar = bar;
    this.#words = new Int32Array(bar.buffer, bar.byteOffset, Register.devName / 4);
    this.#timeoutMs = timeoutMs;
  }

  /** Wakes the endpoint, as for a command. */
  ring(): void {
    this.#doorbell?.ring();
  }

  /** Has the endpoint serve a command, and takes its answer with `read`. */
  async run<T>(command: number, args: CommandArguments, read: (bar: DataView) => T): Promise<T> {
    // A late answer to a command that was given up must not pass for the answer to this one. It is
    // waited for once: an endpoint that was started anew has forgotten it.
    const owed = this.#owed;
    this.#owed = 0;
    if (owed !== 0) await this.#status(owed);
    this.#writeArguments(args);
    this.#recorder?.commandIn(command, this.#bar);
    Atomics.store(this.#words, STATUS, 0);
    Atomics.store(this.#words, COMMAND, command);
    this.#doorbell?.ring();
    let status: number;
    try {
      status = await this.#status(command);
    } catch (error) {
      // Taken back, if it was not taken; else its answer is still to come.
      const taken = Atomics.compareExchange(this.#words, COMMAND, command, 0) !== command;
      if (taken) this.#owed = command;
      this.#recorder?.answer(command, 0, this.#bar);
      throw error;
    }
    this.#recorder?.answer(command, status, this.#bar);
    const answer = status === Status.SUCCESS ? read(this.#bar) : undefined;
    Atomics.store(this.#words, STATUS, 0);
    if (status !== Status.SUCCESS) throw refused(command, status);
    return answer as T;
  }

  /** Waits until the endpoint has written a status. */
  async #status(command: number): Promise<number> {
    const started = performance.now();
    for (;;) {
      const status = Atomics.load(this.#words, STATUS);
      if (status !== 0) return status;
      if (Atomics.load(this.#words, Register.magic / 4) !== MAGIC) {
        throw new BlockptError(
          "ERR_BLOCKPT_NO_ENDPOINT",
          `the endpoint was stopped before it answered ${namesOf(command)}`,
        );
      }
      const elapsedMs = performance.now() - started;
      if (elapsedMs > this.#timeoutMs) {
        throw new BlockptError(
          "ERR_BLOCKPT_COMMAND_TIMEOUT",
          `the endpoint did not answer ${namesOf(command)} within ${this.#timeoutMs} ms`,
        );
      }
      await (elapsedMs < EAGER_MS ? nextTurn() : sleep(1));
    }
  }

  #writeArguments(args: CommandArguments): void {
    const u8 = (offset: number, value: number | undefined): void => {
      if (value !== undefined) this.#bar.setUint8(offset, value);
    };
    const u32 = (offset: number, value: number | undefined): void => {
      if (value !== undefined) this.#bar.setUint32(offset, value, true);
    };
    u8(Register.devIdx, args.devIdx);
    u8(Register.qidx, args.qidx);
    u32(Register.irq, args.irq);
    u32(Register.queueOffset, args.queueOffset);
    u32(Register.drvOffset, args.drvOffset);
    u32(Register.devOffset, args.devOffset);
    u32(Register.numDesc, args.numDesc);
    u32(Register.qsize, args.qsize);
  }
}

/** The names in `dev_name`, up to the last `;`. The endpoint's bytes are untrusted: only their form counts. */
export function readDeviceNames(bar: DataView): string[] {
  const bytes = new Uint8Array(DEV_NAME_BYTES);
  for (let index = 0; index < DEV_NAME_BYTES; index++) {
    bytes[index] = bar.getUint8(Register.devName + index);
  }
  const end = bytes.indexOf(0);
  const text = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  return text.split(";").slice(0, -1);
}

function refused(command: number, status: number): BlockptError {
  const invalid = (status & Status.QUEUE_ADDRESS_INVALID) !== 0;
  return new BlockptError(
    "ERR_BLOCKPT_COMMAND",
    `the endpoint refused ${namesOf(command)} (status 0x${(status >>> 0).toString(16)}): ` +
      (invalid
        ? "it cannot have a queue there"
        : "perhaps another driver has the disc attached; the endpoint's log says why"),
  );
}

function namesOf(command: number): string {
  return bitNames(Command, command).join(" + ");
}
