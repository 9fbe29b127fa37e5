// Mistakes that the engine in TypeScript could have, each a few words of its source. The differential fuzzer must find each.

const device = "ts/engine/typescript/typescript-device-queue.ts";
const driver = "ts/engine/typescript/typescript-driver-queue.ts";
const engine = "ts/engine/typescript/typescript-engine.ts";
const views = "ts/engine/typescript/views.ts";

/** @type {{ name: string, file: string, from: string, to: string }[]} */
export const MUTANTS = [
  {
    name: "the device ring has one entry too many",
    file: device,
    from: "if (++this.#devicePosition === this.#numDescriptors) this.#devicePosition = 0;",
    to: "if (++this.#devicePosition > this.#numDescriptors) this.#devicePosition = 0;",
  },
  {
    name: "the driver ring ends one entry early, at the device",
    file: device,
    from: "if (++this.#driverPosition === this.#numDescriptors) this.#driverPosition = 0;",
    to: "if (++this.#driverPosition === this.#numDescriptors - 1) this.#driverPosition = 0;",
  },
  {
    name: "an idx may be the number of descriptors, at the device",
    file: device,
    from: "if (head < this.#numDescriptors) return head;",
    to: "if (head <= this.#numDescriptors) return head;",
  },
  {
    name: "an entry may be the number of descriptors, at the device",
    file: device,
    from: "if (index >= this.#numDescriptors) this.#fault = -QueueFault.DESCRIPTOR_INDEX;",
    to: "if (index > this.#numDescriptors) this.#fault = -QueueFault.DESCRIPTOR_INDEX;",
  },
  {
    name: "a descriptor in service may come again",
    file: device,
    from: "else if (this.#inService[index] !== 0) this.#fault = -QueueFault.DESCRIPTOR_STATE;",
    to: "",
  },
  {
    name: "a descriptor stays in service",
    file: device,
    from: "      this.#inService[descriptor] = 0;\n",
    to: "",
  },
  {
    name: "in use is not looked at",
    file: device,
    from: "if ((flags & DescriptorFlag.IN_USE) === 0) return BlkStatus.INVAL;",
    to: "",
  },
  {
    name: "length is checked before the operation",
    file: device,
    from: "    const opf = last & 0xff;\n",
    to: "    const opf = last & 0xff;\n    if (len % 512 !== 0) return BlkStatus.INVAL;\n",
  },
  {
    name: "a length of 0 is taken",
    file: device,
    from: "if (len === 0 || (len & (SECTOR_BYTES - 1)) !== 0",
    to: "if ((len & (SECTOR_BYTES - 1)) !== 0",
  },
  {
    name: "the largest length is refused",
    file: device,
    from: "len > limits.maxLenBytes",
    to: "len >= limits.maxLenBytes",
  },
  {
    name: "a sector past the end is on the disc",
    file: device,
    from: "if (sector > this.#numSectors - len / SECTOR_BYTES)",
    to: "if (sector > this.#numSectors - len / SECTOR_BYTES + 1)",
  },
  {
    name: "a sector's high half is forgotten",
    file: device,
    from: "const sector = sectorHigh * 0x1_0000_0000 + sectorLow;",
    to: "const sector = sectorHigh * 0 + sectorLow;",
  },
  {
    name: "read-only is checked before the sectors",
    file: device,
    from: "    const sector = sectorHigh",
    to: "    if (limits.readOnly && opf !== Operation.READ) return BlkStatus.PROTECTION;\n    const sector = sectorHigh",
  },
  {
    name: "read-only is for writes alone",
    file: device,
    from: "if (opf !== Operation.READ && limits.readOnly) return",
    to: "if (opf === Operation.WRITE && limits.readOnly) return",
  },
  {
    name: "an address may end a byte behind host memory",
    file: device,
    from: "offset > hostMemory.length - len",
    to: "offset > hostMemory.length - len + 1",
  },
  {
    name: "the last page is not looked up in the IOMMU's table",
    file: device,
    from: "page <= end; page++",
    to: "page < end; page++",
  },
  {
    name: "FUA is not handed out",
    file: device,
    from: "requests[record + RequestWord.flags] = this.#flags;",
    to: "requests[record + RequestWord.flags] = 0;",
  },
  {
    name: "the sector's high half is not handed out",
    file: device,
    from: "requests[record + RequestWord.startSectorHigh] = this.#startSector / 0x1_0000_0000;",
    to: "requests[record + RequestWord.startSectorHigh] = 0;",
  },
  {
    name: "bytes that were written are counted as read",
    file: device,
    from: "(counters[Counter.bytesWritten] as number) += lenBytes;",
    to: "(counters[Counter.bytesRead] as number) += lenBytes;",
  },
  {
    name: "an error is counted as what it would have been, too",
    file: device,
    from: "      (counters[Counter.errors] as number)++;\n      return;",
    to: "      (counters[Counter.errors] as number)++;",
  },
  {
    name: "a malformed descriptor does not count for a batch",
    file: device,
    from: "while (this.#driverPosition !== head && taken < most && this.#fault === 0) {\n      const index = this.#take();\n      if (index < 0) break;\n      taken++;\n      const status = this.#check(index);",
    to: "while (this.#driverPosition !== head && taken < most && this.#fault === 0) {\n      const index = this.#take();\n      if (index < 0) break;\n      const status = this.#check(index);\n      if (status === 0) taken++;",
  },
  {
    name: "a discard of a disc in the bus does nothing",
    file: device,
    from: "      case Operation.DISCARD:\n      case Operation.WRITE_ZEROES:\n        views",
    to: "      case Operation.WRITE_ZEROES:\n        views",
  },
  {
    name: "a new size is forgotten",
    file: device,
    from: "    checkSize(numSectors);\n    this.#numSectors = numSectors;",
    to: "    checkSize(numSectors);",
  },
  {
    name: "what was answered is published one batch late",
    file: device,
    from: "    if (this.#unpublished === 0) return;",
    to: "    if (this.#unpublished < 2) return;",
  },
  {
    name: "any number of looks is taken",
    file: device,
    from: "    checkPolls(polls);\n",
    to: "",
  },
  {
    name: "a full status word is written as the counter sees it",
    file: device,
    from: "this.#completeOne(descriptor, work, status & 0xff);",
    to: "this.#completeOne(descriptor, work, status);",
  },
  {
    name: "the driver ring has one entry too many, at the driver",
    file: driver,
    from: "if (++this.#driverPosition === this.#numDescriptors) this.#driverPosition = 0;",
    to: "if (++this.#driverPosition > this.#numDescriptors) this.#driverPosition = 0;",
  },
  {
    name: "a driver that takes over starts at 0",
    file: driver,
    from: "    this.#published = position;\n    Atomics.store(this.#u16, this.#driverRing, position);",
    to: "    this.#published = position;\n    Atomics.store(this.#u16, this.#driverRing, 0);",
  },
  {
    name: "a device that has left is one that broke the ring",
    file: driver,
    from: "if (head === RING_GONE) return this.#stop(QueueFault.GONE, 0);",
    to: "",
  },
  {
    name: "more completions than requests are looked at",
    file: driver,
    from: "if (count > this.#numDescriptors - 1 - this.#available) {",
    to: "if (count > this.#numDescriptors) {",
  },
  {
    name: "a descriptor that is not outstanding is answered",
    file: driver,
    from: "if (tag === FREE) return this.#stop(QueueFault.DESCRIPTOR_STATE, record);",
    to: "",
  },
  {
    name: "a descriptor that was cleared has a result",
    file: driver,
    from: "if (((last >>> FLAGS_SHIFT) & DescriptorFlag.IN_USE) === 0) {",
    to: "if (last === 0xffff_ffff) {",
  },
  {
    name: "a descriptor's last word is not cleared",
    file: driver,
    from: "clear < DESCRIPTOR_WORDS; clear++",
    to: "clear < DESCRIPTOR_WORDS - 1; clear++",
  },
  {
    name: "a fault is forgotten",
    file: driver,
    from: "if (this.#fault !== 0) return this.#fault;",
    to: "this.#fault = 0;",
  },
  {
    name: "what came before a fault is lost",
    file: driver,
    from: "return record === 0 ? this.#fault : record / COMPLETION_WORDS;",
    to: "return this.#fault;",
  },
  {
    name: "a sector's high half is not put",
    file: driver,
    from: "startSector > 0xffff_ffff ? startSector / 0x1_0000_0000 : 0",
    to: "0",
  },
  {
    name: "the address's high half is what was there",
    file: driver,
    from: "    u32[word + 3] = 0;\n",
    to: "",
  },
  {
    name: "status is no part of what is encoded",
    file: engine,
    from: "(((list[record + RequestWord.status] as number) & 0xff) << 8) |",
    to: "",
  },
  {
    name: "what is decoded is not numbered",
    file: engine,
    from: "list[record + RequestWord.tag] = index;",
    to: "list[record + RequestWord.tag] = 0;",
  },
  {
    name: "a ring is popped past what was asked for",
    file: engine,
    from: "while (next !== head && count < capacity) {",
    to: "while (next !== head && count <= capacity) {",
  },
  {
    name: "word by word forgets what is no whole word",
    file: views,
    from: "for (; done < lenBytes; done++)",
    to: "for (; done < (lenBytes & ~3); done++)",
  },
];
