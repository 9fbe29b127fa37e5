// What an endpoint and its exports are made with.

import type { FunctionIdentity } from "../bus/config-space.js";
import type { Disc } from "../discs/disc.js";
import type { FaultRule } from "../discs/faults/fault.js";
import type { Trace } from "../trace/trace.js";
import type { ReportQueueStopped } from "./exported-disc.js";
import type { LinkFaults } from "./link-faults.js";
import type { QueueWorkerSource } from "./queue-thread.js";

/** The controller that a function is bound to. */
export interface Controller {
  /** Its name, as `/sys/class/pci_epc` lists it. */
  name: string;
  /** Bytes of its BAR, if the hardware fixes them: another size of the bus's BAR is refused. */
  fixedBarBytes?: number | undefined;
  /** Most MSI-X vectors that it can raise. Default 2048. */
  maxVectors?: number | undefined;
}

/** A controller whose number of vectors is known. */
export interface BoundController extends Controller {
  /** Most MSI-X vectors that it can raise. */
  maxVectors: number;
}

/** What an endpoint is to be like. */
export interface EndpointOptions {
  /** The controller, or its name. */
  controller: string | Controller;
  /** PCI vendor, 0 to 0xfffe. Default 0x0000. */
  vendorId?: number | undefined;
  /** PCI device, 0 to 0xffff. Default 0xc402. */
  deviceId?: number | undefined;
  /** MSI-X vectors, 1 to 2048. Default 32. */
  msixInterrupts?: number | undefined;
  /**
   * Messages of an MSI capability in configuration space, 0 to 32, of which PCI makes a power of two; with 0
   * there is none. It is for whoever reads it: interrupts are MSI-X. Default 0.
   */
  msiInterrupts?: number | undefined;
  /** The rest of the configuration header. */
  identity?: Partial<Omit<FunctionIdentity, "vendorId" | "deviceId">> | undefined;
  /** What goes wrong on purpose between it and the root complex. Default: nothing. */
  linkFaults?: LinkFaults | undefined;
  /** Hears why commands were refused and queues stopped, a line each. */
  log?: ((line: string) => void) | undefined;
  /** Hears of queues that were stopped because they could go no further (protocol, section 4, fault 3). */
  onQueueStopped?: ReportQueueStopped | undefined;
  /**
   * What queues are served by: where `blockpt/queue-worker` is, or a function that makes a `Worker` of it, for bundlers
   * that do not find it by themselves. Default: `queue-worker.js` beside the library's file.
   */
  queueWorker?: QueueWorkerSource | undefined;
  /** Where commands, descriptors and completions are recorded, as the endpoint takes and answers them. Default: nowhere. */
  trace?: Trace | undefined;
}

/** How a disc is exported. */
export interface ExportOptions {
  /** The name the root complex sees: 1 to 63 bytes without `;` and NUL. Default `/dev/` and the export's name. */
  discName?: string | undefined;
  /** Most queues, each served by a worker thread of its own: 1 to 255. Default 1. */
  queues?: number | undefined;
  /** Refuse writes, whatever the disc allows. Default false. */
  readOnly?: boolean | undefined;
  /** Move data by DMA; false copies memory discs word by word, to see what DMA gains. Default true. */
  dma?: boolean | undefined;
  /** What goes wrong on it on purpose: rules, or texts as `parseFault` takes them, at most 32. Default: nothing. */
  faults?: readonly (FaultRule | string)[] | undefined;
}

/** What of an export may be changed while nobody is attached. */
export interface ExportChanges extends ExportOptions {
  /** Another disc in its place; the former one is closed. */
  disc?: Disc | undefined;
}
