// The loop over a queue whose disc answers later: many requests are in flight at once, and completed in the order in which
// they are answered.
//
//   the loop        takes what is new on the driver ring and hands it to the disc; when nothing is new and nothing in
//                   flight, it looks on each turn of the event loop for a while, then sleeps on the doorbell
//   answers         come between two turns; all that come in one are completed together, whether or not the loop sleeps.
//                   While there are more it does not look, as looking would take the processor from whoever answers
//
// A disc that hangs cannot hold up a stop: after a while it is left, which answers what it still has.

import { Patience } from "../bus/patience.js";
import type { Disc } from "../discs/disc.js";
import {
  COMPLETION_WORDS,
  CompletionWord,
  LIST_CAPACITY,
  REQUEST_WORDS,
  RequestWord,
} from "../engine/records.js";
import { nextTurn, sleep } from "../platform/turns.js";
import { perform, statusOfThrown } from "./perform.js";
import {
  DEEP_SLEEP_MS,
  DRAIN_MS,
  POLLED_LOOK_MS,
  QueueService,
  type QueueWork,
} from "./queue-service.js";

/** Nobody rings, or what is awaited is an answer. */
const NAP_MS = 1;
/** The longest time of a timer. */
const FOREVER_MS = 2 ** 31 - 1;

export class AsyncService extends QueueService {
  readonly #disc: Disc;
  readonly #patience: Patience;
  /** Tags and statuses of what was answered and is not yet completed. */
  readonly #done: number[] = [];

  constructor(work: QueueWork, disc: Disc) {
    super(work);
    this.#disc = disc;
    this.#patience = new Patience(this.doorbell === undefined ? POLLED_LOOK_MS : undefined);
  }

  /** Serves until it is stopped and drained, is replaced, or can go no further; says why not. Leaves the disc, unless it is replaced. */
  async run(): Promise<string | undefined> {
    // A doorbell does not hold up the thread.
    const alive = setInterval(() => {}, FOREVER_MS);
    try {
      await this.#serve();
    } finally {
      if (!this.isReplaced) await this.#disc.leave?.();
      clearInterval(alive);
    }
    return this.reason;
  }

  async #serve(): Promise<void> {
    let drainedBy = Number.POSITIVE_INFINITY;
    while (!this.hasEnded) {
      if (this.round()) {
        this.#patience.found();
        await nextTurn();
      } else if (this.stopping) {
        drainedBy = Math.min(drainedBy, performance.now() + DRAIN_MS);
        if (performance.now() >= drainedBy) await this.#disc.leave?.();
        await sleep(NAP_MS);
      } else if (this.replacing) {
        await sleep(NAP_MS);
      } else if (this.inFlight === 0 && this.#patience.mayLookOn()) {
        await nextTurn();
      } else if (this.doorbell === undefined) {
        await sleep(NAP_MS);
      } else {
        await this.doorbell.sleepAsync(this.round, DEEP_SLEEP_MS);
      }
    }
  }

  protected readonly step = (): number => {
    if (this.mayAnswer <= this.inFlight) return 0;
    // One look: the event loop has other things to do than to look.
    const count = this.queue.fetch(1);
    for (let index = 0; index < count; index++) {
      const request = index * REQUEST_WORDS;
      const tag = this.queue.requests[request + RequestWord.tag] as number;
      this.inFlight++;
      const answer = perform(this.bus, this.#disc, this.queue, request);
      if (typeof answer === "number") this.#answered(tag, answer);
      else {
        answer.then(
          (status) => this.#answered(tag, status),
          (error: unknown) => this.#answered(tag, statusOfThrown(error)),
        );
      }
    }
    return count;
  };

  #answered(tag: number, status: number): void {
    // Behind the answers that are due now.
    if (this.#done.push(tag, status) === 2) queueMicrotask(this.#complete);
  }

  readonly #complete = (): void => {
    const done = this.#done;
    this.inFlight -= done.length / 2;
    if (this.isCurrent && !this.hasEnded) {
      const { completions } = this.queue;
      for (let first = 0; first < done.length; first += 2 * LIST_CAPACITY) {
        const count = Math.min((done.length - first) / 2, LIST_CAPACITY);
        for (let index = 0; index < count; index++) {
          const record = index * COMPLETION_WORDS;
          completions[record + CompletionWord.tag] = done[first + 2 * index] as number;
          completions[record + CompletionWord.status] = done[first + 2 * index + 1] as number;
        }
        this.queue.complete(count);
      }
      this.tell();
    }
    // Before the next are taken: a disc may answer some of them at once.
    done.length = 0;
    if (this.isCurrent && !this.hasEnded) this.#goOn();
  };

  /** The driver may have published meanwhile, or is about to. */
  #goOn(): void {
    this.#patience.found();
    if (this.inFlight > 0 && !this.stopping) this.round();
    // It looks for what comes next, rather than being woken by it; or ends.
    if (this.inFlight === 0 || this.hasEnded) this.doorbell?.wake();
  }
}
