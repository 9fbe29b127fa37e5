// A disk whose device answers when the test lets it: for what happens while requests are in flight.

import { BlockIo, GenDisk, RamDriver, type Request, TagSet } from "blockpt";
import { BlkStatus } from "blockpt/abi";

class HeldDriver extends RamDriver {
  readonly held: Request[] = [];
  isHolding = true;

  override queueRq(request: Request, isLast: boolean): number {
    if (!this.isHolding) return super.queueRq(request, isLast);
    this.held.push(request);
    return BlkStatus.OK;
  }
}

export class HeldDisk extends BlockIo {
  readonly #driver: HeldDriver;

  constructor(sizeBytes: number) {
    const driver = new HeldDriver(sizeBytes);
    const limits = { sectors: sizeBytes / 512, features: RamDriver.features };
    super(new GenDisk(new TagSet(1, 1024), driver, { name: "held", limits }).add());
    this.#driver = driver;
  }

  get bytes(): Uint8Array {
    return this.#driver.bytes;
  }

  /** Requests that the device has. */
  get held(): number {
    return this.#driver.held.length;
  }

  /** Does what it has, and from now on everything at once. */
  letGo(): void {
    this.#driver.isHolding = false;
    for (const request of this.#driver.held.splice(0)) this.#driver.queueRq(request, true);
  }
}
