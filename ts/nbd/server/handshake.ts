// The handshake, the server's side: the client asks for options until it has chosen an export. Every option gets
// an answer, also one that is unknown, too long or makes no sense. What was agreed on before TLS is forgotten.

import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  BASE_ALLOCATION,
  EXPORT_NAME_ZEROES,
  HandshakeFlag,
  INIT_MAGIC,
  Info,
  MAX_PAYLOAD_BYTES,
  MAX_STRING_BYTES,
  MIN_BLOCK_BYTES,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY_HEADER_BYTES,
  OPTION_REPLY_MAGIC,
  Option,
  OptionReply,
} from "../protocol.js";
import { type NbdExport, preferredBlockBytes, transmissionFlags } from "./export.js";
import { Disconnected, HandshakeStream } from "./handshake-stream.js";
import { Message } from "./message.js";
import { BadOption, readContextQuery, readSelection } from "./option-data.js";
import { ALLOCATION_CONTEXT } from "./reply.js";
import type { Agreement } from "./request.js";

/** What the server does for every client. */
export interface Terms {
  /** What is offered now; the first of a name counts. */
  exports(): readonly NbdExport[];
  /** Begins TLS; undefined if there is none. */
  readonly startTls: ((socket: Socket) => Promise<Socket>) | undefined;
  /** Whether nothing is told without TLS. */
  readonly requiresTls: boolean;
  /** Whether the server is ending. */
  isEnding(): boolean;
}

/** A client that has chosen. */
export interface Welcome {
  /** Of TLS, if it was begun. */
  readonly socket: Socket;
  readonly agreement: Agreement;
}

/** A client that breaks the protocol where no answer is possible, and how. */
export class Breach extends Error {}

/** More data of an option is skipped: the longest that make sense have a few names. */
const MOST_OPTION_BYTES = 64 * 1024;
const CLIENT_FLAGS = HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES;

/** Shakes hands; throws `Disconnected` if the client has gone, also on purpose, and `Breach`. */
export async function shakeHands(socket: Socket, terms: Terms): Promise<Welcome> {
  const handshake = new Handshake(socket, terms);
  await handshake.greet();
  for (;;) {
    const agreement = await handshake.takeOption();
    if (agreement !== undefined) return { socket: handshake.socket, agreement };
    // A client may send options faster than they are answered: one of each client's a turn.
    await nextTurn();
  }
}

class Handshake {
  readonly #terms: Terms;
  #stream: HandshakeStream;
  #isSecure = false;
  #sendsZeroes = true;
  #structured = false;
  /** The export of which the client has selected `base:allocation`. */
  #contextOf: string | undefined;

  constructor(socket: Socket, terms: Terms) {
    this.#stream = new HandshakeStream(socket);
    this.#terms = terms;
  }

  get socket(): Socket {
    return this.#stream.socket;
  }

  async greet(): Promise<void> {
    const greeting = new Message().u64(INIT_MAGIC).u64(OPTION_MAGIC).u16(CLIENT_FLAGS);
    await this.#stream.write(greeting.bytes);
    const flags = (await this.#stream.take(4)).readUInt32BE();
    if ((flags & ~CLIENT_FLAGS) !== 0) throw new Breach(`it has unknown flags, ${flags}`);
    this.#sendsZeroes = (flags & HandshakeFlag.NO_ZEROES) === 0;
  }

  /** Answers one option; gives what was agreed on, if it was the last. */
  async takeOption(): Promise<Agreement | undefined> {
    const header = await this.#stream.take(OPTION_HEADER_BYTES);
    if (header.readBigUInt64BE() !== OPTION_MAGIC) {
      throw new Breach("what should be an option begins with other bytes");
    }
    const option = header.readUInt32BE(8);
    const length = header.readUInt32BE(12);
    if (option === Option.EXPORT_NAME) return this.#exportName(length);
    if (length > MOST_OPTION_BYTES) {
      await this.#refuse(
        option,
        OptionReply.ERR_TOO_BIG,
        `an option has at most ${MOST_OPTION_BYTES} bytes`,
      );
      await this.#stream.skip(length);
      return undefined;
    }
    const data = await this.#stream.take(length);
    try {
      return await this.#answer(option, data);
    } catch (error) {
      if (!(error instanceof BadOption)) throw error;
      await this.#refuse(option, OptionReply.ERR_INVALID, error.message);
      return undefined;
    }
  }

  async #answer(option: number, data: Buffer): Promise<Agreement | undefined> {
    if (option === Option.ABORT) {
      await this.#reply(option, OptionReply.ACK);
      throw new Disconnected();
    }
    if (option === Option.STARTTLS) return this.#startTls(data);
    if (this.#terms.requiresTls && !this.#isSecure) {
      return this.#refuse(
        option,
        OptionReply.ERR_TLS_REQD,
        "this server wants TLS: STARTTLS, or nbds://",
      );
    }
    if (this.#terms.isEnding()) {
      return this.#refuse(option, OptionReply.ERR_SHUTDOWN, "the server is ending");
    }
    switch (option) {
      case Option.LIST:
        return this.#list(data);
      case Option.INFO:
      case Option.GO:
        return this.#select(option, data);
      case Option.STRUCTURED_REPLY:
        checkEmpty(data);
        this.#structured = true;
        return this.#reply(option, OptionReply.ACK);
      case Option.LIST_META_CONTEXT:
      case Option.SET_META_CONTEXT:
        return this.#contexts(option, data);
      default:
        return this.#refuse(option, OptionReply.ERR_UNSUP, `there is no option ${option} here`);
    }
  }

  /** The old way to choose: it has no answer but success. */
  async #exportName(length: number): Promise<Agreement> {
    if (length > MAX_STRING_BYTES) throw new Breach(`an export's name has ${length} bytes`);
    const name = (await this.#stream.take(length)).toString("utf8");
    if (this.#terms.requiresTls && !this.#isSecure) throw new Breach("it begins without TLS");
    const exported = this.#find(name);
    if (exported === undefined) throw new Breach(`there is no export ${JSON.stringify(name)}`);
    if (this.#terms.isEnding()) throw new Disconnected();
    const agreement = this.#agreementOn(exported, name);
    const answer = new Message().u64(BigInt(exported.disk.sizeBytes)).u16(agreement.offered);
    if (this.#sendsZeroes) answer.zeroes(EXPORT_NAME_ZEROES);
    await this.#stream.write(answer.bytes);
    return agreement;
  }

  async #startTls(data: Buffer): Promise<undefined> {
    const option = Option.STARTTLS;
    const { startTls } = this.#terms;
    if (startTls === undefined)
      return this.#refuse(option, OptionReply.ERR_UNSUP, "there is no TLS here");
    checkEmpty(data);
    if (this.#isSecure) throw new BadOption("TLS has begun already");
    await this.#reply(option, OptionReply.ACK);
    this.socket.removeAllListeners();
    // What is here of the client's already is taken for TLS, and is none.
    this.#stream = new HandshakeStream(await startTls(this.socket));
    this.#isSecure = true;
    this.#structured = false;
    this.#contextOf = undefined;
    return undefined;
  }

  async #list(data: Buffer): Promise<undefined> {
    checkEmpty(data);
    for (const { name, description = "" } of this.#terms.exports()) {
      const server = new Message().text(name).bare(description);
      await this.#reply(Option.LIST, OptionReply.SERVER, server.bytes);
    }
    return this.#reply(Option.LIST, OptionReply.ACK);
  }

  async #select(option: number, data: Buffer): Promise<Agreement | undefined> {
    const { name, wanted } = readSelection(data);
    const exported = this.#find(name);
    if (exported === undefined) return this.#refuseUnknown(option, name);
    const { disk, description } = exported;
    const agreement = this.#agreementOn(exported, name);
    const inform = (info: Message): Promise<undefined> =>
      this.#reply(option, OptionReply.INFO, info.bytes);
    await inform(
      new Message()
        .u16(Info.BLOCK_SIZE)
        .u32(disk.logicalBlockBytes)
        .u32(preferredBlockBytes(disk))
        .u32(MAX_PAYLOAD_BYTES),
    );
    if (disk.logicalBlockBytes > MIN_BLOCK_BYTES && !wanted.includes(Info.BLOCK_SIZE)) {
      const why = `this export has blocks of ${disk.logicalBlockBytes} bytes: ask for the block size`;
      return this.#refuse(option, OptionReply.ERR_BLOCK_SIZE_REQD, why);
    }
    await inform(new Message().u16(Info.EXPORT).u64(BigInt(disk.sizeBytes)).u16(agreement.offered));
    if (wanted.includes(Info.NAME)) await inform(new Message().u16(Info.NAME).bare(exported.name));
    if (wanted.includes(Info.DESCRIPTION) && description !== undefined) {
      await inform(new Message().u16(Info.DESCRIPTION).bare(description));
    }
    await this.#reply(option, OptionReply.ACK);
    return option === Option.GO ? agreement : undefined;
  }

  async #contexts(option: number, data: Buffer): Promise<undefined> {
    const sets = option === Option.SET_META_CONTEXT;
    // It replaces what was selected, also if it fails.
    if (sets) this.#contextOf = undefined;
    if (!this.#structured) throw new BadOption("STRUCTURED_REPLY has to come first");
    const { name, queries } = readContextQuery(data);
    if (this.#find(name) === undefined) return this.#refuseUnknown(option, name);
    const isListed = !sets && (queries.length === 0 || queries.includes("base:"));
    if (isListed || queries.includes(BASE_ALLOCATION)) {
      if (sets) this.#contextOf = name;
      const context = new Message().u32(sets ? ALLOCATION_CONTEXT : 0).bare(BASE_ALLOCATION);
      await this.#reply(option, OptionReply.META_CONTEXT, context.bytes);
    }
    return this.#reply(option, OptionReply.ACK);
  }

  /** The export of a name; the empty name means the only one. */
  #find(name: string): NbdExport | undefined {
    const exports = this.#terms.exports();
    const found = exports.find((exported) => exported.name === name);
    return found ?? (name === "" && exports.length === 1 ? exports[0] : undefined);
  }

  #agreementOn(exported: NbdExport, name: string): Agreement {
    return {
      exported,
      offered: transmissionFlags(exported, this.#structured),
      structured: this.#structured,
      blockStatus: this.#contextOf === name,
    };
  }

  #refuseUnknown(option: number, name: string): Promise<undefined> {
    const names = this.#terms.exports().map((exported) => JSON.stringify(exported.name));
    const there = names.length === 0 ? "there is none" : `there are ${names.join(", ")}`;
    const why = `there is no export ${JSON.stringify(name)}: ${there}`;
    return this.#refuse(option, OptionReply.ERR_UNKNOWN, why);
  }

  #refuse(option: number, reply: number, why: string): Promise<undefined> {
    const message = Buffer.from(why).subarray(0, MAX_STRING_BYTES);
    return this.#reply(option, reply, message);
  }

  async #reply(
    option: number,
    reply: number,
    data: Uint8Array = Buffer.alloc(0),
  ): Promise<undefined> {
    const header = new Message().u64(OPTION_REPLY_MAGIC).u32(option).u32(reply).u32(data.length);
    await this.#stream.write(
      Buffer.concat([header.bytes, data], OPTION_REPLY_HEADER_BYTES + data.length),
    );
    return undefined;
  }
}

function checkEmpty(data: Buffer): void {
  if (data.length > 0) throw new BadOption("this option has no data");
}
