// What the endpoint's registers say of the BAR. They are the other side's, so they are checked
// before anything is laid out by them.

import {
  EXT_MAGIC,
  EXT_VERSION,
  MAGIC,
  MSIX_ENTRY_BYTES,
  REGISTERS_BYTES,
  Register,
} from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import { Msix } from "../bus/msix.js";
import { BlockptError } from "../errors.js";

/** What the endpoint says of itself, checked. */
export interface EndpointRegisters {
  readonly queueBarOffset: number;
  readonly availableQsize: number;
  readonly vectors: number;
  /** Whether it has the extension block (protocol, section 5). */
  readonly hasExtension: boolean;
}

/** Finds the registers, and checks what they say of the BAR. */
export function readEndpoint(bus: Bus): EndpointRegisters {
  const bar = bus.barView();
  if (bar.byteLength < REGISTERS_BYTES || bar.getUint32(Register.magic, true) !== MAGIC) {
    throw new BlockptError(
      "ERR_BLOCKPT_NO_ENDPOINT",
      "no endpoint is started on the bus: await endpoint.start() first",
    );
  }
  const queueBarOffset = bar.getUint32(Register.queueBarOffset, true);
  const availableQsize = bar.getUint32(Register.availableQsize, true);
  const end = queueBarOffset + availableQsize;
  if (
    queueBarOffset < REGISTERS_BYTES ||
    queueBarOffset % 8 !== 0 ||
    end > bar.byteLength ||
    end % 8 !== 0
  ) {
    throw new BlockptError(
      "ERR_BLOCKPT_PROTOCOL",
      `the endpoint claims descriptor space from ${queueBarOffset} on, ${availableQsize} bytes, ` +
        `in a BAR of ${bar.byteLength}`,
    );
  }
  const hasExtension =
    bar.getUint32(Register.extMagic, true) === EXT_MAGIC &&
    bar.getUint32(Register.extVersion, true) >= EXT_VERSION;
  return { queueBarOffset, availableQsize, vectors: vectorsIn(bar.byteLength - end), hasExtension };
}

/** How many vectors a table and its pending bits of so many bytes are for (protocol, section 2). */
function vectorsIn(bytes: number): number {
  let vectors = Math.min(Math.floor(bytes / MSIX_ENTRY_BYTES), 2048);
  while (vectors > 0 && Msix.bytes(vectors).table + Msix.bytes(vectors).pending > bytes) vectors--;
  return vectors;
}

/** Where the vectors are: behind descriptor space (protocol, section 2). */
export function msixOf(registers: EndpointRegisters): MsixLocation {
  const { vectors, queueBarOffset, availableQsize } = registers;
  const tableOffset = queueBarOffset + availableQsize;
  return { vectors, tableOffset, pendingOffset: tableOffset + Msix.bytes(vectors).table };
}

/** Whether nothing has moved. */
export function sameRegisters(one: EndpointRegisters, other: EndpointRegisters): boolean {
  return (
    one.queueBarOffset === other.queueBarOffset &&
    one.availableQsize === other.availableQsize &&
    one.vectors === other.vectors &&
    one.hasExtension === other.hasExtension
  );
}
