// What the page needs of the browser, and what to do where it is not there.

/** What the browser has. */
export interface Environment {
  readonly isSecure: boolean;
  readonly isIsolated: boolean;
  readonly hasSharedMemory: boolean;
  readonly hasWasm: boolean;
  readonly hasOpfs: boolean;
}

/** Something that is not there. */
export interface Lack {
  readonly what: string;
  /** What of the page does not work without it. */
  readonly effect: string;
  readonly remedy: string;
  /** Headers that are wanted, a line each. */
  readonly headers?: readonly string[];
  /** Whether nothing works without it. */
  readonly isFatal: boolean;
}

const HEADERS = [
  "Cross-Origin-Opener-Policy: same-origin",
  "Cross-Origin-Embedder-Policy: require-corp",
];

/** The smallest there is: the magic, and version 1. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

export function environmentHere(): Environment {
  return {
    isSecure: globalThis.isSecureContext === true,
    isIsolated: globalThis.crossOriginIsolated === true,
    hasSharedMemory: typeof SharedArrayBuffer === "function",
    hasWasm: isWasmAllowed(),
    hasOpfs: typeof globalThis.navigator?.storage?.getDirectory === "function",
  };
}

/** Whether a module can be made: a content security policy may forbid it. */
function isWasmAllowed(): boolean {
  try {
    return new WebAssembly.Module(EMPTY_MODULE) !== undefined;
  } catch {
    return false;
  }
}

/** What is missing, the worst first. */
export function lacksOf(environment: Environment): Lack[] {
  const lacks: Lack[] = [];
  if (!environment.isSecure) {
    lacks.push({
      what: "The page was not loaded securely",
      effect: "Browsers share memory between threads only on https:// and on localhost.",
      remedy: "Open the page by https://, or from http://localhost.",
      isFatal: true,
    });
  }
  if (!environment.isIsolated || !environment.hasSharedMemory) {
    lacks.push({
      what: "The page is not cross-origin isolated",
      effect:
        "The bus is a memory that threads share, and the browser does not give one to this page.",
      remedy: "The server has to send these two headers with the page and with its scripts:",
      headers: HEADERS,
      isFatal: true,
    });
  }
  if (!environment.hasWasm) {
    lacks.push({
      what: "No WebAssembly",
      effect: "The engine wasm cannot be loaded, and the comparison is not possible.",
      remedy:
        "The engine typescript does the same, slower. A content security policy must allow 'wasm-unsafe-eval'.",
      isFatal: false,
    });
  }
  if (!environment.hasOpfs) {
    lacks.push({
      what: "No origin private file system",
      effect: "No disc can be kept in the browser.",
      remedy: "Take a memory disc, or a file that you pick. Private windows often have none.",
      isFatal: false,
    });
  }
  return lacks;
}
