// What is used of the package `gpt` 3.0.0, which has no declarations.

declare module "gpt" {
  class GPT {
    static readonly SIGNATURE: string;
    static readonly HEADER_SIZE: number;
    static readonly TABLE_ENTRY_SIZE: number;
    static readonly PartitionEntry: { parse(buffer: Buffer, offset: number): GPT.PartitionEntry };
    readonly headerSize: number;
    readonly headerChecksum: number;
    readonly currentLBA: bigint;
    readonly firstLBA: bigint;
    readonly lastLBA: bigint;
    readonly tableOffset: bigint;
    readonly entries: number;
    readonly entrySize: number;
    readonly tableChecksum: number;
    /** Reads the fields from a sector with the signature; checks none of them. */
    parseHeader(buffer: Buffer): this;
    /** Of a header of just that length; its own field counts as 0. */
    checksumHeader(header: Buffer): number;
  }
  namespace GPT {
    interface PartitionEntry {
      /** In upper case. */
      readonly guid: string;
      readonly firstLBA: bigint;
      readonly lastLBA: bigint;
      isEmpty(): boolean;
    }
  }
  export = GPT;
}
