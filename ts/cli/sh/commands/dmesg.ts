// `dmesg`: the kernel's log, what both drivers said.

import type { Definition } from "../command.js";

export const dmesg: Definition = {
  name: "dmesg",
  usage: "[-t]",
  help: `
Prints the kernel's log.

  -t, --notime  without the seconds since the shell was started`,
  options: { notime: { type: "boolean", short: "t" } },
  run({ tree, values, out }) {
    for (const { seconds, text } of tree.kernelLog) {
      out(values.notime ? `${text}\n` : `[${seconds.toFixed(6).padStart(12)}] ${text}\n`);
    }
  },
};
