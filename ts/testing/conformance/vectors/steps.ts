// Steps that many vectors have in common.

import type { BlkStatus } from "../../../abi/layout.js";
import type { CommandStep, DescriptorStep, DiscRole, OpenStep, Step } from "../vector.js";

/** What of a queue is not as usual. */
interface Started extends Pick<OpenStep["open"], "name" | "qidx" | "queueOffset" | "doorbell"> {
  readonly numDescriptors?: number | undefined;
  readonly disc?: DiscRole | undefined;
  /** What is enabled of section 5: bits of `Feature`. */
  readonly extEnabled?: number | undefined;
}

/** A disc whose queue is served. */
export function started(options: Started = {}): Step[] {
  const { extEnabled, ...open } = options;
  const queue = open.name ?? "a";
  const enabled = extEnabled === undefined ? {} : { with: { extEnabled } };
  return [{ open }, { command: ["SET_IRQ", "SET_QUEUE", "START"], queue, ...enabled }];
}

/** A descriptor that is put on the ring alone, and its status. */
export function answered(
  status: keyof typeof BlkStatus,
  descriptor: Omit<DescriptorStep["descriptor"], "index"> & { readonly index?: number } = {},
): Step[] {
  const { index = 3, queue, ...fields } = descriptor;
  const on = queue === undefined ? {} : { queue };
  return [
    { descriptor: { index, ...on, ...fields } },
    { push: [index], ...on },
    { completions: { [index]: status }, ...on },
  ];
}

/** A command that is refused. */
export function refused(
  command: CommandStep["command"],
  more: Pick<CommandStep, "queue" | "disc" | "with"> = {},
): Step {
  return { command, status: ["ERROR"], ...more };
}

/** SET_QUEUE for a queue that cannot be. */
export function noPlace(changes: CommandStep["with"]): Step {
  return {
    command: ["SET_QUEUE"],
    queue: "a",
    with: changes,
    status: ["ERROR", "QUEUE_ADDRESS_INVALID"],
  };
}
