// The function's PCI configuration space: the type 0 header and the capabilities
// MSI-X and MSI, as `lspci` reads them. Without a link it reads as all ones.
//
//   0x00  vendor, device, command, status      0x34  capabilities pointer ─► 0x40
//   0x08  revision, class                      0x40  MSI-X: id, next, message control
//   0x0c  cache line size                      0x44  table offset | BAR
//   0x10  BAR 0 … 5                            0x48  pending bits' offset | BAR
//   0x2c  subsystem vendor, subsystem          0x50  MSI, if it is there: id, next, message control
//   0x3d  interrupt pin                        0x54  message address, two words; message data

import type { BusRange } from "../engine/engine.js";
import { checkInteger } from "../errors.js";

/** Who a function is, in its configuration header. */
export interface FunctionIdentity {
  /** 0 to 0xfffe. */
  vendorId: number;
  /** 0 to 0xffff. */
  deviceId: number;
  /** 0 to 0xff. */
  revisionId: number;
  /** Base class, subclass and programming interface: 0 to 0xffffff. */
  classCode: number;
  /** 0 to 0xffff. */
  subsystemVendorId: number;
  /** 0 to 0xffff. */
  subsystemId: number;
  /** In 32-bit words: 0 to 0xff. */
  cacheLineSize: number;
  /** The legacy interrupt that it claims: 1 to 4 for INTA to INTD, 0 for none. It never raises one. */
  interruptPin: number;
}

/** Where MSI-X is: offsets in BAR 0, in bytes. */
export interface MsixLocation {
  /** Number of vectors, 1 to 2048. */
  readonly vectors: number;
  /** The table; a multiple of 8. */
  readonly tableOffset: number;
  /** The pending bits; a multiple of 8. */
  readonly pendingOffset: number;
}

/** What the function says of MSI. It is not enabled, as interrupts are MSI-X alone. */
export interface MsiCapability {
  /** Messages that it could send: a power of two, 1 to 32. */
  readonly messages: number;
}

/** What configuration space says. */
export interface ConfigHeader extends FunctionIdentity {
  /** Bus addresses of the BARs that are there. */
  bars: number[];
  /** Where MSI-X is, if the function has it. */
  msix: MsixLocation | undefined;
  /** What it says of MSI, if it has that. */
  msi: MsiCapability | undefined;
}

const VENDOR_ID = 0x00;
const DEVICE_ID = 0x02;
const COMMAND = 0x04;
const STATUS = 0x06;
const REVISION_ID = 0x08;
const CLASS_CODE = 0x09;
const CACHE_LINE_SIZE = 0x0c;
const BAR_0 = 0x10;
const BARS = 6;
const SUBSYSTEM_VENDOR_ID = 0x2c;
const SUBSYSTEM_ID = 0x2e;
const CAPABILITIES = 0x34;
const INTERRUPT_PIN = 0x3d;
const MSIX = 0x40;
const MSIX_CONTROL = MSIX + 2;
const MSIX_TABLE = MSIX + 4;
const MSIX_PENDING = MSIX + 8;
const MSI = 0x50;
const MSI_CONTROL = MSI + 2;

const COMMAND_MEMORY_AND_MASTER = 0b110;
const STATUS_HAS_CAPABILITIES = 1 << 4;
const CAPABILITY_MSIX = 0x11;
const CAPABILITY_MSI = 0x05;
/** Behind the id of a capability: where the next one is. */
const NEXT = 1;
const CONTROL_ENABLE = 1 << 15;
const CONTROL_FUNCTION_MASK = 1 << 14;
const CONTROL_SIZE = 0x7ff;
/** Of MSI: the messages' number as a power of two, and a message address of 64 bits. */
const CONTROL_MESSAGES_SHIFT = 1;
const CONTROL_MESSAGES = 0x7;
const CONTROL_64_BIT = 1 << 7;
const BAR_FLAGS = 0xf;
const BAR_INDICATOR = 0x7;
const NO_DEVICE = 0xffff;

/**
 * Throws unless a function can be that.
 *
 * @internal
 */
export function checkIdentity(identity: FunctionIdentity): void {
  // 0xffff is what is read where no device is.
  checkInteger("vendorId", identity.vendorId, 0, 0xfffe);
  checkInteger("deviceId", identity.deviceId, 0, 0xffff);
  checkInteger("revisionId", identity.revisionId, 0, 0xff);
  checkInteger("classCode", identity.classCode, 0, 0xffffff);
  checkInteger("subsystemVendorId", identity.subsystemVendorId, 0, 0xffff);
  checkInteger("subsystemId", identity.subsystemId, 0, 0xffff);
  checkInteger("cacheLineSize", identity.cacheLineSize, 0, 0xff);
  checkInteger("interruptPin", identity.interruptPin, 0, 4);
}

/** The function's PCI configuration space, `bus.configSpace`. */
export class ConfigSpace {
  /** Its bytes in the bus. */
  readonly range: BusRange;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer, range: BusRange) {
    this.range = range;
    this.#view = new DataView(buffer, range.offset, range.length);
    this.#bytes = new Uint8Array(buffer, range.offset, range.length);
  }

  /**
   * The link comes up: writes the header. MSI-X is enabled, as the function sends no other interrupt.
   *
   * @param msiInterrupts - messages of the MSI capability, 1 to 32; with 0 there is none
   */
  linkUp(
    identity: FunctionIdentity,
    barAddress: number,
    msix: MsixLocation,
    msiInterrupts: number,
  ): void {
    const view = this.#view;
    this.#bytes.fill(0);
    view.setUint16(DEVICE_ID, identity.deviceId, true);
    view.setUint16(COMMAND, COMMAND_MEMORY_AND_MASTER, true);
    view.setUint16(STATUS, STATUS_HAS_CAPABILITIES, true);
    view.setUint8(REVISION_ID, identity.revisionId);
    view.setUint8(CLASS_CODE, identity.classCode & 0xff);
    view.setUint16(CLASS_CODE + 1, identity.classCode >>> 8, true);
    view.setUint8(CACHE_LINE_SIZE, identity.cacheLineSize);
    view.setUint32(BAR_0, barAddress, true);
    view.setUint16(SUBSYSTEM_VENDOR_ID, identity.subsystemVendorId, true);
    view.setUint16(SUBSYSTEM_ID, identity.subsystemId, true);
    view.setUint8(INTERRUPT_PIN, identity.interruptPin);
    view.setUint8(CAPABILITIES, MSIX);
    view.setUint8(MSIX, CAPABILITY_MSIX);
    view.setUint16(MSIX_CONTROL, CONTROL_ENABLE | (msix.vectors - 1), true);
    view.setUint32(MSIX_TABLE, msix.tableOffset, true);
    view.setUint32(MSIX_PENDING, msix.pendingOffset, true);
    if (msiInterrupts > 0) this.#writeMsi(msiInterrupts);
    // Last: with it there is a function.
    view.setUint16(VENDOR_ID, identity.vendorId, true);
  }

  /** The link goes down: reads give all ones. */
  linkDown(): void {
    this.#bytes.fill(0xff);
  }

  /** What the header says; undefined without a link. */
  read(): ConfigHeader | undefined {
    const view = this.#view;
    const vendorId = view.getUint16(VENDOR_ID, true);
    if (vendorId === NO_DEVICE) return undefined;
    const bars: number[] = [];
    for (let bar = 0; bar < BARS; bar++) {
      const address = view.getUint32(BAR_0 + bar * 4, true) & ~BAR_FLAGS;
      if (address !== 0) bars.push(address >>> 0);
    }
    return {
      vendorId,
      deviceId: view.getUint16(DEVICE_ID, true),
      revisionId: view.getUint8(REVISION_ID),
      classCode: (view.getUint16(CLASS_CODE + 1, true) << 8) | view.getUint8(CLASS_CODE),
      subsystemVendorId: view.getUint16(SUBSYSTEM_VENDOR_ID, true),
      subsystemId: view.getUint16(SUBSYSTEM_ID, true),
      cacheLineSize: view.getUint8(CACHE_LINE_SIZE),
      interruptPin: view.getUint8(INTERRUPT_PIN),
      bars,
      msix: this.#readMsix(),
      msi: this.#readMsi(),
    };
  }

  /** Whether the function may send MSI-X now: enabled, and not masked as a whole. */
  get msixMaySend(): boolean {
    const control = this.#view.getUint16(MSIX_CONTROL, true);
    return (control & (CONTROL_ENABLE | CONTROL_FUNCTION_MASK)) === CONTROL_ENABLE;
  }

  #writeMsi(messages: number): void {
    const view = this.#view;
    view.setUint8(MSIX + NEXT, MSI);
    view.setUint8(MSI, CAPABILITY_MSI);
    // The least power of two that is enough: Linux's order_base_2.
    const order = 32 - Math.clz32(messages - 1);
    view.setUint16(MSI_CONTROL, CONTROL_64_BIT | (order << CONTROL_MESSAGES_SHIFT), true);
  }

  #readMsi(): MsiCapability | undefined {
    const view = this.#view;
    if (view.getUint8(MSIX + NEXT) !== MSI || view.getUint8(MSI) !== CAPABILITY_MSI) {
      return undefined;
    }
    const order = (view.getUint16(MSI_CONTROL, true) >> CONTROL_MESSAGES_SHIFT) & CONTROL_MESSAGES;
    return { messages: 2 ** order };
  }

  #readMsix(): MsixLocation | undefined {
    const view = this.#view;
    if (view.getUint8(CAPABILITIES) !== MSIX || view.getUint8(MSIX) !== CAPABILITY_MSIX) {
      return undefined;
    }
    return {
      vectors: (view.getUint16(MSIX_CONTROL, true) & CONTROL_SIZE) + 1,
      tableOffset: (view.getUint32(MSIX_TABLE, true) & ~BAR_INDICATOR) >>> 0,
      pendingOffset: (view.getUint32(MSIX_PENDING, true) & ~BAR_INDICATOR) >>> 0,
    };
  }
}
