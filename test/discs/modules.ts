// Modules with a disc in them, as URLs.

/** A module of that text. */
export function moduleOf(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}

/** A disc in the memory that is its data. */
export const AT_ONCE_TEXT = `
  export function openDisc(memory) {
    const bytes = new Uint8Array(memory);
    return {
      sizeBytes: bytes.length,
      asynchronous: false,
      read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
      write: (from, offset) => bytes.set(from, offset),
      discard: (lenBytes, offset) => { bytes.fill(0xdd, offset, offset + lenBytes); },
    };
  }`;
export const AT_ONCE = moduleOf(AT_ONCE_TEXT);

/** The same, by promises, and in pieces. */
export const LATER = moduleOf(`
  const later = () => new Promise((resolve) => setImmediate(resolve));
  export async function openDisc(memory) {
    const bytes = new Uint8Array(memory);
    return {
      sizeBytes: bytes.length,
      read: async (into, offset) => {
        await later();
        const part = into.subarray(0, 1536);
        part.set(bytes.subarray(offset, offset + part.length));
        return part.length;
      },
      write: async (from, offset) => {
        await later();
        const part = from.subarray(0, 1000);
        bytes.set(part, offset);
        return part.length;
      },
      flush: later,
      discard: async (lenBytes, offset) => { bytes.fill(0xdd, offset, offset + lenBytes); },
    };
  }`);
