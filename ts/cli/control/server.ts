// The control socket's listening end. Whatever comes is answered, with an error if need be; whoever stalls,
// sends too much or vanishes loses their own connection, and nobody else anything.

import { createServer, type Server, type Socket } from "node:net";
import { CONFIG_ERROR } from "../config-file/config-file.js";
import { checkDocument, type MachineDocument } from "../config-file/schema.js";
import { CliError, failureOf } from "../failure.js";
import { eitherOf } from "../nearest.js";
import {
  LineTooLong,
  linesOf,
  type MachineReport,
  MOST_REQUEST_BYTES,
  REQUESTS,
  type Response,
  type ResponseError,
} from "./protocol.js";
import { checkPathLength, clearPath, SOCKET_ERROR } from "./socket-path.js";

/** Who answers. */
export interface Controlled {
  report(): MachineReport;
  dump(): Promise<MachineDocument>;
  apply(document: MachineDocument): Promise<string[]>;
}

export interface ControlServer {
  /** Ends every connection, and removes the socket. */
  close(): Promise<void>;
}

/** Errors of the answers. */
const BAD_REQUEST = "ERR_CONTROL_REQUEST";
/** A connection on which so long nothing comes, or is taken, is closed. */
const STALL_MS = 30_000;
/** How long what comes behind a request that is too long is read, and forgotten. */
const DISCARD_MS = 5000;
const MOST_CONNECTIONS = 256;

/** Listens on a path, which only this user's processes can then connect to. */
export async function startControlServer(
  path: string,
  controlled: Controlled,
): Promise<ControlServer> {
  checkPathLength(path);
  await clearPath(path);
  const sockets = new Set<Socket>();
  // Half open: a client may say that it has no more to ask before it has its answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // Whoever has vanished wants no answer, and none is owed to who broke off.
    void serve(socket, controlled).catch(() => socket.destroy());
  });
  server.maxConnections = MOST_CONNECTIONS;
  await listen(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** The socket has its mode from the moment it is there: it is made in this very turn. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const mask = process.umask(0o177);
    try {
      server.once("error", (error) => {
        const { message } = failureOf(error);
        const why = `cannot listen on ${path}: ${message}; --socket PATH says another place`;
        reject(new CliError({ code: SOCKET_ERROR, message: why }));
      });
      server.listen(path, resolve);
    } finally {
      process.umask(mask);
    }
  });
}

async function serve(socket: Socket, controlled: Controlled): Promise<void> {
  // Of a socket whose reader is not there any more an error would be nobody's.
  socket.on("error", () => {});
  socket.setTimeout(STALL_MS, () => socket.destroy());
  try {
    const chunks = socket.iterator({ destroyOnReturn: false });
    for await (const line of linesOf(chunks, MOST_REQUEST_BYTES)) {
      // It is ours to hurry now, and not the client's.
      socket.setTimeout(0);
      const response = await answer(line, controlled);
      socket.setTimeout(STALL_MS);
      await send(socket, response);
    }
    socket.end();
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    const message = `a request has at most ${MOST_REQUEST_BYTES} bytes`;
    await send(socket, refusal({ code: BAD_REQUEST, message }));
    socket.end();
    discard(socket);
  }
}

/** Resolves when it was taken: no answer is made before the last one is on its way. */
function send(socket: Socket, response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(`${JSON.stringify(response)}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

/** Reads on for a while: who finds that nobody reads looks for no answer. */
function discard(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), DISCARD_MS);
  socket.once("close", () => clearTimeout(timer));
  socket.resume();
}

async function answer(line: string, controlled: Controlled): Promise<Response> {
  try {
    return { ok: true, result: await resultOf(parse(line), controlled) };
  } catch (error) {
    const keys = (error as { keys?: readonly string[] }).keys;
    return refusal({ ...failureOf(error), keys });
  }
}

async function resultOf(
  request: Readonly<Record<string, unknown>>,
  controlled: Controlled,
): Promise<unknown> {
  switch (request.request) {
    case "inspect":
      return controlled.report();
    case "dump":
      return controlled.dump();
    case "apply": {
      const checked = checkDocument(request.document);
      if ("document" in checked) return { changed: await controlled.apply(checked.document) };
      const problems = checked.problems.map(({ keys, message }) => `${keys.join(".")}: ${message}`);
      throw new CliError({ code: CONFIG_ERROR, message: problems.join("; ") });
    }
    default:
      throw badRequest(`"request" has to be ${eitherOf(REQUESTS)}`);
  }
}

function parse(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw badRequest(`a request is a line of JSON: ${failureOf(error).message}`);
  }
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw badRequest('a request is an object: {"request":"inspect"}');
}

function badRequest(message: string): CliError {
  return new CliError({ code: BAD_REQUEST, message });
}

function refusal(error: ResponseError): Response {
  return { ok: false, error };
}
