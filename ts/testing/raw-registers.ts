// The registers of a BAR by their names, whoever's they are: both sides' raw ends are made of this.

import { Register } from "../abi/layout.js";
import { type Registers, readRegisters } from "../abi/registers.js";
import type { Bus } from "../bus/bus.js";

/** The name of a register that is a number. */
export type RegisterName = Exclude<keyof typeof Register, "devName">;

const ONE_BYTE: ReadonlySet<string> = new Set<RegisterName>(["devIdx", "perm", "qidx"]);

/** The registers of the BAR of a bus, read and written as raw as they are; {@link RawDriver} and {@link RawDevice} are such. */
export class RawRegisters {
  /** The bus that it is on. */
  readonly bus: Bus;
  /** The whole BAR. */
  readonly bar: DataView;
  /** @internal The whole BAR in words. */
  protected readonly words: Int32Array;

  /** @internal */
  constructor(bus: Bus) {
    this.bus = bus;
    this.bar = bus.barView();
    this.words = new Int32Array(bus.buffer, bus.bar.offset, bus.bar.length / 4);
  }

  /** All registers, as they are now. */
  get registers(): Registers {
    return readRegisters(this.bar);
  }

  /** A register as it is now; a bigint for `numSectors`. */
  read(register: RegisterName): number | bigint {
    const offset = Register[register];
    if (register === "numSectors") return this.bar.getBigUint64(offset, true);
    if (ONE_BYTE.has(register)) return this.bar.getUint8(offset);
    return Atomics.load(this.words, offset / 4) >>> 0;
  }

  /** Writes a register in its width, whoever's it is; a bigint for `numSectors`, whose width is 64 bits. */
  write(register: RegisterName, value: number | bigint): void {
    const offset = Register[register];
    if (register === "numSectors") this.bar.setBigUint64(offset, BigInt(value), true);
    else if (ONE_BYTE.has(register)) this.bar.setUint8(offset, Number(value));
    else Atomics.store(this.words, offset / 4, Number(value) | 0);
  }
}
