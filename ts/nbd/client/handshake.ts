// The client's side of the fixed newstyle handshake: TLS if it is wanted, structured replies if they are to be had,
// and the export.
//
// What the server sends is taken in pieces whose length is bounded before they are read; how long it may take
// is whoever calls to see to.

import {
  EXPORT_NAME_ZEROES,
  GREETING_BYTES,
  HandshakeFlag,
  INIT_MAGIC,
  Info,
  MAX_PAYLOAD_BYTES,
  MAX_STRING_BYTES,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY_HEADER_BYTES,
  OPTION_REPLY_MAGIC,
  Option,
  OptionReply,
  TransmissionFlag,
} from "../protocol.js";
import type { NbdExportFacts } from "./export-facts.js";
import type { Wire } from "./wire.js";

/** What follows INIT_MAGIC in servers of before 2011. */
const OLDSTYLE_MAGIC = 0x00420281861253n;
/** The longest that a reply to an option of ours may be: a name and a description. */
const MAX_REPLY_BYTES = 2 * MAX_STRING_BYTES + 8;
/** More replies to one option than any server has a reason for; exports that are listed among them. */
const MAX_REPLIES = 1024;
/** Exports that are named to whoever asked for another one. */
const MAX_LISTED = 10;
const FIRST_ERROR = 2 ** 31;
const MAX_BLOCK_BYTES = 65536;

const REFUSALS: Readonly<Record<number, string>> = {
  [OptionReply.ERR_UNSUP]: "does not know that option",
  [OptionReply.ERR_POLICY]: "does not allow it",
  [OptionReply.ERR_INVALID]: "takes the request for an invalid one",
  [OptionReply.ERR_PLATFORM]: "cannot do that on its platform",
  [OptionReply.ERR_TLS_REQD]: "wants TLS: nbds:// or nbds+unix:// asks for it",
  [OptionReply.ERR_UNKNOWN]: "has no such export",
  [OptionReply.ERR_SHUTDOWN]: "is shutting down",
  [OptionReply.ERR_BLOCK_SIZE_REQD]: "wants its block size to be asked for",
  [OptionReply.ERR_TOO_BIG]: "finds the request too long",
};

interface Reply {
  readonly type: number;
  readonly data: Buffer;
}

/** Agrees with the server on how to go on; `startTls` is there if the URI wants TLS. */
export async function shakeHands(
  wire: Wire,
  exportName: string,
  startTls: (() => Promise<void>) | undefined,
): Promise<NbdExportFacts> {
  const hasZeroes = await greet(wire);
  if (startTls !== undefined) await askForTls(wire, startTls);
  const structured = await askForStructuredReplies(wire);
  const facts = (await go(wire, exportName)) ?? (await goByName(wire, exportName, hasZeroes));
  return { ...facts, structured };
}

/** True if zeros follow the answer to EXPORT_NAME. */
async function greet(wire: Wire): Promise<boolean> {
  const greeting = await wire.read(GREETING_BYTES);
  const style = greeting.readBigUInt64BE(8);
  if (greeting.readBigUInt64BE(0) !== INIT_MAGIC) throw new Error("that is no NBD server");
  if (style === OLDSTYLE_MAGIC) {
    throw new Error("the server speaks the oldstyle protocol, which is not supported");
  }
  if (style !== OPTION_MAGIC) throw new Error("that is no NBD server");
  const flags = greeting.readUInt16BE(16);
  if ((flags & HandshakeFlag.FIXED_NEWSTYLE) === 0) {
    throw new Error("the server does not speak the fixed newstyle protocol");
  }
  const noZeroes = flags & HandshakeFlag.NO_ZEROES;
  const ours = Buffer.alloc(4);
  ours.writeUInt32BE(HandshakeFlag.FIXED_NEWSTYLE | noZeroes);
  wire.write(ours);
  return noZeroes === 0;
}

async function askForTls(wire: Wire, startTls: () => Promise<void>): Promise<void> {
  sendOption(wire, Option.STARTTLS);
  const reply = await readReply(wire, Option.STARTTLS);
  if (reply.type !== OptionReply.ACK) {
    throw refused("TLS", reply, "nbd:// or nbd+unix:// does without it");
  }
  await startTls();
  // The server does not speak first, so this came before TLS, perhaps from somebody else.
  if (wire.available > 0) throw new Error("the server sent something before TLS began");
}

async function askForStructuredReplies(wire: Wire): Promise<boolean> {
  sendOption(wire, Option.STRUCTURED_REPLY);
  const reply = await readReply(wire, Option.STRUCTURED_REPLY);
  if (reply.type === OptionReply.ERR_TLS_REQD) throw refused("a connection", reply);
  if (reply.type === OptionReply.ACK || reply.type >= FIRST_ERROR) {
    return reply.type === OptionReply.ACK;
  }
  throw new Error(`the server answered STRUCTURED_REPLY by ${reply.type}`);
}

type Facts = Omit<NbdExportFacts, "structured">;

/** Goes to an export; undefined if the server does not know that option. */
async function go(wire: Wire, exportName: string): Promise<Facts | undefined> {
  const name = Buffer.from(exportName, "utf8");
  const request = Buffer.alloc(4 + name.length + 4);
  request.writeUInt32BE(name.length, 0);
  name.copy(request, 4);
  request.writeUInt16BE(1, 4 + name.length);
  request.writeUInt16BE(Info.BLOCK_SIZE, 6 + name.length);
  sendOption(wire, Option.GO, request);
  let found: Facts | undefined;
  let blocks = { minBlockBytes: 1, maxPayloadBytes: MAX_PAYLOAD_BYTES };
  for (let count = 0; count < MAX_REPLIES; count++) {
    const reply = await readReply(wire, Option.GO);
    if (reply.type === OptionReply.ERR_UNSUP) return undefined;
    if (reply.type === OptionReply.ERR_UNKNOWN) throw await noSuchExport(wire, exportName, reply);
    if (reply.type >= FIRST_ERROR) throw refused(`the export ${quoted(exportName)}`, reply);
    if (reply.type === OptionReply.ACK) {
      if (found === undefined) throw new Error("the server does not say what the export is");
      return { ...found, ...blocks };
    }
    if (reply.type !== OptionReply.INFO || reply.data.length < 2) {
      throw new Error(`the server answered GO by ${reply.type} with ${reply.data.length} bytes`);
    }
    const kind = reply.data.readUInt16BE(0);
    if (kind === Info.EXPORT) found = { ...factsOf(reply.data.subarray(2)), ...blocks };
    if (kind === Info.BLOCK_SIZE) blocks = blocksOf(reply.data.subarray(2));
  }
  throw new Error("the server does not come to an end of its answer to GO");
}

/** As servers know it that do not know GO; one that has no such export ends the connection. */
async function goByName(wire: Wire, exportName: string, hasZeroes: boolean): Promise<Facts> {
  sendOption(wire, Option.EXPORT_NAME, Buffer.from(exportName, "utf8"));
  let answer: Buffer;
  try {
    answer = await wire.read(10 + (hasZeroes ? EXPORT_NAME_ZEROES : 0));
  } catch (cause) {
    const why = `the server has no export ${quoted(exportName)}, as far as it says`;
    throw new Error(why, { cause });
  }
  return {
    ...factsOf(answer.subarray(0, 10)),
    minBlockBytes: 1,
    maxPayloadBytes: MAX_PAYLOAD_BYTES,
  };
}

function factsOf(data: Buffer): { sizeBytes: number; flags: number } {
  if (data.length !== 10)
    throw new Error(`the server describes the export in ${data.length} bytes`);
  const size = data.readBigUInt64BE(0);
  if (size > Number.MAX_SAFE_INTEGER) throw new Error(`the export has ${size} bytes, too many`);
  const flags = data.readUInt16BE(8);
  const isMeant = (flags & TransmissionFlag.HAS_FLAGS) !== 0;
  return { sizeBytes: Number(size), flags: isMeant ? flags : 0 };
}

function blocksOf(data: Buffer): { minBlockBytes: number; maxPayloadBytes: number } {
  if (data.length !== 12) throw new Error(`the server describes blocks in ${data.length} bytes`);
  const least = data.readUInt32BE(0);
  const most = data.readUInt32BE(8);
  if (least === 0 || (least & (least - 1)) !== 0 || least > MAX_BLOCK_BYTES) {
    const wanted = `a power of two up to ${MAX_BLOCK_BYTES} is wanted`;
    throw new Error(`the export's smallest block has ${least} bytes: ${wanted}`);
  }
  if (most < least) throw new Error(`the export's largest block has ${most} bytes`);
  const maxPayloadBytes = Math.min(most - (most % least), MAX_PAYLOAD_BYTES);
  return { minBlockBytes: least, maxPayloadBytes };
}

/** Why there is no such export, and which there are. */
async function noSuchExport(wire: Wire, exportName: string, reply: Reply): Promise<Error> {
  const names = await listExports(wire).catch(() => undefined);
  const known =
    names === undefined
      ? ""
      : names.length === 0
        ? "; it lists none"
        : `; it has ${names.slice(0, MAX_LISTED).map(quoted).join(", ")}` +
          (names.length > MAX_LISTED ? ` and ${names.length - MAX_LISTED} more` : "");
  return new Error(`${refused(`the export ${quoted(exportName)}`, reply).message}${known}`);
}

async function listExports(wire: Wire): Promise<string[]> {
  sendOption(wire, Option.LIST);
  const names: string[] = [];
  while (names.length < MAX_REPLIES) {
    const reply = await readReply(wire, Option.LIST);
    if (reply.type === OptionReply.ACK) return names;
    if (reply.type !== OptionReply.SERVER) throw refused("its list of exports", reply);
    const lenBytes = reply.data.readUInt32BE(0);
    names.push(reply.data.toString("utf8", 4, 4 + lenBytes));
  }
  return names;
}

function sendOption(wire: Wire, option: number, data: Buffer = Buffer.alloc(0)): void {
  const header = Buffer.alloc(OPTION_HEADER_BYTES);
  header.writeBigUInt64BE(OPTION_MAGIC, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(data.length, 12);
  wire.write(Buffer.concat([header, data]));
}

async function readReply(wire: Wire, option: number): Promise<Reply> {
  const header = await wire.read(OPTION_REPLY_HEADER_BYTES);
  const lenBytes = header.readUInt32BE(16);
  if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC) {
    throw new Error("the server broke the protocol: an option's reply does not begin as one");
  }
  if (header.readUInt32BE(8) !== option) {
    const other = header.readUInt32BE(8);
    throw new Error(`the server broke the protocol: option ${option} was sent, ${other} answered`);
  }
  if (lenBytes > MAX_REPLY_BYTES) {
    throw new Error(`the server broke the protocol: an option's reply has ${lenBytes} bytes`);
  }
  return { type: header.readUInt32BE(12), data: await wire.read(lenBytes) };
}

function refused(what: string, { type, data }: Reply, hint?: string): Error {
  const said = data.toString("utf8").trim();
  const why = REFUSALS[type] ?? `answers ${type}`;
  return new Error(
    `${what} was asked for, and the server ${why}` +
      (said === "" ? "" : ` (${quoted(said)})`) +
      (hint === undefined ? "" : `; ${hint}`),
  );
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
