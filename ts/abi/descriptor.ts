// One descriptor, to and from its 24 bytes. Not the hot path: engines have their own.

import { BlockptError } from "../errors.js";
import { DESCRIPTOR_BYTES, DescriptorField } from "./layout.js";

/** A descriptor (protocol, section 3). */
export interface Descriptor {
  /** First sector, of 512 bytes. 0 to 2^64 − 1. */
  startSector: bigint;
  /** Bus address of the data. 0 to 2^64 − 1. */
  address: bigint;
  /** Bytes to move. 0 to 2^32 − 1. */
  lenBytes: number;
  /** Operation, one of `Operation`. 0 to 255. */
  opf: number;
  /** Result, one of `BlkStatus`. 0 to 255. */
  status: number;
  /** Flags, of `DescriptorFlag`. 0 to 255. */
  flags: number;
}

/**
 * Writes a descriptor's 24 bytes (protocol, section 3).
 *
 * @param target - where to, any view of at least `offset + 24` bytes
 * @param offset - in bytes from the start of the view
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if a field is out of its range, or the view too short
 *
 * @example
 * ```ts
 * import { DescriptorFlag, Operation, decodeDescriptor, encodeDescriptor } from "blockpt/abi";
 *
 * const bytes = new Uint8Array(24);
 * encodeDescriptor(bytes, 0, {
 *   startSector: 8n, address: 0x20000n, lenBytes: 4096,
 *   opf: Operation.READ, status: 0, flags: DescriptorFlag.IN_USE,
 * });
 * console.log(decodeDescriptor(bytes, 0).lenBytes); // 4096
 * ```
 */
export function encodeDescriptor(
  target: ArrayBufferView,
  offset: number,
  descriptor: Descriptor,
): void {
  const view = viewOf(target, offset);
  const { startSector, address, lenBytes, opf, status, flags } = descriptor;
  if (BigInt.asUintN(64, startSector) !== startSector)
    refuse("startSector", startSector, "2^64 − 1");
  if (BigInt.asUintN(64, address) !== address) refuse("address", address, "2^64 − 1");
  if (lenBytes >>> 0 !== lenBytes) refuse("lenBytes", lenBytes, "2^32 − 1");
  for (const [name, value] of Object.entries({ opf, status, flags })) {
    if ((value & 0xff) !== value) refuse(name, value, "255");
  }
  view.setBigUint64(DescriptorField.sSector, startSector, true);
  view.setBigUint64(DescriptorField.addr, address, true);
  view.setUint32(DescriptorField.len, lenBytes, true);
  view.setUint8(DescriptorField.opf, opf);
  view.setUint8(DescriptorField.status, status);
  view.setUint8(DescriptorField.flags, flags);
  view.setUint8(DescriptorField.flags + 1, 0);
}

/**
 * Reads a descriptor's 24 bytes (protocol, section 3).
 *
 * @param source - where from, any view of at least `offset + 24` bytes
 * @param offset - in bytes from the start of the view
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if the view is too short
 */
export function decodeDescriptor(source: ArrayBufferView, offset: number): Descriptor {
  const view = viewOf(source, offset);
  return {
    startSector: view.getBigUint64(DescriptorField.sSector, true),
    address: view.getBigUint64(DescriptorField.addr, true),
    lenBytes: view.getUint32(DescriptorField.len, true),
    opf: view.getUint8(DescriptorField.opf),
    status: view.getUint8(DescriptorField.status),
    flags: view.getUint8(DescriptorField.flags),
  };
}

function viewOf(view: ArrayBufferView, offset: number): DataView {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > view.byteLength - DESCRIPTOR_BYTES) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `a descriptor at ${offset} does not fit a view of ${view.byteLength} bytes`,
    );
  }
  return new DataView(view.buffer, view.byteOffset + offset, DESCRIPTOR_BYTES);
}

function refuse(name: string, value: bigint | number, most: string): never {
  throw new BlockptError(
    "ERR_BLOCKPT_INVALID_ARGUMENT",
    `${name} of a descriptor is ${value}: a whole number from 0 to ${most} is wanted`,
  );
}
