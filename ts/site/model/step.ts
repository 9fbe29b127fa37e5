// Single steps: what is asked for, the stages that a descriptor goes through, and what is said of each.

import { type Descriptor, DescriptorFlag, Operation } from "blockpt/abi";

/** What the descriptor is to say; no more of it is checked than that it fits, as the endpoint is to answer for itself. */
export interface StepRequest {
  readonly opf: number;
  /** As it is typed: it may have 64 bits. */
  readonly startSector: string;
  readonly lenBytes: number;
  /** Written to the data buffer before a write. */
  readonly text: string;
}

/** Where the descriptor is. */
export const STAGES = ["free", "filled", "published", "taken"] as const;
export type Stage = (typeof STAGES)[number];

/** What the next step does, and what the last one did. */
export const STAGE_WORDS: Readonly<Record<Stage, { next: string; done: string }>> = {
  free: {
    next: "Fill the descriptor",
    done: "The descriptor is free: all 24 bytes are 0.",
  },
  filled: {
    next: "Publish it on the driver ring",
    done: "The driver has set in use and filled the fields. The endpoint has not looked: nothing says so on the ring yet.",
  },
  published: {
    next: "Take the answer",
    done: "The driver wrote the descriptor's number to its ring, then moved idx, then rang the bell. The endpoint copied the 24 bytes, checked the copy, moved the data, wrote status, and put the number on the device ring.",
  },
  taken: {
    next: "Clear the descriptor",
    done: "The driver took the number from the device ring, and read status. Now it has to clear the descriptor, and may use it again.",
  },
};

export function nextStage(stage: Stage): Stage {
  return STAGES[(STAGES.indexOf(stage) + 1) % STAGES.length] as Stage;
}

/** A status that no endpoint writes, so that an answer is seen. */
export const NOT_ANSWERED = 0xff;

export function descriptorOf(request: StepRequest, address: number): Descriptor {
  const { opf, startSector, lenBytes } = request;
  const hasData =
    opf !== Operation.FLUSH && opf !== Operation.DISCARD && opf !== Operation.WRITE_ZEROES;
  return {
    startSector: BigInt(startSector),
    address: hasData ? BigInt(address) : 0n,
    lenBytes,
    opf,
    status: NOT_ANSWERED,
    flags: DescriptorFlag.IN_USE,
  };
}

const MOST_SECTOR = 2n ** 64n - 1n;
const MOST_LENGTH = 2 ** 32 - 1;

/** Why a descriptor cannot say that; undefined if it can. */
export function stepObjection({ startSector, lenBytes }: StepRequest): string | undefined {
  if (!/^\d+$/.test(startSector) || BigInt(startSector) > MOST_SECTOR) {
    return `The first sector is a whole number from 0 to ${MOST_SECTOR}.`;
  }
  if (!Number.isInteger(lenBytes) || lenBytes < 0 || lenBytes > MOST_LENGTH) {
    return `The length is a whole number from 0 to ${MOST_LENGTH}.`;
  }
  return undefined;
}

export const FIRST_REQUEST: StepRequest = {
  opf: Operation.READ,
  startSector: "0",
  lenBytes: 512,
  text: "hello from one descriptor",
};

/** What can be tried in one click. */
export const EXAMPLES: readonly { readonly name: string; readonly request: StepRequest }[] = [
  { name: "A read", request: FIRST_REQUEST },
  { name: "A write", request: { ...FIRST_REQUEST, opf: Operation.WRITE } },
  { name: "A flush", request: { ...FIRST_REQUEST, opf: Operation.FLUSH, lenBytes: 0 } },
  { name: "100 bytes", request: { ...FIRST_REQUEST, lenBytes: 100 } },
  { name: "Past the end", request: { ...FIRST_REQUEST, startSector: String(2n ** 63n) } },
  { name: "No such operation", request: { ...FIRST_REQUEST, opf: 42 } },
];
