// Chooses the engine, and makes the memory that it works on.

import { BlockptError } from "../errors.js";
import { whyNotIsolated } from "../platform/isolation.js";
import type { BusRange, Engine, EngineKind } from "./engine.js";
import { TypeScriptEngine } from "./typescript/typescript-engine.js";
import { loadModule, type WasmSource } from "./wasm/module.js";
import { WasmEngine } from "./wasm/wasm-engine.js";

// For the declarations of the package where nothing declares WebAssembly: Node's types without the browser's.
declare global {
  namespace WebAssembly {
    interface Memory {}
    interface Module {}
  }
}

/** What a bus's memory is made of; can be posted to another thread. */
export type EngineMemory =
  | {
      readonly kind: "wasm";
      readonly memory: WebAssembly.Memory;
      readonly module: WebAssembly.Module;
    }
  | { readonly kind: "typescript"; readonly buffer: SharedArrayBuffer };

/** Which engine to take: one, or `auto`, which is `wasm` where it loads. */
export type EngineChoice = EngineKind | "auto";

/** Bytes of one page of a WebAssembly memory. */
const WASM_PAGE_BYTES = 65536;

/**
 * Makes a memory of `bytes` bytes for an engine.
 *
 * `auto` falls back on TypeScript where WebAssembly does not load, and announces
 * it; asked for `wasm` by name, it fails instead.
 */
export async function createMemory(
  choice: EngineChoice | undefined,
  bytes: number,
  wasm: WasmSource | undefined,
): Promise<EngineMemory> {
  const why = await whyNotIsolated();
  if (why !== undefined) throw new BlockptError("ERR_BLOCKPT_NOT_ISOLATED", why);
  const wanted = choice ?? choiceOfEnvironment() ?? "auto";
  if (wanted === "typescript") return typeScriptMemory(bytes);
  if (wanted !== "wasm" && wanted !== "auto") {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `engine is "${String(wanted)}": "wasm", "typescript" or "auto" is wanted`,
    );
  }
  try {
    return await wasmMemory(bytes, wasm);
  } catch (cause) {
    if (wanted === "wasm") {
      throw new BlockptError(
        "ERR_BLOCKPT_ENGINE",
        `the wasm engine cannot be loaded: ${reason(cause)}`,
        {
          cause,
        },
      );
    }
    announceFallback(reason(cause));
    return typeScriptMemory(bytes);
  }
}

/** The bytes of a memory. */
export function bufferOf(memory: EngineMemory): SharedArrayBuffer {
  if (memory.kind === "typescript") return memory.buffer;
  return memory.memory.buffer as unknown as SharedArrayBuffer;
}

/** Opens this thread's engine on a memory, of which `workspace` is for engines, and `owner` says whose. */
export function openEngine(
  memory: EngineMemory,
  workspace: BusRange,
  workspaceTable: number,
  owner: number,
): Engine {
  return memory.kind === "wasm"
    ? new WasmEngine(memory.memory, memory.module, workspace, workspaceTable, owner)
    : new TypeScriptEngine(memory.buffer);
}

async function wasmMemory(bytes: number, wasm: WasmSource | undefined): Promise<EngineMemory> {
  if (typeof WebAssembly === "undefined") {
    throw new Error("this JavaScript has no WebAssembly (started with --jitless?)");
  }
  const module = await loadModule(wasm);
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return { kind: "wasm", memory, module };
}

function typeScriptMemory(bytes: number): EngineMemory {
  return { kind: "typescript", buffer: new SharedArrayBuffer(bytes) };
}

function choiceOfEnvironment(): EngineChoice | undefined {
  // `process` is not there in browsers.
  const value = globalThis.process?.env.BLOCKPT_ENGINE;
  return value === undefined || value === "" ? undefined : (value as EngineChoice);
}

function announceFallback(why: string): void {
  const text = `the wasm engine cannot be loaded, using the typescript engine: ${why}`;
  if (typeof process === "object") {
    process.emitWarning(text, { type: "BlockptWarning", code: "BLOCKPT_ENGINE_FALLBACK" });
  } else {
    console.warn(`blockpt: ${text}`);
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
