// Files of the origin private file system: found by a path, held by one disc at a time, and opened for synchronous access.

import { BlockptError, type BlockptErrorCode } from "../../errors.js";
import type { OpfsFileHandle } from "../disc.js";
import { messageOf } from "../source-disc.js";

/** What a dedicated worker has a file open by, as the standard has it. */
export interface SyncAccess {
  read(into: Uint8Array, options: { at: number }): number;
  write(from: Uint8Array, options: { at: number }): number;
  truncate(sizeBytes: number): void;
  flush(): void;
  close(): void;
}

/** A file, and where it is. */
export interface OpfsFile {
  readonly file: OpfsFileHandle;
  readonly path: string;
}

/** What only dedicated workers have. */
interface WithSyncAccess extends FileSystemFileHandle {
  createSyncAccessHandle(options: { mode: "readwrite-unsafe" | "read-only" }): Promise<SyncAccess>;
}

/** A thread that has just ended may still have a file open for so long. */
const RELEASE_MS = 1000;
const LOOK_MS = 50;

/** Finds a file, or makes it. */
export async function findFile(
  wanted: string | OpfsFileHandle,
  create: boolean,
): Promise<OpfsFile & { readonly isNew: boolean; remove(): Promise<void> }> {
  const { storage } = (globalThis as { navigator?: Partial<Navigator> }).navigator ?? {};
  if (storage?.getDirectory === undefined) {
    throw new BlockptError(
      "ERR_BLOCKPT_NOT_SUPPORTED",
      "there is no origin private file system here: in Node FileDisc opens files; a browser has one for pages of https: and localhost",
    );
  }
  const root = await storage.getDirectory().catch((cause: unknown) => {
    const why = `this page may not use the origin private file system: ${messageOf(cause)}`;
    throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", why, { cause });
  });
  const names = typeof wanted === "string" ? namesIn(wanted) : await resolved(root, wanted);
  const path = names.join("/");
  const name = names.pop() as string;
  try {
    let folder = root;
    for (const each of names) folder = await folder.getDirectoryHandle(each, { create });
    const existing = await folder.getFileHandle(name).catch((error: unknown) => {
      if (create && isNamed(error, "NotFoundError")) return undefined;
      throw error;
    });
    const file = existing ?? (await folder.getFileHandle(name, { create }));
    return {
      file,
      path,
      isNew: existing === undefined,
      remove: () => folder.removeEntry(name).catch(() => {}),
    };
  } catch (cause) {
    const hint = isNamed(cause, "NotFoundError") ? "; { create: true, sizeBytes } makes it" : "";
    const why = `${path} cannot be opened: ${messageOf(cause)}${hint}`;
    throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", why, { cause });
  }
}

/** What is held: a file, by the disc that it is; or what is open of it, by each thread of a queue. */
export type Held = "disc" | "queues";

/**
 * Holds a file, in all tabs and workers of the origin, alone or with others that share it; gives what lets it go.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_BUSY` if that cannot be soon
 */
export async function holdFile(held: Held, path: string, mode: LockMode): Promise<() => void> {
  const { locks } = navigator as Partial<Navigator>;
  if (locks === undefined) return () => {};
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const signal = AbortSignal.timeout(RELEASE_MS);
  await new Promise<void>((resolve, reject) => {
    const hold = (): Promise<void> => {
      resolve();
      return released;
    };
    const ended = locks.request(`blockpt: opfs: ${held}: ${path}`, { mode, signal }, hold);
    ended.catch((cause: unknown) => reject(busy(path, cause)));
  });
  return release;
}

/** Throws if somebody else has the file open in a way that no other bears. */
export async function probeAccess({ file, path }: OpfsFile): Promise<void> {
  if (hasSyncAccess(file)) {
    (await openAccess({ file, path }, false)).close();
    return;
  }
  try {
    await (await (file as FileSystemFileHandle).createWritable()).abort();
  } catch (cause) {
    // Anything else, as that there is no room for the copy that is to be written, says nothing of who has the file.
    if (isNamed(cause, "NoModificationAllowedError")) throw busy(path, cause);
  }
}

/** Opens a file for synchronous access; waits a little for a thread that is about to end. */
export async function openAccess({ file, path }: OpfsFile, readOnly: boolean): Promise<SyncAccess> {
  if (!hasSyncAccess(file)) {
    throw new BlockptError(
      "ERR_BLOCKPT_NOT_SUPPORTED",
      `${path} cannot be opened: this browser has no createSyncAccessHandle in workers; a MemoryDisc does without`,
    );
  }
  const until = performance.now() + RELEASE_MS;
  for (;;) {
    try {
      return await file.createSyncAccessHandle({
        mode: readOnly ? "read-only" : "readwrite-unsafe",
      });
    } catch (cause) {
      if (!isNamed(cause, "NoModificationAllowedError")) {
        const why = `${path} cannot be opened: ${messageOf(cause)}`;
        throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", why, { cause });
      }
      if (performance.now() >= until) throw busy(path, cause);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

/** Gives a file another size. */
export async function resizeFile(
  { file, path }: OpfsFile,
  sizeBytes: number,
  code: BlockptErrorCode,
): Promise<void> {
  try {
    if (hasSyncAccess(file)) {
      const access = await openAccess({ file, path }, false);
      try {
        access.truncate(sizeBytes);
        access.flush();
      } finally {
        access.close();
      }
    } else {
      // It is a copy that takes the file's place, and whoever has the file open would keep the old one.
      const release = await holdFile("queues", path, "exclusive");
      try {
        const whole = file as FileSystemFileHandle;
        const writable = await whole.createWritable({ keepExistingData: true });
        await writable.truncate(sizeBytes);
        await writable.close();
      } finally {
        release();
      }
    }
  } catch (cause) {
    if (cause instanceof BlockptError) throw cause;
    if (isNamed(cause, "NoModificationAllowedError")) throw busy(path, cause);
    const hint = isNamed(cause, "QuotaExceededError")
      ? "; the origin has no more room: remove something, or ask for navigator.storage.persist()"
      : "";
    const why = `${path} cannot get ${sizeBytes} bytes: ${messageOf(cause)}${hint}`;
    throw new BlockptError(code, why, { cause });
  }
}

/** Whether several threads may have a file open for writing. Only in a worker it can be told that they may not. */
export function mayShare(): boolean {
  const { FileSystemSyncAccessHandle: type } = globalThis as {
    FileSystemSyncAccessHandle?: { prototype: object };
  };
  return type === undefined || "mode" in type.prototype;
}

/** Whether an error is the `DOMException` of that name. */
export function isNamed(error: unknown, name: string): boolean {
  return (error as Partial<Error> | undefined | null)?.name === name;
}

function hasSyncAccess(file: OpfsFileHandle): file is WithSyncAccess {
  return (file as Partial<WithSyncAccess>).createSyncAccessHandle !== undefined;
}

function busy(path: string, cause: unknown): BlockptError {
  const why =
    `${path} is open elsewhere: close the disc, or the tab or worker, that has it; for another queue of a disc the browser has ` +
    "to know the mode readwrite-unsafe";
  return new BlockptError("ERR_BLOCKPT_BUSY", why, { cause });
}

function namesIn(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  if (names.length > 0) return names;
  const why = `${JSON.stringify(path)} is no path of a file`;
  throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
}

async function resolved(root: FileSystemDirectoryHandle, file: OpfsFileHandle): Promise<string[]> {
  const names = await root.resolve(file as FileSystemFileHandle).catch(() => undefined);
  if (names && file.kind === "file" && names.length > 0) return names;
  const why =
    "it is no handle of a file of the origin private file system: BlobDisc reads other files";
  throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
}
