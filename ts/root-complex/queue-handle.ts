// What opens a queue of a disk in another thread, once.

import type { Bus } from "../bus/bus.js";
import { BlockptError } from "../errors.js";
import { DiskState } from "./disk-state.js";
import type { QueueParts } from "./queue-end.js";

/** What opens a queue of a disk in another thread; can be posted. */
export interface QueueHandle {
  /** @internal */
  readonly parts: QueueParts;
  /** @internal Tells it from other handles of the same queue. */
  readonly serial: number;
}

/** Takes the queue of a handle, and makes something that drives it; throws as `openQueue` does. */
export function withQueue<T>(bus: Bus, handle: QueueHandle, open: (parts: QueueParts) => T): T {
  // Whatever was posted here, and came from elsewhere.
  const parts = (handle as Partial<QueueHandle> | undefined)?.parts;
  if (parts === undefined || parts.busId !== bus.handle?.layout.id) {
    const why = "the handle is of another bus, or none that disk.openQueue() gave";
    throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
  }
  const { diskName, index } = parts;
  const state = new DiskState(parts.state);
  if (state.isDetached) {
    throw new BlockptError("ERR_BLOCKPT_DETACHED", `${diskName} was detached`);
  }
  if (!state.isLatest(index, handle.serial) || !state.open(index, bus.owner)) {
    const why = `queue ${index} of ${diskName} was opened with this handle before, or given back`;
    throw new BlockptError("ERR_BLOCKPT_STATE", why);
  }
  try {
    return open(parts);
  } catch (error) {
    state.unopen(index);
    throw error;
  }
}
