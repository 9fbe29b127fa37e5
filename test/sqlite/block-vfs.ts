// SQLite's files on a block disk: a VFS whose methods are synchronous JavaScript.
//
// The disk holds two files, a database and its journal, each in a slot of its own:
//
//   sector 0, sector 1   a record for each slot: the file's name and size, or no file
//   sector 2 and on      two equal areas, which hold the files' bytes
//
// A crash loses any of the sectors that were written since the last flush, and no more than that
// is counted on: a record is one sector, so it is the old one or the new one. What a slot held
// before never comes back as part of a file, because of two rules. A file that grew has its bytes
// flushed before the record that covers them is written. And a file that shrank or went has its
// record flushed before the space it gave back is written again.

import type { Sqlite3Static } from "@sqlite.org/sqlite-wasm";

/** A block disk; offsets and lengths are multiples of 512. */
export interface SyncDisk {
  /** Size in bytes, a multiple of 512. */
  readonly sizeBytes: number;
  /** Reads into all of `target`. */
  readSync(target: Uint8Array, offsetBytes: number): void;
  /** Writes all of `source`. */
  writeSync(source: Uint8Array, offsetBytes: number): void;
  /** Makes durable all that was written before. */
  flushSync(): void;
}

/** A VFS that is installed. */
export interface BlockVfs {
  /** What the disk threw last: SQLite is told no more than `SQLITE_IOERR_*`. */
  lastError: unknown;
  /** Takes the VFS out of SQLite again; its databases must be closed. */
  uninstall(): void;
}

/** A file, or the place for one. */
interface Slot {
  /** Its name; empty if there is no file. */
  name: string;
  /** Its size as SQLite sees it. */
  size: number;
  /** The name in the record on the disk. */
  storedName: string;
  /** The size in the record on the disk; -1 if a write of the record failed: it may say either. */
  storedSize: number;
  /** Where the record is. */
  readonly recordAt: number;
  /** Where the bytes are. */
  readonly areaAt: number;
}

const SECTOR = 512;
const SLOTS = 2;
const MAGIC = 0x53465642;
/** Of a record: after the magic number, the size and the name's length. */
const NAME_AT = 16;
const MAX_NAME = SECTOR - NAME_AT;

/** The bytes of a slot's record. */
function encodeRecord(name: string, size: number): Uint8Array {
  const record = new Uint8Array(SECTOR);
  const view = new DataView(record.buffer);
  const { written } = new TextEncoder().encodeInto(name, record.subarray(NAME_AT));
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, written, true);
  view.setFloat64(8, size, true);
  return record;
}

/** A slot as its record on the disk says; a sector that is no record says that there is no file. */
function readSlot(disk: SyncDisk, index: number, areaBytes: number): Slot {
  const recordAt = index * SECTOR;
  const record = new Uint8Array(SECTOR);
  const view = new DataView(record.buffer);
  disk.readSync(record, recordAt);
  const valid = view.getUint32(0, true) === MAGIC;
  const nameEnd = NAME_AT + view.getUint32(4, true);
  const name = valid ? new TextDecoder().decode(record.subarray(NAME_AT, nameEnd)) : "";
  const size = valid ? view.getFloat64(8, true) : 0;
  if (size > areaBytes)
    throw new RangeError(`${name} has ${size} bytes, and room for ${areaBytes}`);
  const areaAt = SLOTS * SECTOR + index * areaBytes;
  return { name, size, storedName: name, storedSize: size, recordAt, areaAt };
}

/** The sectors that bytes lie in: the first one's offset, and how many bytes they have. */
function sectorsAround(offset: number, length: number): { start: number; span: number } {
  const start = offset - (offset % SECTOR);
  return { start, span: Math.ceil((offset + length - start) / SECTOR) * SECTOR };
}

/** Reads bytes from anywhere on the disk. */
function readBytes(disk: SyncDisk, target: Uint8Array, offset: number): void {
  const { start, span } = sectorsAround(offset, target.length);
  const sectors = span === target.length ? target : new Uint8Array(span);
  disk.readSync(sectors, start);
  if (sectors !== target) target.set(sectors.subarray(offset - start).subarray(0, target.length));
}

/** Writes bytes anywhere on the disk; the rest of the first and of the last sector stays. */
function writeBytes(disk: SyncDisk, source: Uint8Array, offset: number): void {
  const { start, span } = sectorsAround(offset, source.length);
  const sectors = span === source.length ? source : new Uint8Array(span);
  if (sectors !== source) {
    disk.readSync(sectors.subarray(0, SECTOR), start);
    if (span > SECTOR) disk.readSync(sectors.subarray(-SECTOR), start + span - SECTOR);
    sectors.set(source, offset - start);
  }
  disk.writeSync(sectors, start);
}

/**
 * Gives SQLite a VFS whose files are on a disk. It is for one connection at a time: there are no
 * locks. Every rollback journal mode works, and so does WAL with `locking_mode = exclusive`, which needs no
 * shared memory.
 */
export function installBlockVfs(sqlite3: Sqlite3Static, name: string, disk: SyncDisk): BlockVfs {
  const { capi, wasm } = sqlite3;
  const areaBytes = Math.floor(disk.sizeBytes / SECTOR / SLOTS - 1) * SECTOR;
  const slots = Array.from({ length: SLOTS }, (_, index) => readSlot(disk, index, areaBytes));
  const open = new Map<number, Slot>();
  const io = new capi.sqlite3_io_methods();
  const vfs = new capi.sqlite3_vfs();
  const installed: BlockVfs = {
    lastError: undefined,
    uninstall() {
      capi.sqlite3_vfs_unregister(vfs);
      vfs.dispose();
      io.dispose();
    },
  };

  /** Has a step's exceptions become a result code: none may pass through SQLite. */
  const attempt = (failure: number, step: () => number): number => {
    try {
      return step();
    } catch (error) {
      installed.lastError = error;
      return failure;
    }
  };

  const find = (zName: number): Slot | undefined => {
    const wanted = wasm.cstrToJs(zName);
    return wanted ? slots.find((slot) => slot.name === wanted) : undefined;
  };

  const opened = (file: number): Slot => {
    const slot = open.get(file);
    if (slot === undefined) throw new Error("the file is not open");
    return slot;
  };

  /** The heap's bytes; of no use any more when SQLite has allocated. */
  const heap = (at: number, length: number): Uint8Array => wasm.heap8u().subarray(at, at + length);

  /** Makes the record on the disk say this, and all that was written durable. */
  const settle = (slot: Slot, name: string, size: number): void => {
    const changes = slot.storedName !== name || slot.storedSize !== size;
    if (changes) {
      if (size > slot.storedSize) disk.flushSync();
      slot.storedSize = -1;
      disk.writeSync(encodeRecord(name, size), slot.recordAt);
    }
    disk.flushSync();
    slot.storedName = name;
    slot.storedSize = size;
  };

  /** Writes to a file; what lies between its end and the bytes becomes zeros. */
  const write = (slot: Slot, bytes: Uint8Array, offset: number): number => {
    if (offset + bytes.length > areaBytes) return capi.SQLITE_FULL;
    const gap = offset - slot.size;
    if (gap > 0) writeBytes(disk, new Uint8Array(gap), slot.areaAt + slot.size);
    writeBytes(disk, bytes, slot.areaAt + offset);
    slot.size = Math.max(slot.size, offset + bytes.length);
    return capi.SQLITE_OK;
  };

  // Offsets and sizes come as bigint, whatever the package's types say.
  const ioMethods: Parameters<typeof sqlite3.vfs.installVfs>[0]["io"] = {
    struct: Object.assign(io, { $iVersion: 1 }),
    methods: {
      xClose(file) {
        open.delete(file);
        return capi.SQLITE_OK;
      },
      xRead: (file, buffer, length, offset) =>
        attempt(capi.SQLITE_IOERR_READ, () => {
          const { areaAt, size } = opened(file);
          const target = heap(buffer, length);
          const there = Math.min(length, Math.max(0, size - Number(offset)));
          target.fill(0, there);
          if (there > 0) readBytes(disk, target.subarray(0, there), areaAt + Number(offset));
          return there < length ? capi.SQLITE_IOERR_SHORT_READ : capi.SQLITE_OK;
        }),
      xWrite: (file, buffer, length, offset) =>
        attempt(capi.SQLITE_IOERR_WRITE, () =>
          write(opened(file), heap(buffer, length), Number(offset)),
        ),
      xTruncate: (file, size) =>
        attempt(capi.SQLITE_IOERR_TRUNCATE, () => {
          const slot = opened(file);
          const more = Number(size) - slot.size;
          if (more > 0) return write(slot, new Uint8Array(more), slot.size);
          settle(slot, slot.name, Number(size));
          slot.size = Number(size);
          return capi.SQLITE_OK;
        }),
      xSync: (file) =>
        attempt(capi.SQLITE_IOERR_FSYNC, () => {
          const slot = opened(file);
          settle(slot, slot.name, slot.size);
          return capi.SQLITE_OK;
        }),
      xFileSize: (file, sizeOut) =>
        attempt(capi.SQLITE_IOERR_FSTAT, () => {
          wasm.poke64(sizeOut, BigInt(opened(file).size));
          return capi.SQLITE_OK;
        }),
      xLock: () => capi.SQLITE_OK,
      xUnlock: () => capi.SQLITE_OK,
      xCheckReservedLock(_file, resultOut) {
        wasm.poke32(resultOut, 0);
        return capi.SQLITE_OK;
      },
      xFileControl: () => capi.SQLITE_NOTFOUND,
      xSectorSize: () => SECTOR,
      // Not SAFE_APPEND, true as it is: SQLite then trusts a journal's checksums alone, which do
      // not see every torn page when the journal was written over an older one, as with PERSIST.
      xDeviceCharacteristics: () =>
        capi.SQLITE_IOCAP_ATOMIC512 | capi.SQLITE_IOCAP_POWERSAFE_OVERWRITE,
    },
  };

  const vfsMethods: Parameters<typeof sqlite3.vfs.installVfs>[0]["vfs"] = {
    name,
    struct: Object.assign(vfs, { $iVersion: 1, $szOsFile: 4, $mxPathname: MAX_NAME }),
    methods: {
      // Files without a name are temporary, and this build of SQLite has those in memory.
      xOpen: (_vfs, zName, file, flags, flagsOut) =>
        attempt(capi.SQLITE_CANTOPEN, () => {
          wasm.pokePtr(file, 0);
          const name = wasm.cstrToJs(zName);
          if (!name) return capi.SQLITE_CANTOPEN;
          const creates = (flags & capi.SQLITE_OPEN_CREATE) !== 0;
          const slot = find(zName) ?? (creates ? slots.find((free) => !free.name) : undefined);
          if (slot === undefined) return capi.SQLITE_CANTOPEN;
          slot.name = name;
          open.set(file, slot);
          wasm.pokePtr(file, io.pointer);
          if (flagsOut) wasm.poke32(flagsOut, flags);
          return capi.SQLITE_OK;
        }),
      xDelete: (_vfs, zName) =>
        attempt(capi.SQLITE_IOERR_DELETE, () => {
          const slot = find(zName);
          if (slot === undefined) return capi.SQLITE_IOERR_DELETE_NOENT;
          settle(slot, "", 0);
          slot.name = "";
          slot.size = 0;
          return capi.SQLITE_OK;
        }),
      xAccess(_vfs, zName, _flags, resultOut) {
        wasm.poke32(resultOut, find(zName) ? 1 : 0);
        return capi.SQLITE_OK;
      },
      xFullPathname: (_vfs, zName, length, out) =>
        wasm.cstrncpy(out, zName, length) < length ? capi.SQLITE_OK : capi.SQLITE_CANTOPEN,
      xRandomness(_vfs, length, out) {
        heap(out, length).set(crypto.getRandomValues(new Uint8Array(length)));
        return length;
      },
      xSleep: (_vfs, microseconds) => microseconds,
      xCurrentTime(_vfs, timeOut) {
        wasm.poke64f(timeOut, Date.now() / 86_400_000 + 2_440_587.5);
        return capi.SQLITE_OK;
      },
    },
  };

  sqlite3.vfs.installVfs({ io: ioMethods, vfs: vfsMethods });
  return installed;
}
