// What a conformance vector is: one clause of the protocol, and the steps that show whether an endpoint keeps it. Nothing
// but data, so that it can be printed as JSON and run by somebody else's program.

import type { BlkStatus, Command, Operation, Status } from "../../abi/layout.js";
import type { RegisterName } from "../raw-registers.js";
import type { Amount } from "./amount.js";

/** What a disc has to be for a vector. */
export type DiscRole =
  /** It may be written. */
  | "writable"
  /** It may only be read. */
  | "read-only"
  /** It may be written, and is not the first such. */
  | "second"
  /** It has this place in GET_DEVICES' list, from 0. */
  | number;

/** What SET_QUEUE says of where a queue's parts are. */
export interface QueuePlace {
  /** The driver ring. */
  readonly drvOffset: number;
  /** The device ring. */
  readonly devOffset: number;
  /** Bytes of the whole queue, with the doorbell block if it has one. */
  readonly qsize: number;
}

/** Opens a queue by its bytes, and forgets one that was called so before; the endpoint knows nothing of it yet. */
export interface OpenStep {
  /** The queue. */
  readonly open: {
    /** What the vector calls it. Default `a`. */
    readonly name?: string | undefined;
    /** The disc that it is of. Default the vector's. */
    readonly disc?: DiscRole | undefined;
    /** Which of its queues. Default 0. */
    readonly qidx?: number | undefined;
    /** Descriptors. Default 16. */
    readonly numDescriptors?: number | undefined;
    /** Where it starts, from `queue_bar_offset`, in bytes. Default 0. */
    readonly queueOffset?: number | undefined;
    /** Whether it has a doorbell block, and rings it. Default false. */
    readonly doorbell?: boolean | undefined;
    /** Where its rings are and its bytes, in bytes from its start. Default: one behind the other. */
    readonly place?: QueuePlace | undefined;
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
  /** Bits of the answer; `*` is any. Default `SUCCESS`. */
  readonly status?: readonly (keyof typeof Status)[] | "*" | undefined;
}

/** Has registers be these. */
export interface RegistersStep {
  /** What they have to be. */
  readonly registers: Partial<Readonly<Record<RegisterName, Amount>>>;
}

/** Has each of some bits of a register be set, or none of them. */
export interface BitsStep {
  /** The bits. */
  readonly bits: {
    /** The register. */
    readonly of: RegisterName;
    /** Bits that are set. Default none. */
    readonly set?: number | undefined;
    /** Bits that are not. Default none. */
    readonly clear?: number | undefined;
  };
}

/** Has a register that moves by itself move. */
export interface MovesStep {
  /** The register. */
  readonly moves: RegisterName;
}

/** Has `dev_name` hold each disc's name once, in 1 to 63 bytes, ended by `;`. */
export interface NamesStep {
  /** What they have to be. */
  readonly names: "well-formed";
}

/** A range of host memory, and the pattern that is in it: 0 for the seed is zeros. */
export interface PatternRange {
  /** A bus address. */
  readonly at: Amount;
  /** Bytes. */
  readonly lenBytes: number;
  /** Which pattern. */
  readonly seed: number;
}

/** Fills host memory with a pattern of a seed. */
export interface FillStep {
  /** Where, and with which. */
  readonly fill: PatternRange;
}

/** Has host memory hold the pattern of a seed. */
export interface HoldsStep {
  /** Where, and which. */
  readonly holds: PatternRange;
}

/** A descriptor, an honest read of the first sector to the start of host memory but for what is said. */
export interface DescriptorStep {
  /** Its fields. */
  readonly descriptor: {
    /** Which descriptor. */
    readonly index: number;
    /** Of which queue. Default `a`. */
    readonly queue?: string | undefined;
    /** `opf`. Default READ. */
    readonly operation?: keyof typeof Operation | number | undefined;
    /** `s_sector`. Default 0. */
    readonly startSector?: Amount | undefined;
    /** `len`. Default 512. */
    readonly lenBytes?: Amount | undefined;
    /** `addr`. Default `host`. */
    readonly address?: Amount | undefined;
    /** `flags`. Default: in use. */
    readonly flags?: number | undefined;
  };
}

/** Puts entries on the driver ring, publishes them, and rings. */
export interface PushStep {
  /** The entries. */
  readonly push: readonly number[];
  /** Of which queue. Default `a`. */
  readonly queue?: string | undefined;
}

/** Publishes an `idx` on the driver ring, and rings. */
export interface PublishStep {
  /** The `idx`. */
  readonly publish: number;
  /** Of which queue. Default `a`. */
  readonly queue?: string | undefined;
}

/** Has these be completed, in any order, with these statuses; `*` is any. */
export interface CompletionsStep {
  /** Statuses by descriptor. */
  readonly completions: Readonly<Record<number, keyof typeof BlkStatus | "*">>;
  /** Whether others may be completed meanwhile, of which a later step has the statuses. Default false. */
  readonly others?: boolean | undefined;
  /** Of which queue. Default `a`. */
  readonly queue?: string | undefined;
}

/** Has nothing be completed, though the endpoint has answered a command meanwhile. */
export interface SilenceStep {
  /** Nothing else can be said. */
  readonly silence: true;
  /** Of which queue. Default `a`. */
  readonly queue?: string | undefined;
}

/** Has the device ring's `idx` become this. */
export interface DeviceIdxStep {
  /** The `idx`. */
  readonly deviceIdx: number;
  /** Of which queue. Default `a`. */
  readonly queue?: string | undefined;
}

/** Writes an entry of the MSI-X table; the word that it is to write is cleared. */
export interface VectorStep {
  /** The entry. */
  readonly vector: {
    /** Which, counted from 1. */
    readonly irq: Amount;
    /** The bus address of the word that it writes. */
    readonly address: Amount;
    /** What it writes there. */
    readonly data: number;
    /** Whether it is masked. */
    readonly masked: boolean;
  };
}

/** Has a word of host memory become this. */
export interface RaisedStep {
  /** The word. */
  readonly raised: {
    /** Its bus address. */
    readonly at: Amount;
    /** What it becomes. */
    readonly data: number;
  };
}

/** Has the pending bit of a vector become this. */
export interface PendingStep {
  /** The bit. */
  readonly pending: {
    /** Which vector, counted from 1. */
    readonly irq: Amount;
    /** Whether it is set. */
    readonly is: boolean;
  };
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

/** What a disc has to be like for a vector that calls discs by their places. */
export interface ListedDisc {
  /** Sectors that it has to have at least. */
  readonly sectors: number;
  /** Queues that it has to bear. */
  readonly queues: number;
  /** Bits of `Feature` that the endpoint has to offer for it. */
  readonly features: number;
  /** Whether it may only be read; where that does not matter absent. */
  readonly readOnly?: boolean | undefined;
}

/** What a vector needs of the bus. */
export interface Room {
  /** Bytes of descriptor space. */
  readonly spaceBytes: number;
  /** Bytes of host memory. */
  readonly hostBytes: number;
  /** MSI-X vectors. */
  readonly vectors: number;
}

/** One clause of the protocol, and what shows that it is kept. */
export interface ConformanceVector {
  /** The section of the protocol, as `3` or `5`; `recorded` for a session that was traced. */
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
  /** What GET_DEVICES' list has to be like; without such discs it is skipped. Default: nothing. */
  readonly list?: readonly ListedDisc[] | undefined;
  /** What it needs of the bus; without it it is skipped. Default: nothing. */
  readonly room?: Room | undefined;
  /** Taken one after the other; the first that finds something else breaks the clause. */
  readonly steps: readonly Step[];
}
