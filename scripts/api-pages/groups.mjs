// What the API pages are grouped by: the rooms of the source tree, in the order of the navigation. A name's group is
// that of the folder or file which declares it, of several the longest; so no name needs a tag, and none can lack one.

/**
 * Of each entry point its groups: a title, what is in it in a few words, and the rooms that it is made of.
 *
 * @type {Record<string, { title: string, about: string, rooms: string[] }[]>}
 */
export const GROUPS = {
  blockpt: [
    {
      title: "Bus",
      about: "The shared memory that stands for the machine between the two sides.",
      rooms: ["ts/bus"],
    },
    {
      title: "Endpoint",
      about: "The side that exports discs, and what it reports of itself.",
      rooms: ["ts/endpoint"],
    },
    {
      title: "Root complex",
      about: "The side that attaches them as disks: disks, their queues, and what they can do.",
      rooms: ["ts/root-complex"],
    },
    {
      title: "Block layer",
      about: "After Linux's blk-mq: what attached disks stand on, and drivers of your own can.",
      rooms: ["ts/block"],
    },
    {
      title: "Discs",
      about: "What an endpoint can export, and what can be put in front of it.",
      rooms: ["ts/discs", "ts/nbd/client"],
    },
    {
      title: "Engines",
      about: "The hot path: rings, descriptors, checks and copies, in WebAssembly or TypeScript.",
      rooms: ["ts/engine"],
    },
    {
      title: "Config tree",
      about: "The files and directories by which the kernel drivers are configured.",
      rooms: ["ts/config"],
    },
    {
      title: "Traces",
      about: "Every command, descriptor and completion, recorded and read again.",
      rooms: ["ts/trace"],
    },
    { title: "Errors", about: "The one error type, and its codes.", rooms: ["ts/errors.ts"] },
  ],
  "blockpt/abi": [
    {
      title: "Layout",
      about: "Numbers of the protocol, generated from the Rust core.",
      rooms: ["ts/abi/layout.ts"],
    },
    {
      title: "Registers",
      about: "The register BAR, read by name.",
      rooms: ["ts/abi/registers.ts"],
    },
    {
      title: "Descriptors",
      about: "The 24 bytes of a request.",
      rooms: ["ts/abi/descriptor.ts"],
    },
    {
      title: "Queues",
      about: "Where the parts of a queue lie.",
      rooms: ["ts/abi/queue-layout.ts"],
    },
    { title: "Names", about: "What values and bits are called.", rooms: ["ts/abi/names.ts"] },
    { title: "Errors", about: "The one error type, and its codes.", rooms: ["ts/errors.ts"] },
  ],
  "blockpt/nbd": [
    {
      title: "Server",
      about: "Attached disks for NBD clients.",
      rooms: ["ts/nbd/server"],
    },
    { title: "URIs", about: "Where an export is found.", rooms: ["ts/nbd/uri.ts"] },
    { title: "Errors", about: "The one error type, and its codes.", rooms: ["ts/errors.ts"] },
  ],
  "blockpt/testing": [
    {
      title: "Conformance",
      about: "An endpoint against the protocol, clause by clause.",
      rooms: ["ts/testing/conformance"],
    },
    {
      title: "Attacks",
      about: "All attacks on a side, and what came of each.",
      rooms: [
        "ts/testing/attack.ts",
        "ts/testing/attack-endpoint.ts",
        "ts/testing/attack-root-complex.ts",
      ],
    },
    {
      title: "Drivers",
      about: "Root complexes that do what they are told, right or wrong.",
      rooms: ["ts/testing/driver", "ts/testing/raw-registers.ts"],
    },
    {
      title: "Devices",
      about: "Endpoints that do what they are told, right or wrong.",
      rooms: ["ts/testing/device"],
    },
    { title: "Errors", about: "The one error type, and its codes.", rooms: ["ts/errors.ts"] },
  ],
};

/** What stands above the documents and the entry points in the navigation: the folder or the files of each. */
export const CHAPTERS = [
  { title: "Guides", holds: (path) => path.startsWith("docs/guides/") },
  { title: "Reference", holds: (path) => path.startsWith("docs/") },
  { title: "Project", holds: (path) => !path.startsWith("docs/") },
];

/** The group of a declaration: of those whose room it is in, the one with the longest name; none is undefined. */
export function groupOf(entryPoint, path) {
  const rooms = (GROUPS[entryPoint] ?? []).flatMap(({ title, rooms }) =>
    rooms.map((room) => ({ title, room })),
  );
  return rooms
    .filter(({ room }) => path === room || path.startsWith(`${room}/`))
    .sort((one, other) => other.room.length - one.room.length)[0]?.title;
}
