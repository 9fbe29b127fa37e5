// The lock-free allocator of pages, alone and fought over by threads.

import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import fc from "fast-check";
import { expect, test } from "vitest";
import { PageAllocator } from "../../ts/engine/page-allocator.js";

const PAGE = 4096;
const PAGES = 64;
const RANGE = { offset: 65536, length: PAGES * PAGE };

function make(): PageAllocator {
  const table = new SharedArrayBuffer(PageAllocator.tableBytes(RANGE.length, PAGE));
  return new PageAllocator(table, 0, RANGE, PAGE, 1);
}

test("runs never overlap, and all that was given back is free again", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(20 * PAGE), fc.boolean(), fc.nat()), { maxLength: 100 }),
      (steps) => {
        const pages = make();
        const taken = new Map<number, number>();
        for (const [bytes, give, pick] of steps) {
          if (give && taken.size > 0) {
            const offset = [...taken.keys()][pick % taken.size] as number;
            pages.release(offset);
            taken.delete(offset);
          } else {
            const offset = pages.claim(bytes);
            const length = Math.max(1, Math.ceil(bytes / PAGE)) * PAGE;
            if (offset === undefined) {
              expect(pages.longestFree()).toBeLessThan(length);
              continue;
            }
            expect(offset).toBeGreaterThanOrEqual(RANGE.offset);
            expect(offset + length).toBeLessThanOrEqual(RANGE.offset + RANGE.length);
            for (const [other, otherLength] of taken) {
              expect(offset >= other + otherLength || other >= offset + length).toBe(true);
            }
            taken.set(offset, length);
          }
        }
        for (const offset of taken.keys()) pages.release(offset);
        expect(pages.longestFree()).toBe(RANGE.length);
        expect(pages.claim(RANGE.length)).toBe(RANGE.offset);
        expect(pages.claim(1)).toBeUndefined();
      },
    ),
  );
});

test("threads never get the same page, and none is lost", async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("./page-allocator-worker.ts", import.meta.url))],
    bundle: true,
    platform: "node",
    write: false,
  });
  const buffer = new SharedArrayBuffer(PageAllocator.tableBytes(RANGE.length, PAGE));
  const marks = new SharedArrayBuffer(PAGES * 4);
  const code = outputFiles[0]?.text ?? "";
  const rounds = await Promise.all(
    [1, 2, 3].map(
      (mark) =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(code, {
            eval: true,
            workerData: { buffer, marks, range: RANGE, mark },
          });
          worker.once("message", resolve);
          worker.once("error", reject);
        }),
    ),
  );
  expect(rounds.every((claimed) => claimed > 0)).toBe(true);
  expect(new PageAllocator(buffer, 0, RANGE, PAGE, 1).longestFree()).toBe(RANGE.length);
});
