/** Serves a folder on the loopback interface, by default on any port that is free. */
export function serveSite(
  folder: string,
  options?: { port?: number; headers?: Readonly<Record<string, string>> },
): Promise<{ url: string; close: () => Promise<void> }>;
