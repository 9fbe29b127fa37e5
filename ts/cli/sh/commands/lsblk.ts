// `lsblk`: the root complex's attached disks, and the endpoint's discs that have a name in `/dev`.

import {
  type BlockDevice,
  COLUMN_NAMES,
  type ColumnName,
  lsblkDocument,
  lsblkLines,
} from "../../listing.js";
import { type Call, CommandFailure, type Definition, textOf, withPath } from "../command.js";

export const lsblk: Definition = {
  name: "lsblk",
  usage: "[-b] [-d] [-n] [-J] [-o COLUMN,…] [DEVICE]…",
  help: `
Lists the discs that have a name in /dev, and the disks that are attached.

  -b, --bytes       sizes in bytes
  -d, --nodeps      no partitions (none are shown anyway)
  -n, --noheadings  no headings
  -J, --json        as JSON
  -o, --output      columns: ${COLUMN_NAMES.join(", ")}`,
  options: {
    bytes: { type: "boolean", short: "b" },
    nodeps: { type: "boolean", short: "d" },
    noheadings: { type: "boolean", short: "n" },
    json: { type: "boolean", short: "J" },
    output: { type: "string", short: "o" },
  },
  async run(call) {
    const { values, out } = call;
    const devices = await chosen(call, await blockDevices(call));
    const columns = columnsOf(textOf(values.output));
    const options = {
      ...(columns && { columns }),
      bytes: values.bytes === true,
      noHeadings: values.noheadings === true,
    };
    if (values.json) out(`${JSON.stringify(lsblkDocument(devices, options), null, 3)}\n`);
    else if (devices.length > 0) out(`${lsblkLines(devices, options).join("\n")}\n`);
  },
};

async function blockDevices({ tree, fs }: Call): Promise<BlockDevice[]> {
  const devices: BlockDevice[] = [];
  for (const entry of await tree.readdir("/dev", { withFileTypes: true })) {
    const { name: localName } = entry;
    // A name may lead to nothing.
    const stat = await fs.stat(`/dev/${localName}`).catch(() => undefined);
    if (stat === undefined) continue;
    const readOnly = entry.isBlockDevice() && (stat.mode & 0o200) === 0;
    devices.push({ localName, sizeBytes: stat.size, readOnly });
  }
  return devices;
}

async function chosen(
  call: Call,
  devices: readonly BlockDevice[],
): Promise<readonly BlockDevice[]> {
  if (call.operands.length === 0) return devices;
  return Promise.all(
    call.operands.map((operand) =>
      withPath(operand, async () => {
        const path = call.path(operand);
        const found = devices.find(({ localName }) => path === `/dev/${localName}`);
        if (found === undefined) throw new CommandFailure(`${operand}: not a block device`, 32);
        return found;
      }),
    ),
  );
}

function columnsOf(text: string | undefined): ColumnName[] | undefined {
  return text?.split(",").map((column) => {
    const found = COLUMN_NAMES.find((name) => name === column.toUpperCase());
    if (found !== undefined) return found;
    throw new CommandFailure(`unknown column: ${column}; there are ${COLUMN_NAMES.join(", ")}`);
  });
}
