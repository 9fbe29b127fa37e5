// What a conformance vector is: one clause of the protocol, and the steps that show whether an endpoint keeps it. Nothing
// but data, so that it can be printed as JSON and run by somebody else's program.

import type { BlkStatus, Command, Operation, Status } from "../../abi/layout.js";
import type { RegisterName } from "../raw-driver.js";
import type { Amount } from "./amount.js";

/** What a disc has to be for a vector. */
export type DiscRole =
  /** It may be written. */
  | "writable"
  /** It may only be read. */
  | "read-only"
  /** It may be written, and is not the first such. */
  | "second";

/** Opens a queue by its bytes, and forgets one that was called so before; the endpoint knows nothing of it yet. */
export interface OpenStep {
  readonly open: {
    /** What the vector calls it. Default `a`. */
    readonly name?: string | undefined;
    /** Default the vector's disc. */
    readonly disc?: DiscRole | undefined;
    /** Default 0. */
    readonly qidx?: number | undefined;
    /** Default 16. */
    readonly numDescriptors?: number | undefined;
    /** From `queue_bar_offset`, in bytes. Default 0. */
    readonly queueOffset?: number | undefined;
    /** Whether it has a doorbell block, and rings it. Default false. */
    readonly doorbell?: boolean | undefined;
  };
}

/** Writes registers and a command, and has the status be this. */
export interface CommandStep {
  /** Its bits, by name or as a number. */
  readonly command: readonly (keyof typeof Command)[] | number;
  /** The queue that the arguments are of, told truly, but for `with`. Default: the disc's number alone. */
  readonly queue?: string | undefined;
  /** The disc that the arguments are of, without a queue. Default the vector's. */
  readonly disc?: DiscRole | undefined;
  /** Registers that are written besides. */
  readonly with?: Partial<Readonly<Record<RegisterName, Amount>>> | undefined;
  /** Bits of the answer. Default `SUCCESS`. */
  readonly status?: readonly (keyof typeof Status)[] | undefined;
}

/** Has registers be these. */
export interface RegistersStep {
  readonly registers: Partial<Readonly<Record<RegisterName, Amount>>>;
}

/** Has each of some bits of a register be set, or none of them. */
export interface BitsStep {
  readonly bits: {
    readonly of: RegisterName;
    readonly set?: number | undefined;
    readonly clear?: number | undefined;
  };
}

/** Has a register that moves by itself move. */
export interface MovesStep {
  readonly moves: RegisterName;
}

/** Has `dev_name` hold each disc's name once, in 1 to 63 bytes, ended by `;`. */
export interface NamesStep {
  readonly names: "well-formed";
}

/** Fills host memory with a pattern of a seed. */
export interface FillStep {
  readonly fill: { readonly at: Amount; readonly lenBytes: number; readonly seed: number };
}

/** Has host memory hold the pattern of a seed; seed 0 is zeros. */
export interface HoldsStep {
  readonly holds: { readonly at: Amount; readonly lenBytes: number; readonly seed: number };
}

/** A descriptor, an honest read of the first sector to the start of host memory but for what is said. */
export interface DescriptorStep {
  readonly descriptor: {
    readonly index: number;
    readonly queue?: string | undefined;
    readonly operation?: keyof typeof Operation | number | undefined;
    readonly startSector?: Amount | undefined;
    readonly lenBytes?: Amount | undefined;
    readonly address?: Amount | undefined;
    /** Default: in use. */
    readonly flags?: number | undefined;
  };
}

/** Puts entries on the driver ring, publishes them, and rings. */
export interface PushStep {
  readonly push: readonly number[];
  readonly queue?: string | undefined;
}

/** Publishes an `idx` on the driver ring, and rings. */
export interface PublishStep {
  readonly publish: number;
  readonly queue?: string | undefined;
}

/** Has these be completed, in any order, with these statuses; `*` is any. */
export interface CompletionsStep {
  readonly completions: Readonly<Record<number, keyof typeof BlkStatus | "*">>;
  readonly queue?: string | undefined;
}

/** Has nothing be completed, though the endpoint has answered a command meanwhile. */
export interface SilenceStep {
  readonly silence: true;
  readonly queue?: string | undefined;
}

/** Has the device ring's `idx` become this. */
export interface DeviceIdxStep {
  readonly deviceIdx: number;
  readonly queue?: string | undefined;
}

/** Writes an entry of the MSI-X table; the word that it is to write is cleared. */
export interface VectorStep {
  readonly vector: {
    readonly irq: Amount;
    readonly address: Amount;
    readonly data: number;
    readonly masked: boolean;
  };
}

/** Has a word of host memory become this. */
export interface RaisedStep {
  readonly raised: { readonly at: Amount; readonly data: number };
}

/** Has the pending bit of a vector become this. */
export interface PendingStep {
  readonly pending: { readonly irq: Amount; readonly is: boolean };
}

/** A step of a vector. */
export type Step =
  | OpenStep
  | CommandStep
  | RegistersStep
  | BitsStep
  | MovesStep
  | NamesStep
  | FillStep
  | HoldsStep
  | DescriptorStep
  | PushStep
  | PublishStep
  | CompletionsStep
  | SilenceStep
  | DeviceIdxStep
  | VectorStep
  | RaisedStep
  | PendingStep;

/** One clause of the protocol, and what shows that it is kept. */
export interface ConformanceVector {
  /** The section of the protocol, as `3` or `5`. */
  readonly section: string;
  /** What has to hold, in a sentence. */
  readonly clause: string;
  /** Which disc it is about. Default `writable`. */
  readonly disc?: DiscRole | undefined;
  /** Other discs that it needs. */
  readonly discs?: readonly DiscRole[] | undefined;
  /** Bits of `Feature` that the endpoint has to offer for the disc; without them the clause is skipped. */
  readonly features?: number | undefined;
  /** Queues that the disc has to bear. Default 1. */
  readonly queues?: number | undefined;
  readonly steps: readonly Step[];
}
