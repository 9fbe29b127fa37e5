// A disc in front of another one, on which things go wrong on purpose.
//
//   request ─► which faults befall it? ─► it waits ─► it is answered wrongly, or done in part, or done
//              (faults/injector.ts)       (here)      (here)
//
// It answers by promises where a request has to wait, and at once where the disc inside does; so no request holds up
// another one but by a stall. What waits is let go when the rules are replaced.

import { BlkStatus } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import { BlockptError } from "../errors.js";
import {
  type Disc,
  type DiscAnswer,
  discardOn,
  type FaultyDiscHandle,
  isDisc,
  writeThrough,
} from "./disc.js";
import type { FaultReport, FaultRule } from "./faults/fault.js";
import { corrupt, Injector, keptBytes, type Mishap } from "./faults/injector.js";
import { FaultTable } from "./faults/table.js";
import { WrappedDisc } from "./wrapped-disc.js";

/**
 * A disc that misbehaves on purpose: in front of any other one, a partition or another `FaultyDisc` too, it answers
 * with errors, late, or not as it should. {@link FaultRule} says what can go wrong, and with which requests;
 * `setFaults` changes that at any time, also while it is exported and attached.
 *
 * A disc that an endpoint exports needs none of this to be made faulty: `endpoint.setFaults` does it, and costs nothing
 * while there are no faults. A `FaultyDisc` is for what is below a partition, or for rules of several layers. What the
 * endpoint reads for itself, as a partition table, is left alone.
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, FaultyDisc, MemoryDisc, RootComplex } from "blockpt";
 *
 * const bus = await createBus();
 * const disc = FaultyDisc.create(MemoryDisc.create(bus, 1024 * 1024), ["error=MEDIUM:read:sectors=8-15"]);
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", disc);
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("ram0", { numDescriptors: 256 });
 *
 * await disk.read(new Uint8Array(4096), 0);
 * const error = await disk.read(new Uint8Array(4096), 4096).catch((error) => error);
 * console.log(error.code, error.blkStatus); // ERR_BLOCKPT_IO 7
 * console.log(disc.faults[0]?.seen, disc.faults[0]?.hits); // 1 1
 *
 * disc.setFaults([]);
 * await disk.read(new Uint8Array(4096), 4096);
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export class FaultyDisc extends WrappedDisc implements Disc {
  readonly readOnly: boolean;
  readonly logicalBlockBytes: number;
  readonly features: number;
  /** An engine is not to serve it by itself. */
  readonly busRange = undefined;
  /** A request may have to wait at any time. */
  readonly asynchronous = true;
  readonly maxQueues: number | undefined;
  readonly #injector: Injector;
  /** Ends of the waits that there are: whether the request goes on. */
  readonly #waiting = new Set<(goesOn: boolean) => void>();
  #hasLeft = false;
  #isWatching = false;
  /** The whole bus. */
  #view: Uint8Array | undefined;

  private constructor(inner: Disc, table: FaultTable) {
    super(inner);
    this.readOnly = inner.readOnly;
    this.logicalBlockBytes = inner.logicalBlockBytes;
    this.features = inner.features;
    this.maxQueues = inner.maxQueues;
    this.#injector = new Injector(table);
  }

  /**
   * Puts one in front of a disc, which it closes when it is closed.
   *
   * @param faults - rules, or texts as `parseFault` takes them, at most 32
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no disc, or no rule
   */
  static create(inner: Disc, faults: readonly (FaultRule | string)[] = []): FaultyDisc {
    if (!isDisc(inner)) {
      const why = "FaultyDisc.create takes a disc, as FileDisc.open gives one";
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    const table = new FaultTable();
    table.replace(faults);
    return new FaultyDisc(inner, table);
  }

  /** @internal In the thread of a queue: rules that are kept elsewhere. */
  static adopt(inner: Disc, table: SharedArrayBuffer): FaultyDisc {
    return new FaultyDisc(inner, new FaultTable(table));
  }

  /** Its rules, and what has come of them. */
  get faults(): FaultReport[] {
    return this.#injector.table.reports;
  }

  /**
   * Puts other rules in place of all there are: they are in force for the next request, in whichever thread its queue is
   * served. Counts start at 0, and what waits goes on. If one of them is refused nothing changes.
   *
   * @param faults - rules, or texts as `parseFault` takes them, at most 32; none has all go well again
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT`
   */
  setFaults(faults: readonly (FaultRule | string)[]): void {
    this.#injector.table.replace(faults);
  }

  get sizeBytes(): number {
    return this.inner.sizeBytes;
  }

  get handle(): FaultyDiscHandle {
    return { kind: "faulty", inner: this.inner.handle, faults: this.#injector.table.buffer };
  }

  isOn(bus: Bus): boolean {
    return this.inner.isOn(bus);
  }

  readBytes(lenBytes: number, offsetBytes: number): Uint8Array | Promise<Uint8Array> {
    return this.inner.readBytes(lenBytes, offsetBytes);
  }

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer {
    const mishap = this.#injector.next("read", lenBytes, offsetBytes);
    if (mishap === undefined) return this.inner.readInto(bus, address, lenBytes, offsetBytes);
    return this.#befall(mishap, () => {
      const read = this.inner.readInto(bus, address, lenBytes, offsetBytes);
      if (mishap.fault === undefined) return read;
      const spoilt = (status: number): number => {
        if (status === BlkStatus.OK) corrupt(mishap, this.#bytes(bus, address, lenBytes));
        return status;
      };
      return typeof read === "number" ? spoilt(read) : read.then(spoilt);
    });
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer {
    const mishap = this.#injector.next("write", lenBytes, offsetBytes);
    if (mishap === undefined) return this.inner.writeFrom(bus, address, lenBytes, offsetBytes);
    return this.#befall(mishap, () =>
      torn(mishap, lenBytes, (bytes) => this.inner.writeFrom(bus, address, bytes, offsetBytes)),
    );
  }

  writeThroughFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer {
    const { inner } = this;
    const mishap = this.#injector.next("write", lenBytes, offsetBytes, true);
    if (mishap === undefined) return writeThrough(inner, bus, address, lenBytes, offsetBytes);
    return this.#befall(mishap, () =>
      mishap.fault?.kind === "lost-flush"
        ? inner.writeFrom(bus, address, lenBytes, offsetBytes)
        : torn(mishap, lenBytes, (bytes) => writeThrough(inner, bus, address, bytes, offsetBytes)),
    );
  }

  flush(): DiscAnswer {
    const mishap = this.#injector.next("flush", 0, 0);
    if (mishap === undefined) return this.inner.flush();
    return this.#befall(mishap, () =>
      mishap.fault === undefined ? this.inner.flush() : BlkStatus.OK,
    );
  }

  writeZeroes(lenBytes: number, offsetBytes: number): DiscAnswer {
    const mishap = this.#injector.next("write-zeroes", lenBytes, offsetBytes);
    if (mishap === undefined) return this.inner.writeZeroes(lenBytes, offsetBytes);
    return this.#befall(mishap, () =>
      torn(mishap, lenBytes, (bytes) => this.inner.writeZeroes(bytes, offsetBytes)),
    );
  }

  discard(lenBytes: number, offsetBytes: number): DiscAnswer {
    const mishap = this.#injector.next("discard", lenBytes, offsetBytes);
    if (mishap === undefined) return discardOn(this.inner, lenBytes, offsetBytes);
    return this.#befall(mishap, () => discardOn(this.inner, lenBytes, offsetBytes));
  }

  resize(sizeBytes?: number | undefined): void | Promise<void> {
    return this.inner.resize(sizeBytes);
  }

  /** What waits is answered with IOERR, and not done. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    this.#letGo(false);
    await this.inner.leave?.();
  }

  close(): void {
    this.inner.close();
  }

  /** Has a request wait, if it has to, and then answers it with an error or has it done as `act` does it. */
  #befall(mishap: Mishap, act: () => DiscAnswer): DiscAnswer {
    const { waitMs, fault } = mishap;
    const { table } = this.#injector;
    if (waitMs > 0 || table.stalledMs > 0) {
      return this.#wait(waitMs).then((goesOn) =>
        goesOn ? this.#befall({ ...mishap, waitMs: 0 }, act) : BlkStatus.IOERR,
      );
    }
    return fault?.kind === "error" ? fault.status : act();
  }

  /** Waits for a time, and for as long as the disc stands still; false if the disc was left meanwhile. */
  #wait(waitMs: number): Promise<boolean> {
    if (this.#hasLeft) return Promise.resolve(false);
    this.#watch();
    return new Promise((resolve) => {
      const end = (goesOn: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        resolve(goesOn);
      };
      const timer = setTimeout(end, Math.max(waitMs, this.#injector.table.stalledMs), true);
      this.#waiting.add(end);
    });
  }

  /** Lets go what waits when the rules are replaced. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    void this.#injector.table.whenReplaced().then(() => {
      this.#isWatching = false;
      this.#letGo(true);
    });
  }

  #letGo(goesOn: boolean): void {
    for (const end of [...this.#waiting]) end(goesOn);
  }

  #bytes(bus: Bus, address: number, lenBytes: number): Uint8Array {
    this.#view ??= new Uint8Array(bus.buffer);
    return this.#view.subarray(address, address + lenBytes);
  }
}

/** Writes all, or as much as a torn write does. */
function torn(
  mishap: Mishap,
  lenBytes: number,
  write: (lenBytes: number) => DiscAnswer,
): DiscAnswer {
  const { fault } = mishap;
  if (fault === undefined) return write(lenBytes);
  const bytes = keptBytes(mishap, lenBytes);
  const answered = (status: number): number => (status === BlkStatus.OK ? fault.status : status);
  const written = bytes === 0 ? BlkStatus.OK : write(bytes);
  return typeof written === "number" ? answered(written) : written.then(answered);
}
