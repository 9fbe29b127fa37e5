// What is used of the package, which has no types of its own.

declare module "cyclic-32" {
  /** CRC-32 as zip and GPT have it, as a number with a sign. */
  function crc32(bytes: Uint8Array): number;
  export = crc32;
}
