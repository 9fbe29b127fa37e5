// The root of the tree: which directories there are, with the sides that it is of.

import type { Bus } from "../bus/bus.js";
import { PCI_ADDRESS } from "../root-complex/root-complex.js";
import type { Dev } from "./dev.js";
import { type DirectoryNode, fixedDirectory, type Node } from "./node.js";
import type { PciEp } from "./pci-ep.js";
import { pciRemoteDisk } from "./pci-remote-disk.js";
import type { RootComplexSide } from "./root-complex-side.js";
import { pciBus, pciEpcClass, pciEpfBus } from "./sysfs.js";

/** What the tree is of. */
export interface Parts {
  readonly bus: Bus;
  /** What the controller is called. */
  readonly controller: string;
  readonly dev: Dev;
  readonly pciEp: PciEp | undefined;
  readonly side: RootComplexSide | undefined;
}

export function rootDirectory({ bus, controller, dev, pciEp, side }: Parts): DirectoryNode {
  const config: Record<string, Node> = {};
  const buses: Record<string, Node> = {};
  const sys: Record<string, Node> = {};
  if (pciEp !== undefined) {
    config.pci_ep = pciEp.directory;
    sys.class = pciEpcClass(controller);
    buses["pci-epf"] = pciEpfBus();
  }
  if (side !== undefined) {
    if (side.loaded) config.pci_remote_disk = pciRemoteDisk(side, dev);
    buses.pci = pciBus(bus, PCI_ADDRESS);
  }
  return fixedDirectory({
    dev: dev.directory,
    sys: fixedDirectory({
      ...sys,
      bus: fixedDirectory(buses),
      kernel: fixedDirectory({ config: fixedDirectory(config) }),
    }),
  });
}
