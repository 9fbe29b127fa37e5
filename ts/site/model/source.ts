// What a disc is made of, as the form has it and as it is posted to the endpoint's thread.

export const SOURCE_KINDS = ["memory", "file", "opfs", "http", "null"] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

export type DiscSource =
  | { readonly kind: "memory"; readonly sizeBytes: number }
  | { readonly kind: "null"; readonly sizeBytes: number }
  | { readonly kind: "file"; readonly file: Blob; readonly fileName: string }
  | { readonly kind: "opfs"; readonly path: string; readonly sizeBytes: number }
  | { readonly kind: "http"; readonly url: string };

/** What the form holds, complete or not. */
export interface SourceForm {
  readonly kind: SourceKind;
  readonly sizeMib: number;
  readonly file: File | undefined;
  readonly path: string;
  readonly url: string;
}

export const SOURCE_WORDS: Readonly<Record<SourceKind, { name: string; about: string }>> = {
  memory: { name: "Memory", about: "Zeros in the bus's own memory; gone with the page." },
  file: { name: "A file of yours", about: "Read in place, never written. Nothing is uploaded." },
  opfs: { name: "Kept in this browser", about: "A file of this origin's private file system." },
  http: { name: "An image on the web", about: "Read by ranges, as far as it is asked for." },
  null: {
    name: "Nothing",
    about: "Answers every request and moves no byte: what the rings can do.",
  },
};

const MIB = 1024 * 1024;
/** A bus has less than 4 GiB, and host memory and the BAR are in it, too. */
const MOST_MEMORY_MIB = 2048;
const MOST_MIB = 1024 * 1024;

/**
 * The source that a form describes, or why it is none.
 *
 * @param pageUrl - what an address is relative to
 */
export function sourceOf(form: SourceForm, pageUrl: string): DiscSource | string {
  const { kind, sizeMib, file, path, url } = form;
  switch (kind) {
    case "file":
      if (file === undefined) return "Pick a file, or drop one on the page.";
      return { kind, file, fileName: file.name };
    case "http":
      if (url.trim() === "") return "Give the address of an image.";
      if (!URL.canParse(url, pageUrl)) return "That is no address.";
      // Whole, as threads take it from where their own script is.
      return { kind, url: new URL(url, pageUrl).href };
    default: {
      const most = kind === "memory" ? MOST_MEMORY_MIB : MOST_MIB;
      if (!Number.isInteger(sizeMib) || sizeMib < 1 || sizeMib > most) {
        return `The size is a whole number of MiB from 1 to ${most}.`;
      }
      const sizeBytes = sizeMib * MIB;
      if (kind !== "opfs") return { kind, sizeBytes };
      return path.trim() === "" ? "Give the file a name." : { kind, path: path.trim(), sizeBytes };
    }
  }
}

/** What the disc is called on the endpoint: the last component, in letters that every name may have. */
export function discNameOf(source: DiscSource): string {
  const last = (text: string): string => text.slice(text.lastIndexOf("/") + 1);
  const given =
    source.kind === "file"
      ? source.fileName
      : source.kind === "opfs"
        ? last(source.path)
        : source.kind === "http"
          ? last(new URL(source.url).pathname)
          : { memory: "ram0", null: "null0" }[source.kind];
  const plain = given.replace(/[^\w.-]+/g, "-").slice(0, 40);
  return plain === "" ? "disc0" : plain;
}

/** Endpoint memory for it: what a memory disc takes, in the pages that there are. */
export function endpointMemoryBytesFor(source: DiscSource): number {
  const page = 64 * 1024;
  return source.kind === "memory" ? Math.ceil(source.sizeBytes / page) * page + page : page;
}
