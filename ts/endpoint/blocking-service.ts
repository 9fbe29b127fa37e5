// The loop over a queue whose disc answers at once: take what is new on the driver ring, have it done, answer,
// raise the vector; when nothing is new, spin, then sleep.

import type { Bus } from "../bus/bus.js";
import { Patience } from "../bus/patience.js";
import type { BlockingDisc } from "../discs/disc.js";
import { NullDisc } from "../discs/null-disc.js";
import type { DeviceQueue } from "../engine/engine.js";
import {
  COMPLETION_WORDS,
  CompletionWord,
  LIST_PUBLISH_BYTES,
  LIST_PUBLISH_EVERY,
  REQUEST_WORDS,
  RequestWord,
} from "../engine/records.js";
import { perform } from "./perform.js";
import { QueueControl, QueueState } from "./queue-control.js";
import {
  DEEP_SLEEP_MS,
  POLLED_LOOK_MS,
  POLLS,
  QueueService,
  type QueueWork,
} from "./queue-service.js";

/** Most requests of a round, so that a stop is seen while the driver keeps the ring full. */
const MOST = 1024;
/** Without a doorbell: so many short sleeps, and longer ones from there on, as nobody is in the middle of something. */
const SHORT_SLEEPS = 100;
const SHORT_SLEEP_MS = 0.1;
const LONG_SLEEP_MS = 1;

export class BlockingService extends QueueService {
  protected readonly step: () => number;
  /** Since something was found, where nobody rings. */
  #sleeps = 0;

  constructor(work: QueueWork, disc: BlockingDisc) {
    super(work);
    this.step = stepOf(work.bus, work.queue, disc, work.data.pio);
  }

  /** Serves until it is stopped and drained, is replaced, or can go no further; says why not. */
  run(): string | undefined {
    const patience = new Patience(this.doorbell === undefined ? POLLED_LOOK_MS : undefined);
    while (!this.hasEnded) {
      if (this.round()) {
        patience.found();
        this.#sleeps = 0;
      } else if (this.#sleeps > 0 || !patience.mayLookOn()) {
        if (this.doorbell === undefined) this.#doze();
        else this.doorbell.sleep(this.round, DEEP_SLEEP_MS);
      }
    }
    return this.reason;
  }

  /** A nap: nobody rings. */
  #doze(): void {
    const sleepMs = this.#sleeps++ < SHORT_SLEEPS ? SHORT_SLEEP_MS : LONG_SLEEP_MS;
    Atomics.wait(this.control, QueueControl.state, QueueState.serve, sleepMs);
  }
}

/** One round of service: gives how many requests it took, or a fault as a negative number. */
function stepOf(bus: Bus, queue: DeviceQueue, disc: BlockingDisc, pio: boolean): () => number {
  if (disc instanceof NullDisc) return () => queue.answer(POLLS, MOST);
  const { busRange } = disc;
  if (busRange !== undefined) return () => queue.serve(busRange, pio, POLLS, MOST);
  return () => {
    const count = queue.fetch(POLLS);
    let waiting = 0;
    let waitingBytes = 0;
    for (let index = 0; index < count; index++) {
      const record = waiting++ * COMPLETION_WORDS;
      const request = index * REQUEST_WORDS;
      queue.completions[record + CompletionWord.tag] = queue.requests[
        request + RequestWord.tag
      ] as number;
      queue.completions[record + CompletionWord.status] = perform(bus, disc, queue, request);
      waitingBytes += queue.requests[request + RequestWord.lenBytes] as number;
      // A few at a time: the driver works on the first while the disc works on the next.
      const isDue = waiting === LIST_PUBLISH_EVERY || waitingBytes >= LIST_PUBLISH_BYTES;
      if (isDue || index === count - 1) {
        queue.complete(waiting);
        waiting = 0;
        waitingBytes = 0;
      }
    }
    return count;
  };
}
