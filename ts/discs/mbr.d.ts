// What is used of the package `mbr` 1.1.3, which has no declarations.

declare module "mbr" {
  namespace MBR {
    const TABLE_OFFSET: number;
    const Partition: { parse(buffer: Buffer, start: number, end: number): Partition };
    interface Partition {
      readonly status: number;
      readonly type: number;
      readonly firstLBA: number;
      /** 0 in a slot that is empty. */
      readonly sectors: number;
    }
  }
  export = MBR;
}
