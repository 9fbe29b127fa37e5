// The kernel's PCI Block Passthrough User Guide: its commands, in its order, through the built `blockpt sh`,
// and what it says that they print.

import { truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Place } from "./command-line.js";
import { stepsOf } from "./shell-rig.js";

/** Every command and every line of output of the guide, as they stand there but for the indentation. */
const GUIDE = `
# ls /sys/class/pci_epc/
44100000.pcie
# ls /sys/kernel/config/pci_ep/controllers
44100000.pcie
# ls /sys/bus/pci-epf/drivers
pci_epf_blockpt
# ls /sys/kernel/config/pci_ep/functions
pci_epf_blockpt
# mount -t configfs none /sys/kernel/config
# cd /sys/kernel/config/pci_ep/
# mkdir functions/pci_epf_blockpt/func1
# ls functions/pci_epf_blockpt/func1
baseclass_code	interrupt_pin	progif_code	subsys_id
cache_line_size	msi_interrupts	revid		subsys_vendorid
deviceid          	msix_interrupts	subclass_code	vendorid
# echo 0x0000 > functions/pci_epf_blockpt/func1/vendorid
# echo 0xc402 > functions/pci_epf_blockpt/func1/deviceid
# echo 16 > functions/pci_epf_test/func1/msi_interrupts
# echo 512 > functions/pci_epf_test/func1/msix_interrupts
# ln -s functions/pci_epf_blockpt/func1 controllers/44100000.pcie/
# cd /sys/kernel/config/pci_ep/functions/pci_epf_blockpt/func1
# mkdir mmc0
# echo -n /dev/mmcblk0 > mmc0/disc_name
# mkdir nvme
# echo -n /dev/nvme0n1 > nvme/disc_name
# echo 1 > controllers/44100000.pcie/start
# lspci
0001:00:00.0 PCI bridge: Qualcomm Device 0115
0001:01:00.0 Unassigned class [ff00]: Device 0000:c402
# insmod pci-remote-disk.ko
pci-remote-disk 0001:01:00.0: Found /dev/mmcblk0
pci-remote-disk 0001:01:00.0: Found /dev/nvme0n1
pci-remote-disk 0001:01:00.0: Found 2 devices
# echo 1 > /sys/kernel/config/pci_remote_disk/nvme0n1/attach
pci-remote-disk 0001:01:00.0: nvme0n1: Setting queue addr. #Descriptors 1024 (28688 Bytes)
pci-remote-disk 0001:01:00.0: /dev/nvme0n1 capacity 0x3a386030
# lsblk
...
...
pci-rd-nvme0n1 259:30   0 465.8G  0 disk
# mount /dev/pci-rd-nvme0n1 <SOME_DIR>
`;

/** Where the guide is mistaken, or speaks of what is not here. */
const SLIPS: readonly (readonly [written: string, instead: string, why: string])[] = [
  ["functions/pci_epf_test/func1/msi_", "functions/pci_epf_blockpt/func1/msi_", "another driver"],
  ["functions/pci_epf_test/func1/msix_", "functions/pci_epf_blockpt/func1/msix_", "another driver"],
  ["subsys_vendorid", "subsys_vendor_id", "the attribute's name in the kernel"],
  [
    "echo 1 > controllers/",
    "echo 1 > /sys/kernel/config/pci_ep/controllers/",
    "the guide has gone into func1 by then",
  ],
  ["0001:00:00.0 PCI bridge: Qualcomm Device 0115\n", "", "a bridge of the author's board"],
  [
    "...\n...\npci-rd-nvme0n1 259:30   0",
    "NAME           MAJ:MIN RM   SIZE RO TYPE\n" +
      "mmcblk0        259:0    0     1G  0 disk\n" +
      "nvme0n1        259:1    0 465.8G  0 disk\n" +
      "pci-rd-nvme0n1 259:2    0",
    "the disks of the author's board, and the number that his kernel gave",
  ],
  [
    " <SOME_DIR>\n",
    " /mnt || echo $?\n" +
      "mount: /dev/pci-rd-nvme0n1: this shell has no kernel to mount it on /mnt. Copy the disk to an image, " +
      "dd if=/dev/pci-rd-nvme0n1 of=disk.img bs=1M, and mount that: mount -o loop disk.img DIRECTORY\n" +
      "32\n",
    "there is no kernel that could mount it",
  ],
];

const NVME_SECTORS = 0x3a386030;
const GIB = 1024 ** 3;

let place: Place;
let args: readonly string[];

beforeAll(async () => {
  place = await Place.create();
  for (const [name, sizeBytes] of [
    ["mmc.img", GIB],
    ["nvme.img", NVME_SECTORS * 512],
  ] as const) {
    await writeFile(place.path(name), "");
    // Sparse: it takes no room.
    await truncate(place.path(name), sizeBytes);
  }
  args = ["sh", "--disc", "mmcblk0=mmc.img", "--disc", "nvme0n1=nvme.img"];
});

afterAll(() => place.remove());

function corrected(): string {
  return SLIPS.reduce((text, [written, instead]) => {
    // A slip that is not in the guide any more is none.
    expect(text).toContain(written);
    return text.replace(written, () => instead);
  }, GUIDE);
}

/** What `ls` shows in columns on a terminal is a name a line elsewhere. */
function linesOf(command: string, lines: readonly string[]): string[] {
  return command.startsWith("ls ") ? lines.flatMap((line) => line.split(/\s+/)).sort() : [...lines];
}

test("each command of the guide prints what the guide says", async () => {
  const steps = stepsOf(corrected());
  await writeFile(place.path("guide.sh"), steps.map(({ command }) => `${command}\n`).join(""));

  const { stdout, exitCode } = await place.run([...args, "--json", "guide.sh"]);
  const statements = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(statements.map(({ command }) => command)).toEqual(steps.map(({ command }) => command));
  for (const [index, { command, lines }] of steps.entries()) {
    const { stdout, stderr, exitCode } = statements[index];
    const printed = `${stderr}${stdout}`.split("\n").filter((line) => line !== "");
    expect({ command, exitCode, lines: printed }).toEqual({
      ...{ command, exitCode: 0 },
      lines: linesOf(command, lines),
    });
  }
  expect(exitCode).toBe(0);
});

test("the guide as a script on stdin, which any failure would end, prints the same", async () => {
  const steps = stepsOf(corrected());
  const script = `set -e\n${steps.map(({ command }) => `${command}\n`).join("")}`;
  const { stdout, stderr, exitCode } = await place.run(args, {}, script);
  const all = steps.flatMap(({ command, lines }) => linesOf(command, lines));
  const isOfKernel = (line: string): boolean =>
    /^(pci-remote-disk|mount): /.test(line.replace(" 0001:01:00.0", ""));
  expect(stdout.trimEnd().split("\n")).toEqual(all.filter((line) => !isOfKernel(line)));
  expect(stderr.trimEnd().split("\n")).toEqual(all.filter(isOfKernel));
  expect(exitCode).toBe(0);
});
