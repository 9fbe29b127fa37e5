// The bus's bytes at three widths, and the copies between them. Whoever calls has checked the ranges.

export class Views {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
  }

  copy(target: number, source: number, lenBytes: number): void {
    this.u8.copyWithin(target, source, source + lenBytes);
  }

  copyWords(target: number, source: number, lenBytes: number): void {
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
