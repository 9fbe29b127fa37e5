// `lspci`: the function as the root complex sees it, out of `/sys/bus/pci/devices`, printed as pciutils do.

import { hex, lspciLine, pciClassName } from "../../listing.js";
import { type Call, CommandFailure, countOf, type Definition, textOf } from "../command.js";
import { DRIVER } from "./modules.js";

const DEVICES = "/sys/bus/pci/devices";
/** Bytes that `-x` shows, `-xxx`, and `-xxxx`. */
const HEADER_BYTES = 64;
const CONFIG_BYTES = 256;
const ROW_BYTES = 16;

/** Offsets in the configuration header, and bits of its registers. */
const COMMAND = 0x04;
const STATUS = 0x06;
const REVISION = 0x08;
const CLASS = 0x09;
const CACHE_LINE = 0x0c;
const LATENCY = 0x0d;
const BAR_0 = 0x10;
const SUBSYSTEM_VENDOR = 0x2c;
const SUBSYSTEM = 0x2e;
const CAPABILITIES = 0x34;
const INTERRUPT_PIN = 0x3d;
const COMMAND_MEMORY = 1 << 1;
const COMMAND_MASTER = 1 << 2;
const STATUS_CAPABILITIES = 1 << 4;
const CAPABILITY_MSI = 0x05;
const CAPABILITY_MSIX = 0x11;
/** More cannot be in a header of this size; a list that goes round ends. */
const MAX_CAPABILITIES = 48;

interface Device {
  readonly address: string;
  readonly config: DataView;
  /** Bytes of each BAR; 0 of one that is not there. */
  readonly barBytes: readonly number[];
  readonly driverLoaded: boolean;
}

export const lspci: Definition = {
  name: "lspci",
  usage: "[-v]… [-n]… [-k] [-x]… [-D] [-s [[DOMAIN:]BUS:][SLOT][.FUNCTION]]",
  help: `
Lists the PCI functions: the endpoint's, while its link is up.

  -v, -vv              more; much more
  -n, -nn              numbers in the place of names; both
  -k                   the driver
  -x, -xxx, -xxxx      the configuration header's first 64 bytes; all of it
  -D                   always the domain (it is shown anyway)
  -s SLOT              only the functions at an address; * is any number`,
  options: {
    verbose: { type: "boolean", short: "v", multiple: true },
    numeric: { type: "boolean", short: "n", multiple: true },
    hex: { type: "boolean", short: "x", multiple: true },
    kernel: { type: "boolean", short: "k" },
    domain: { type: "boolean", short: "D" },
    slot: { type: "string", short: "s" },
  },
  async run(call) {
    const slot = textOf(call.values.slot);
    const isWanted = slot === undefined ? () => true : slotFilter(slot);
    const verbosity = countOf(call.values.verbose);
    for (const address of await call.tree.readdir(DEVICES)) {
      if (!isWanted(address)) continue;
      const device = await readDevice(call, address);
      call.out(`${title(device, call, verbosity)}\n`);
      for (const line of details(device, verbosity)) call.out(`\t${line}\n`);
      if ((verbosity > 0 || call.values.kernel) && device.driverLoaded) {
        call.out(`\tKernel driver in use: ${DRIVER}\n`);
      }
      const dump = countOf(call.values.hex);
      if (dump > 0) for (const row of hexRows(device, dump)) call.out(`${row}\n`);
      if (verbosity > 0 || dump > 0) call.out("\n");
    }
  },
};

async function readDevice({ tree }: Call, address: string): Promise<Device> {
  const bytes = await tree.readFile(`${DEVICES}/${address}/config`);
  const resource = await tree.readFile(`${DEVICES}/${address}/resource`, "utf8");
  const barBytes = resource
    .trim()
    .split("\n")
    .map((line) => {
      const [start = 0, end = 0] = line.split(" ").map(Number);
      return end === 0 ? 0 : end - start + 1;
    });
  const config = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { address, config, barBytes, driverLoaded: tree.driverLoaded };
}

/** Tests addresses as `-s` wants them: each part hexadecimal, `*` or left out. */
function slotFilter(slot: string): (address: string) => boolean {
  const match = /^(?:(?:([\da-f*]+):)?([\da-f*]+):)?([\da-f*]+)?(?:\.([\da-f*]+))?$/i.exec(slot);
  if (match === null) {
    throw new CommandFailure(
      `-s: invalid slot '${slot}': [[[DOMAIN]:]BUS:][SLOT][.FUNCTION] is wanted`,
    );
  }
  const wanted = match
    .slice(1)
    .map((part) => (part === undefined || part === "*" ? undefined : Number.parseInt(part, 16)));
  return (address) => {
    const parts = address.split(/[:.]/).map((part) => Number.parseInt(part, 16));
    return wanted.every((part, index) => part === undefined || part === parts[index]);
  };
}

function title({ address, config }: Device, { values }: Call, verbosity: number): string {
  const identity = {
    classCode: (config.getUint16(CLASS + 1, true) << 8) | config.getUint8(CLASS),
    vendorId: config.getUint16(0, true),
    deviceId: config.getUint16(2, true),
  };
  const ids = `${hex(identity.vendorId, 4)}:${hex(identity.deviceId, 4)}`;
  const numeric = countOf(values.numeric);
  const line =
    numeric === 0
      ? lspciLine(address, identity)
      : numeric === 1
        ? `${address} ${hex(identity.classCode >>> 8, 4)}: ${ids}`
        : `${address} ${pciClassName(identity.classCode)}: Device [${ids}]`;
  const revision = config.getUint8(REVISION);
  const interface_ = identity.classCode & 0xff;
  return (
    line +
    (revision === 0 ? "" : ` (rev ${hex(revision, 2)})`) +
    (verbosity === 0 || interface_ === 0 ? "" : ` (prog-if ${hex(interface_, 2)})`)
  );
}

function details(device: Device, verbosity: number): string[] {
  if (verbosity === 0) return [];
  const { config, barBytes } = device;
  const isVeryVerbose = verbosity > 1;
  const command = config.getUint16(COMMAND, true);
  const lines: string[] = [];
  const subsystemVendor = config.getUint16(SUBSYSTEM_VENDOR, true);
  if (subsystemVendor !== 0) {
    const subsystem = hex(config.getUint16(SUBSYSTEM, true), 4);
    lines.push(`Subsystem: Device ${hex(subsystemVendor, 4)}:${subsystem}`);
  }
  const isMaster = (command & COMMAND_MASTER) !== 0;
  const latency = config.getUint8(LATENCY);
  if (isVeryVerbose) {
    lines.push(registerLine("Control", command, CONTROL_BITS));
    lines.push(statusLine(config.getUint16(STATUS, true)));
    const cacheLine = config.getUint8(CACHE_LINE) * 4;
    const size = cacheLine === 0 ? "" : `, Cache Line Size: ${cacheLine} bytes`;
    if (isMaster) lines.push(`Latency: ${latency}${size}`);
    const pin = config.getUint8(INTERRUPT_PIN);
    if (pin !== 0) lines.push(`Interrupt: pin ${"?ABCD"[pin] ?? "?"} routed to IRQ 0`);
  } else {
    lines.push(
      `Flags: ${isMaster ? "bus master, " : ""}fast devsel${isMaster ? `, latency ${latency}` : ""}`,
    );
  }
  for (const [bar, bytes] of barBytes.slice(0, 6).entries()) {
    if (bytes === 0) continue;
    const address = config.getUint32(BAR_0 + bar * 4, true);
    const kind = `(32-bit, ${address & 8 ? "" : "non-"}prefetchable)`;
    const disabled = (command & COMMAND_MEMORY) === 0 ? " [disabled]" : "";
    const region = isVeryVerbose ? `Region ${bar}: ` : "";
    lines.push(
      `${region}Memory at ${hex((address & ~0xf) >>> 0, 8)} ${kind}${disabled} [size=${sizeOf(bytes)}]`,
    );
  }
  return [...lines, ...capabilities(config, isVeryVerbose)];
}

const CONTROL_BITS = [
  "I/O",
  "Mem",
  "BusMaster",
  "SpecCycle",
  "MemWINV",
  "VGASnoop",
  "ParErr",
  "Stepping",
  "SERR",
  "FastB2B",
  "DisINTx",
];

function registerLine(name: string, value: number, bits: readonly string[]): string {
  return `${name}: ${bits.map((bit, index) => bit + sign(value & (1 << index))).join(" ")}`;
}

function statusLine(status: number): string {
  const flag = (bit: number): string => sign(status & (1 << bit));
  const speed = ["fast", "medium", "slow", "??"][(status >> 9) & 3];
  return (
    `Status: Cap${flag(4)} 66MHz${flag(5)} UDF${flag(6)} FastB2B${flag(7)} ParErr${flag(8)} DEVSEL=${speed} ` +
    `>TAbort${flag(11)} <TAbort${flag(12)} <MAbort${flag(13)} >SERR${flag(14)} <PERR${flag(15)} INTx${flag(3)}`
  );
}

function capabilities(config: DataView, isVeryVerbose: boolean): string[] {
  const lines: string[] = [];
  if ((config.getUint16(STATUS, true) & STATUS_CAPABILITIES) === 0) return lines;
  let at = config.getUint8(CAPABILITIES) & ~3;
  for (let count = 0; at !== 0 && count < MAX_CAPABILITIES; count++) {
    const id = config.getUint8(at);
    const control = config.getUint16(at + 2, true);
    const start = `Capabilities: [${hex(at, 2)}]`;
    if (id === CAPABILITY_MSIX) {
      const enabled = `Enable${sign(control & 0x8000)} Count=${(control & 0x7ff) + 1} Masked${sign(control & 0x4000)}`;
      lines.push(`${start} MSI-X: ${enabled}`);
      if (isVeryVerbose) {
        lines.push(`\tVector table: ${barOffset(config.getUint32(at + 4, true))}`);
        lines.push(`\tPBA: ${barOffset(config.getUint32(at + 8, true))}`);
      }
    } else if (id === CAPABILITY_MSI) {
      lines.push(`${start} MSI: ${msiControl(control)}`);
      if (isVeryVerbose) lines.push(`\t${msiMessage(config, at, control)}`);
    } else {
      lines.push(`${start} #${hex(id, 2)} [${hex(control, 4)}]`);
    }
    at = config.getUint8(at + 1) & ~3;
  }
  return lines;
}

function msiControl(control: number): string {
  const used = 1 << ((control >> 4) & 7);
  const possible = 1 << ((control >> 1) & 7);
  const flags = `Maskable${sign(control & 0x100)} 64bit${sign(control & 0x80)}`;
  return `Enable${sign(control & 1)} Count=${used}/${possible} ${flags}`;
}

function msiMessage(config: DataView, at: number, control: number): string {
  const low = hex(config.getUint32(at + 4, true), 8);
  if ((control & 0x80) === 0) {
    return `Address: ${low}  Data: ${hex(config.getUint16(at + 8, true), 4)}`;
  }
  const high = hex(config.getUint32(at + 8, true), 8);
  return `Address: ${high}${low}  Data: ${hex(config.getUint16(at + 12, true), 4)}`;
}

function barOffset(value: number): string {
  return `BAR=${value & 7} offset=${hex((value & ~7) >>> 0, 8)}`;
}

function sign(flag: number): string {
  return flag === 0 ? "-" : "+";
}

/** As pciutils: the largest unit of which it is a whole number, and a whole number below. */
function sizeOf(bytes: number): string {
  const letters = ["", "K", "M", "G", "T"];
  let power = 0;
  let size = bytes;
  while (size % 1024 === 0 && power < letters.length - 1) {
    size /= 1024;
    power++;
  }
  return `${size}${letters[power]}`;
}

function hexRows({ config }: Device, level: number): string[] {
  const length = level < 3 ? HEADER_BYTES : level === 3 ? CONFIG_BYTES : config.byteLength;
  const bytes = new Uint8Array(
    config.buffer,
    config.byteOffset,
    Math.min(length, config.byteLength),
  );
  return Array.from({ length: Math.ceil(bytes.length / ROW_BYTES) }, (_, row) => {
    const part = bytes.subarray(row * ROW_BYTES, (row + 1) * ROW_BYTES);
    return `${hex(row * ROW_BYTES, 2)}: ${[...part].map((byte) => hex(byte, 2)).join(" ")}`;
  });
}
