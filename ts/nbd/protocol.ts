// The NBD protocol's numbers, as https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md has
// them. Everything on the wire is big-endian.
//
//   server                                     client
//   "NBDMAGIC" "IHAVEOPT" u16 handshake flags ─►
//                                            ◄─ u32 client flags
//                                            ◄─ "IHAVEOPT" u32 option, u32 length, data      again and again
//   u64 OPTION_REPLY u32 option u32 reply
//       u32 length, data                      ─►
//                                                     GO or EXPORT_NAME ends this, and there come
//                                            ◄─ request    28 bytes, and a write's data
//   simple reply       16 bytes, and a read's data ─►
//   structured reply   20 bytes, and a payload     ─►      once they were agreed on

/** The port of TCP that the Internet's registry has for NBD. */
export const NBD_PORT = 10809;

/** The first eight bytes of a server. */
export const INIT_MAGIC = 0x4e42444d41474943n;
/** What follows it, and begins every option. */
export const OPTION_MAGIC = 0x49484156454f5054n;
/** Begins every reply to an option. */
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

/** The server's first 18 bytes. */
export const GREETING_BYTES = 18;
/** Of an option: magic, option, length. */
export const OPTION_HEADER_BYTES = 16;
/** Of a reply to an option: magic, option, reply, length. */
export const OPTION_REPLY_HEADER_BYTES = 20;
export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;
export const STRUCTURED_REPLY_BYTES = 20;
/** What a chunk with data has before the data: its offset. */
export const OFFSET_DATA_BYTES = 8;

/** The most bytes of a string: a name, a message, a query. */
export const MAX_STRING_BYTES = 4096;
/** Data of a request or a reply that everybody has to bear with. */
export const MAX_PAYLOAD_BYTES = 32 * 1024 * 1024;

/** The block size that a client may count on that asks for none. */
export const MIN_BLOCK_BYTES = 512;

/** Zeros that old clients get behind the answer to EXPORT_NAME. */
export const EXPORT_NAME_ZEROES = 124;

export const HandshakeFlag = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

export const Option = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
} as const;

const ERROR = 2 ** 31;

export const OptionReply = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: ERROR + 1,
  ERR_POLICY: ERROR + 2,
  ERR_INVALID: ERROR + 3,
  ERR_PLATFORM: ERROR + 4,
  ERR_TLS_REQD: ERROR + 5,
  ERR_UNKNOWN: ERROR + 6,
  ERR_SHUTDOWN: ERROR + 7,
  ERR_BLOCK_SIZE_REQD: ERROR + 8,
  ERR_TOO_BIG: ERROR + 9,
} as const;

export const Info = { EXPORT: 0, NAME: 1, DESCRIPTION: 2, BLOCK_SIZE: 3 } as const;

/** What an export can do. */
export const TransmissionFlag = {
  HAS_FLAGS: 1 << 0,
  READ_ONLY: 1 << 1,
  SEND_FLUSH: 1 << 2,
  SEND_FUA: 1 << 3,
  ROTATIONAL: 1 << 4,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  SEND_DF: 1 << 7,
  CAN_MULTI_CONN: 1 << 8,
  SEND_CACHE: 1 << 10,
  SEND_FAST_ZERO: 1 << 11,
} as const;

export const Command = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;

export const CommandFlag = {
  FUA: 1 << 0,
  NO_HOLE: 1 << 1,
  DF: 1 << 2,
  REQ_ONE: 1 << 3,
  FAST_ZERO: 1 << 4,
} as const;

/** The last chunk of a structured reply has it. */
export const REPLY_FLAG_DONE = 1;

export const ReplyType = {
  NONE: 0,
  OFFSET_DATA: 1,
  OFFSET_HOLE: 2,
  BLOCK_STATUS: 5,
  ERROR: 2 ** 15 + 1,
  ERROR_OFFSET: 2 ** 15 + 2,
} as const;

/** The only metadata context that the specification defines. */
export const BASE_ALLOCATION = "base:allocation";

/** Of an extent in `base:allocation`. */
export const ExtentState = { HOLE: 1, ZERO: 2 } as const;

/** The values that an error may have on the wire. */
export const NbdError = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;
