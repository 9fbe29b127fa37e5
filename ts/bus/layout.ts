// Where everything in a bus is.
//
//   0         ┌──────────────────┐
//             │ engine           │  64 KiB: the WebAssembly module's own, should it ever have static data
//   64 KiB    ├──────────────────┤
//             │ configuration    │  4 KiB: PCI configuration space of the function
//             ├──────────────────┤
//             │ owners           │  which numbers of threads are taken
//             │ page tables      │  who holds which page of the three regions below
//             │ IOMMU table      │  mappings of each page of host memory
//             ├──────────────────┤
//             │ workspace        │  engines' stacks and queue contexts
//             ├──────────────────┤
//             │ BAR              │  registers, descriptor space, MSI-X; at a multiple of its size
//             ├──────────────────┤
//             │ host memory      │  the RC's: what descriptors point into
//             ├──────────────────┤
//             │ endpoint memory  │  the EP's: memory discs
//             └──────────────────┘
//
// Nothing moves and nothing grows, so every thread's views stay good. Pages that
// nobody wrote take no memory of the machine, so regions may be generous.

import { roundUp } from "../abi/queue-layout.js";
import type { BusRange } from "../engine/engine.js";
import { PageAllocator, WORKSPACE_PAGE_BYTES } from "../engine/page-allocator.js";
import { HOST_PAGE_BYTES } from "../engine/records.js";
import { Owners } from "./owners.js";

/** Bytes of PCI configuration space. */
const CONFIG_SPACE_BYTES = 4096;
/** Bytes of a page of endpoint memory, and what regions start at multiples of. */
export const LARGE_PAGE_BYTES = 65536;

const ENGINE_BYTES = 65536;
const WORKSPACE_BYTES = 64 * 1024 * 1024;

/** What a bus is made of; ranges are in bytes of its buffer. */
export interface BusLayout {
  /** By chance: tells this bus from others. */
  readonly id: number;
  readonly configSpace: BusRange;
  readonly ownersTable: number;
  readonly workspaceTable: number;
  readonly hostTable: number;
  readonly endpointTable: number;
  /** 0 where there is no IOMMU. */
  readonly iommuTable: number;
  readonly workspace: BusRange;
  readonly bar: BusRange;
  readonly hostMemory: BusRange;
  readonly endpointMemory: BusRange;
  /** Bytes of the whole bus. */
  readonly bytes: number;
}

/** Lays a bus out; the sizes were checked. */
export function layoutBus(
  hostMemoryBytes: number,
  barBytes: number,
  endpointMemoryBytes: number,
  iommu: boolean,
): BusLayout {
  let end = ENGINE_BYTES;
  const place = (length: number, alignment: number): BusRange => {
    const offset = roundUp(end, alignment);
    end = offset + length;
    return { offset, length };
  };
  const table = (rangeBytes: number, pageBytes: number): number =>
    place(PageAllocator.tableBytes(rangeBytes, pageBytes), 64).offset;

  const configSpace = place(CONFIG_SPACE_BYTES, HOST_PAGE_BYTES);
  const ownersTable = place(Owners.tableBytes, 64).offset;
  const workspaceTable = table(WORKSPACE_BYTES, WORKSPACE_PAGE_BYTES);
  const hostTable = table(hostMemoryBytes, HOST_PAGE_BYTES);
  const endpointTable = table(endpointMemoryBytes, LARGE_PAGE_BYTES);
  const iommuTable = iommu ? table(hostMemoryBytes, HOST_PAGE_BYTES) : 0;
  const workspace = place(WORKSPACE_BYTES, LARGE_PAGE_BYTES);
  const bar = place(barBytes, Math.max(barBytes, HOST_PAGE_BYTES));
  const hostMemory = place(hostMemoryBytes, LARGE_PAGE_BYTES);
  const endpointMemory = place(endpointMemoryBytes, LARGE_PAGE_BYTES);
  return {
    id: Math.random(),
    configSpace,
    ownersTable,
    workspaceTable,
    hostTable,
    endpointTable,
    iommuTable,
    workspace,
    bar,
    hostMemory,
    endpointMemory,
    bytes: roundUp(end, LARGE_PAGE_BYTES),
  };
}
