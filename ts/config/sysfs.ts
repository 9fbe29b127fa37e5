// `/sys/class` and `/sys/bus`: which controllers, drivers and devices there are.

import type { Bus } from "../bus/bus.js";
import { type DirectoryNode, fixedDirectory, readOnly } from "./node.js";
import { FUNCTION_DRIVER } from "./pci-ep.js";

/** Of `struct resource`: memory, naturally aligned. */
const IORESOURCE_MEM = 0x200;
const IORESOURCE_SIZEALIGN = 0x40000;
/** Six BARs and the expansion ROM. */
const RESOURCES = 7;

/** `/sys/class/pci_epc`. */
export function pciEpcClass(controller: string): DirectoryNode {
  return fixedDirectory({ pci_epc: fixedDirectory({ [controller]: fixedDirectory({}) }) });
}

/** `/sys/bus/pci-epf`. */
export function pciEpfBus(): DirectoryNode {
  const driver = fixedDirectory({ [FUNCTION_DRIVER]: fixedDirectory({}) });
  return fixedDirectory({ drivers: driver });
}

/** `/sys/bus/pci`: the function, while its link is up. */
export function pciBus(bus: Bus, address: string): DirectoryNode {
  const device = deviceDirectory(bus);
  return fixedDirectory({
    devices: {
      kind: "directory",
      names: () => (bus.configSpace.read() === undefined ? [] : [address]),
      find: (name) =>
        name === address && bus.configSpace.read() !== undefined ? device : undefined,
    },
  });
}

function deviceDirectory(bus: Bus): DirectoryNode {
  const { configSpace, bar } = bus;
  const hex = (value: number, digits: number): string =>
    `0x${value.toString(16).padStart(digits, "0")}`;
  return fixedDirectory({
    vendor: readOnly(() => `${hex(configSpace.read()?.vendorId ?? 0xffff, 4)}\n`),
    device: readOnly(() => `${hex(configSpace.read()?.deviceId ?? 0xffff, 4)}\n`),
    class: readOnly(() => `${hex(configSpace.read()?.classCode ?? 0xffffff, 6)}\n`),
    resource: readOnly(() => {
      const line = (start: number, end: number, flags: number): string =>
        `${hex(start, 16)} ${hex(end, 16)} ${hex(flags, 16)}\n`;
      const flags = IORESOURCE_MEM | IORESOURCE_SIZEALIGN;
      const rest = line(0, 0, 0).repeat(RESOURCES - 1);
      return line(bar.offset, bar.offset + bar.length - 1, flags) + rest;
    }),
    config: readOnly(() =>
      new Uint8Array(bus.buffer, configSpace.range.offset, configSpace.range.length).slice(),
    ),
    msi_irqs: msiIrqs(bus),
  });
}

/** The vectors that the driver has programmed, counted from 1 as in the `irq` register. */
function msiIrqs(bus: Bus): DirectoryNode {
  const programmed = (): string[] => {
    const vectors = Array.from({ length: bus.msix.vectors }, (_, vector) => vector);
    const used = vectors.filter((vector) => bus.msix.read(vector).address !== 0);
    return used.map((vector) => String(vector + 1));
  };
  return {
    kind: "directory",
    names: programmed,
    find: (name) => (programmed().includes(name) ? readOnly(() => "msix\n") : undefined),
  };
}
