// Whether threads may share memory: in Node they always may.

/** Why there is no shared memory; undefined if there is. */
export async function whyNotIsolated(): Promise<string | undefined> {
  return undefined;
}
