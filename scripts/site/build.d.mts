/** Builds the bench page into a folder; what was in it is gone. */
export function buildSite(folder: string): Promise<void>;
