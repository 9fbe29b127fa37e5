// `/sys/kernel/config/pci_remote_disk`: the discs that the endpoint exports, to be attached.

import { attribute, bool, line } from "./attributes.js";
import type { Dev } from "./dev.js";
import { type DirectoryNode, fixedDirectory, readOnly } from "./node.js";
import type { Remote, RootComplexSide } from "./root-complex-side.js";

/** Where the directory is. */
export const PCI_REMOTE_DISK = "/sys/kernel/config/pci_remote_disk";

/** The directory; there while the driver is loaded. */
export function pciRemoteDisk(side: RootComplexSide, dev: Dev): DirectoryNode {
  return {
    kind: "directory",
    names: async () => [...(await side.remotes()).keys()],
    find: async (name) => {
      const remote = (await side.remotes()).get(name);
      return remote && remoteDirectory(side, dev, remote);
    },
  };
}

function remoteDirectory(side: RootComplexSide, dev: Dev, remote: Remote): DirectoryNode {
  return fixedDirectory({
    remote_name: readOnly(() => `${remote.device}\n`),
    local_name: attribute(
      line,
      () => remote.localName,
      (name) => side.setLocalName(remote, name),
    ),
    attach: attribute(
      bool,
      () => remote.disk !== undefined,
      (attach) => (attach ? side.attach(remote, dev.discs) : side.detach(remote)),
    ),
  });
}
