// What a server says of an export when a client goes to it.

/** An export, as its server describes it. */
export interface NbdExportFacts {
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** What it can do: bits of the protocol's transmission flags. */
  readonly flags: number;
  /** Requests begin and end at multiples of this. */
  readonly minBlockBytes: number;
  /** Most bytes that a request or a reply carries. */
  readonly maxPayloadBytes: number;
  /** Whether replies are structured ones. */
  readonly structured: boolean;
}
