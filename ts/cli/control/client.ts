// The control socket's other end: finds the running process, asks it something, and takes the answer.

import { connect, type Socket } from "node:net";
import { resolve } from "node:path";
import { CliError, type Failure, failureOf } from "../failure.js";
import { linesOf, MOST_RESPONSE_BYTES, type Request, type Response } from "./protocol.js";
import { checkPathLength, runningProcesses } from "./socket-path.js";

/** An answer that is an error. */
export class RefusedError extends CliError {
  /** Where in the document that was to be applied. */
  readonly keys: readonly string[] | undefined;

  constructor(failure: Failure, keys: readonly string[] | undefined) {
    super(failure);
    this.keys = keys;
  }
}

/** The option, for help. */
export const SOCKET_OPTION = [
  "--socket <socket>",
  "control socket of the running process (default: $BLOCKPT_SOCKET, else the only one)",
] as const;

const NOT_RUNNING = "ERR_CONTROL_NOT_RUNNING";
const BROKEN = "ERR_CONTROL_ANSWER";
/** A look is answered at once; what is applied takes as long as it takes. */
const ANSWER_MS = 10_000;

/** The socket to ask: of the option, of the environment, or of the only process that runs. */
export async function findSocket(option: string | undefined): Promise<string> {
  const given = option ?? process.env.BLOCKPT_SOCKET;
  if (given) return resolve(given);
  const running = await runningProcesses();
  const [only] = running;
  if (only !== undefined && running.length === 1) return only.path;
  if (only === undefined) {
    const message = "no blockpt runs: start one with blockpt run, or say --socket PATH";
    throw new CliError({ code: NOT_RUNNING, message });
  }
  const list = running.map(({ pid, path }) => `${path} (pid ${pid})`).join(", ");
  const message = `${running.length} processes run: say which with --socket PATH: ${list}`;
  throw new CliError({ code: "ERR_CONTROL_SEVERAL", message });
}

/** Asks the process at a socket. Throws a `CliError`; a `RefusedError` if it answered with one. */
export async function ask<T>(path: string, request: Request): Promise<T> {
  checkPathLength(path);
  const socket = await connected(path);
  try {
    if (request.request !== "apply") {
      socket.setTimeout(ANSWER_MS, () => {
        socket.destroy(brokenBy(path, `does not answer within ${ANSWER_MS / 1000} s`));
      });
    }
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const line of linesOf(socket, MOST_RESPONSE_BYTES)) {
      const response = parse(line, path);
      if (response.ok) return response.result as T;
      const { code, message, keys } = response.error;
      throw new RefusedError({ code, message }, keys);
    }
  } catch (error) {
    throw error instanceof CliError ? error : brokenBy(path, failureOf(error).message);
  } finally {
    socket.destroy();
  }
  throw brokenBy(path, "ended before it had answered");
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      const isNobody = error.code === "ECONNREFUSED" || error.code === "ENOENT";
      const code = isNobody ? NOT_RUNNING : failureOf(error).code;
      const why = isNobody ? "nobody listens there; blockpt run starts one" : error.message;
      reject(new CliError({ code, message: `${path}: ${why}` }));
    });
  });
}

function parse(line: string, path: string): Response {
  try {
    const value = JSON.parse(line) as Partial<Response> | null;
    if (value?.ok === true) return value as Response;
    if (value?.ok === false && typeof value.error?.message === "string") return value as Response;
  } catch {
    // Said below: it is no answer of ours, whatever it is.
  }
  throw brokenBy(path, "answers with something that is no answer");
}

function brokenBy(path: string, why: string): CliError {
  return new CliError({ code: BROKEN, message: `${path}: ${why}` });
}
