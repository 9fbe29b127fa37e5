// One attached disk as its root complex keeps it: what it takes of the endpoint, the handshake
// that has it served, and the way back when the endpoint was gone.

import { Feature, Register, RING_GONE } from "../abi/layout.js";
import { queueLayout } from "../abi/queue-layout.js";
import type { Bus } from "../bus/bus.js";
import type { QueueGeometry } from "../engine/engine.js";
import { BlockptError } from "../errors.js";
import { unref } from "../platform/turns.js";
import type { TraceHandle } from "../trace/trace.js";
import { type DeviceCommands, type DiscFacts, isRefusal } from "./device-commands.js";
import { DiskState } from "./disk-state.js";
import { type EndpointRegisters, msixOf } from "./endpoint-registers.js";
import type { QueueParts } from "./queue-end.js";
import type { DiskPlace } from "./queue-places.js";
import { RemoteDisk } from "./remote-disk.js";

/** Bytes between two interrupt words: a cache line each. */
export const INTERRUPT_STRIDE = 64;
/** Most vectors that this side uses; one page of interrupt words. */
export const MAX_VECTORS = 64;

/** What an attachment is made from. */
export interface AttachmentParts {
  readonly bus: Bus;
  readonly registers: EndpointRegisters;
  readonly commands: DeviceCommands;
  /** The page that vectors write to. */
  readonly interruptPage: number;
  /** What the endpoint calls the disc. */
  readonly device: string;
  readonly localName: string;
  readonly facts: DiscFacts;
  readonly place: DiskPlace;
  readonly numDescriptors: number;
  readonly requestTimeoutMs: number;
  /** Where what is done on its queues is recorded, if it is. */
  readonly trace: TraceHandle | undefined;
  /** Hears that the endpoint has left the disk's own queue. */
  readonly onSuspect: () => void;
  /** Takes back what a view of the bus held whose thread has ended. */
  readonly reclaim: (owner: number) => Promise<void>;
  /** Hears that the endpoint has raised the vector of the disc's events. */
  readonly onEvent: () => Promise<void>;
}

/** The least time between two looks at what an event was about. */
const EVENT_PAUSE_MS = 10;

export class Attachment {
  readonly disk: RemoteDisk;
  readonly device: string;
  readonly place: DiskPlace;
  readonly #parts: AttachmentParts;
  readonly #state: DiskState;
  readonly #queues: readonly QueueParts[];
  #facts: DiscFacts;
  #closed = false;

  constructor(parts: AttachmentParts) {
    this.#parts = parts;
    this.device = parts.device;
    this.place = parts.place;
    this.#facts = parts.facts;
    this.#state = DiskState.create(parts.place.queues.length, parts.facts.sectors);
    this.#queues = parts.place.queues.map((_, index) => this.#queueParts(index));
    this.disk = new RemoteDisk(parts.bus, {
      name: parts.device,
      queues: this.#queues,
      onSuspect: parts.onSuspect,
      reclaim: parts.reclaim,
    });
    const { eventsVector } = parts.place;
    if (eventsVector !== undefined) void this.#hearEvents(eventsVector);
  }

  get isOnline(): boolean {
    return this.#state.isOnline;
  }

  /** Whether the endpoint has left a queue: some thread says so, or the ring of one that nobody looks at. */
  get isSuspect(): boolean {
    const u16 = new Uint16Array(this.#parts.bus.buffer);
    return (
      this.#state.isSuspect ||
      this.#queues.some(({ geometry }) => Atomics.load(u16, geometry.deviceRing / 2) === RING_GONE)
    );
  }

  /** Has the endpoint serve every queue, from the start of its rings. */
  async start(devIdx: number): Promise<void> {
    const { bus, commands, place, numDescriptors } = this.#parts;
    const doorbell = this.#hasDoorbell;
    const generation = this.#generation;
    commands.enable(this.#facts.features);
    let hasQueues = false;
    try {
      for (const [qidx, queue] of place.queues.entries()) {
        const { range } = this.#whereIs(qidx);
        bus.engine.fill(range.offset, 0, range.length);
        // Stays masked until somebody comes to the end of his looks.
        if (queue.vector !== undefined) this.#program(queue.vector);
        await commands.setQueue(devIdx, qidx, queue, numDescriptors, doorbell);
        hasQueues = true;
      }
      if (place.eventsVector !== undefined) {
        this.#program(place.eventsVector);
        bus.msix.unmask(place.eventsVector);
        await commands.setEventsVector(devIdx, place.eventsVector);
      }
      await commands.start(devIdx);
    } catch (error) {
      // The endpoint holds the queues that it did not start: STOP has it forget them.
      if (isRefusal(error) && hasQueues) await commands.stop(devIdx);
      throw error;
    }
    if (this.#generation !== generation) {
      const why = `the endpoint was started anew while ${this.device} was attached`;
      throw new BlockptError("ERR_BLOCKPT_NO_ENDPOINT", why);
    }
  }

  /** The endpoint is gone: every queue's owner fails what is outstanding. */
  goOffline(): void {
    this.#state.goOffline();
    // Who sleeps for an interrupt looks up.
    for (const { interruptAddress } of this.#queues) this.#interrupt(interruptAddress);
    this.disk.refresh();
  }

  /**
   * The endpoint is back, and has the disc at `devIdx`, as `facts` say: attaches it again.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_PROTOCOL` if the disc is another one now, and as `start` does
   */
  async comeBack(devIdx: number, facts: DiscFacts): Promise<void> {
    const before = this.#facts;
    const isSame =
      facts.readOnly === before.readOnly &&
      facts.logicalBlockBytes === before.logicalBlockBytes &&
      facts.maxLenBytes >= before.maxLenBytes &&
      facts.queues >= this.#queues.length &&
      (facts.features & before.features) === before.features;
    if (!isSame) {
      const why = `${this.device} is not as it was: detach it, and attach it anew`;
      throw new BlockptError("ERR_BLOCKPT_PROTOCOL", why);
    }
    await this.#state.quiesce();
    await this.start(devIdx);
    this.#state.goOnline(facts.sectors);
    this.disk.refresh();
  }

  /** The disc has another size, in sectors. True if that is new. */
  resize(sectors: number): boolean {
    if (sectors === this.#state.sectors) return false;
    this.#state.resize(sectors);
    this.disk.refresh();
    return true;
  }

  /** The disk is no more; `hasLeft` if the device was seen to leave every queue. */
  close(hasLeft: boolean): void {
    this.#closed = true;
    this.#state.detach();
    this.disk.detached(hasLeft);
    const { eventsVector } = this.place;
    if (eventsVector !== undefined) this.#interrupt(this.#wordOf(eventsVector));
  }

  /** The state that the disk's threads share. */
  get state(): DiskState {
    return this.#state;
  }

  /** Its queues that a view of the bus has open. */
  queuesOf(owner: number): readonly QueueParts[] {
    return this.#queues.filter(({ index }) => this.#state.owner(index) === owner);
  }

  get #generation(): number {
    return this.#parts.bus.barView().getInt32(Register.generation, true);
  }

  get #hasDoorbell(): boolean {
    return (this.#parts.facts.features & Feature.DOORBELL) !== 0;
  }

  #queueParts(index: number): QueueParts {
    const { registers, device, localName, facts, place, requestTimeoutMs, trace } = this.#parts;
    const vector = place.queues[index]?.vector;
    const { geometry, doorbell } = this.#whereIs(index);
    return {
      busId: this.#parts.bus.handle.layout.id,
      device,
      diskName: localName,
      index,
      geometry,
      doorbell,
      vector,
      interruptAddress: this.#wordOf(vector ?? MAX_VECTORS - 1),
      msix: msixOf(registers),
      state: this.#state.buffer,
      readOnly: facts.readOnly,
      features: facts.features,
      logicalBlockBytes: facts.logicalBlockBytes,
      maxLenBytes: facts.maxLenBytes,
      requestTimeoutMs,
      trace,
    };
  }

  /** Where a queue's parts are in the bus. */
  #whereIs(index: number): {
    geometry: QueueGeometry;
    doorbell: number | undefined;
    range: { offset: number; length: number };
  } {
    const { bus, registers, place, numDescriptors } = this.#parts;
    const layout = queueLayout(numDescriptors, { doorbell: this.#hasDoorbell });
    const { queueOffset } = place.queues[index] as DiskPlace["queues"][number];
    const start = bus.bar.offset + registers.queueBarOffset + queueOffset;
    return {
      geometry: {
        descriptors: start,
        driverRing: start + layout.driverOffset,
        deviceRing: start + layout.deviceOffset,
        numDescriptors,
      },
      doorbell: layout.doorbellOffset === undefined ? undefined : start + layout.doorbellOffset,
      range: { offset: start, length: layout.bytes },
    };
  }

  #program(vector: number): void {
    const { msix } = this.#parts.bus;
    msix.mask(vector);
    msix.program(vector, this.#wordOf(vector), vector + 1);
  }

  #wordOf(vector: number): number {
    return this.#parts.interruptPage + vector * INTERRUPT_STRIDE;
  }

  /** As the vector does. */
  #interrupt(address: number): void {
    const words = new Int32Array(this.#parts.bus.buffer);
    Atomics.store(words, address / 4, 1);
    Atomics.notify(words, address / 4);
  }

  async #hearEvents(vector: number): Promise<void> {
    const words = new Int32Array(this.#parts.bus.buffer);
    const word = this.#wordOf(vector) / 4;
    for (;;) {
      // Cleared before the size is read: an event that comes meanwhile is heard next.
      Atomics.store(words, word, 0);
      await this.#parts.onEvent();
      await pause(EVENT_PAUSE_MS);
      await Atomics.waitAsync(words, word, 0).value;
      if (this.#closed) return;
    }
  }
}

/** A timer that holds no process up. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => unref(setTimeout(resolve, ms)));
}
