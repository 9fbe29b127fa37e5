// The bus's bytes at three widths, and the copies between them.

import { DESCRIPTOR_BYTES } from "../../abi/layout.js";
import { ringBytes } from "../../abi/queue-layout.js";
import { assert, checkInteger } from "../../errors.js";
import type { QueueGeometry } from "../engine.js";

export class Views {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
  }

  /** Throws unless the range is inside the bus. */
  check(offset: number, lenBytes: number): void {
    checkInteger("lenBytes", lenBytes, 0, this.u8.length);
    checkInteger("offset", offset, 0, this.u8.length - lenBytes);
  }

  /** Throws unless a queue's parts are aligned and inside the bus; its opener checked it. */
  checkGeometry(geometry: QueueGeometry): void {
    const { descriptors, driverRing, deviceRing, numDescriptors } = geometry;
    const aligned = descriptors % 8 === 0 && driverRing % 2 === 0 && deviceRing % 2 === 0;
    assert(aligned, "a queue's geometry is not aligned");
    this.check(descriptors, numDescriptors * DESCRIPTOR_BYTES);
    this.check(driverRing, ringBytes(numDescriptors));
    this.check(deviceRing, ringBytes(numDescriptors));
  }

  copy(target: number, source: number, lenBytes: number): void {
    this.check(target, lenBytes);
    this.check(source, lenBytes);
    this.u8.copyWithin(target, source, source + lenBytes);
  }

  copyWords(target: number, source: number, lenBytes: number): void {
    this.check(target, lenBytes);
    this.check(source, lenBytes);
    const { u8, u32 } = this;
    let done = 0;
    if (((target | source) & 3) === 0) {
      const to = target >>> 2;
      const from = source >>> 2;
      const words = lenBytes >>> 2;
      for (let word = 0; word < words; word++) u32[to + word] = u32[from + word] as number;
      done = words * 4;
    }
    for (; done < lenBytes; done++) u8[target + done] = u8[source + done] as number;
  }
}
